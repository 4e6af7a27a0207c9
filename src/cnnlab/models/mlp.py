"""Dense networks: from linear classification (no hidden layer) to any widths."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from cnnlab.config.ranges import Count, NotNegative, Positive, Share, UpToOne
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.classification import SignedSquaredError
from cnnlab.models.layers import Activation, DenseNormPlace, Init, Network, initialise, kernels
from cnnlab.models.layers import activation as make_activation
from cnnlab.models.module import NetworkModule

T = TypeVar("T")


def per_layer(value: T | Sequence[T], layers: int, key: str) -> list[T]:
    """Repeat one value for each layer, or check that a list has one for each.

    Raises:
        UserError: if a list is of another length.

    Examples:
        >>> per_layer(3, 2, "model.kernel_size"), per_layer([3, 5], 2, "model.kernel_size")
        ([3, 3], [3, 5])
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [value] * layers
    if len(value) != layers:
        raise UserError(
            f"{key} lists {len(value)} values for {layers} layers: give one for all, or {layers}."
        )
    return list(value)


def dense_layers(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    *,
    act: Activation,
    negative_slope: float,
    norm: DenseNormPlace | Sequence[DenseNormPlace],
    norm_key: str,
    norm_momentum: float,
    norm_eps: float,
    dropout: float | Sequence[float],
    dropout_key: str,
) -> OrderedDict[str, nn.Module]:
    """Hidden dense layers with norm, activation and dropout, then the output layer without any."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    # A text is a sequence too, of texts: the type checker cannot tell one place from a list of them.
    places: list[DenseNormPlace] = per_layer(cast(Any, norm), len(hidden), norm_key)
    dropouts = per_layer(dropout, len(hidden), dropout_key)
    for i, (width, place, p) in enumerate(zip(hidden, places, dropouts, strict=True), 1):
        layers[f"dense{i}"] = nn.Linear(inputs, width)
        if place == "before":
            layers[f"norm{i}"] = nn.BatchNorm1d(width, norm_eps, norm_momentum)
        layers[f"{act}{i}"] = make_activation(act, negative_slope)
        if place == "after":
            layers[f"norm{i}"] = nn.BatchNorm1d(width, norm_eps, norm_momentum)
        if p:
            layers[f"dropout{i}"] = nn.Dropout(p)
        if place == "after_dropout":
            layers[f"norm{i}"] = nn.BatchNorm1d(width, norm_eps, norm_momentum)
        inputs = width
    layers["output"] = nn.Linear(inputs, outputs)
    return layers


class MLP(Network):
    """Flatten, hidden dense layers, an output layer; without hidden layers a linear model.

    Takes float ``(batch, *input_shape)``, gives float ``(batch, outputs)``: logits, for the losses that
    expect them.

    Args:
        input_shape: shape of one sample.
        outputs: number of outputs.
        hidden: widths of the hidden layers.
        activation: by name, after each hidden layer.
        negative_slope: of ``leaky_relu``.
        norm: batch norm ``before`` or ``after`` the activations, ``after_dropout``, or ``none``, or a list.
        norm_momentum: share of the new batch in the running statistics (Keras's momentum is 1 less this).
        norm_eps: added to the variance.
        dropout: after the hidden layers, one for all or a list.
        output_activation: of the output layer. Cross-entropies bring theirs with them and want ``none``.
        joined: let the output layer see the inputs beside the last hidden layer.
        l2: factor of the sum of the squared kernels, added to the loss.
        init: ``torch``, ``keras`` or ``he``, see :func:`initialise`.

    Examples:
        >>> sum(p.numel() for p in MLP((1, 28, 28), 10, hidden=[100]).parameters())
        79510
        >>> sum(p.numel() for p in MLP((2,), 1, hidden=[1], joined=True).parameters())
        7
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        hidden: Sequence[Count] = (),
        activation: Activation = "relu",
        negative_slope: NotNegative = 0.01,
        norm: DenseNormPlace | Sequence[DenseNormPlace] = "none",
        norm_momentum: UpToOne = 0.1,
        norm_eps: Positive = 1e-5,
        dropout: Share | Sequence[Share] = 0.0,
        output_activation: Activation = "none",
        joined: bool = False,
        l2: NotNegative = 0.0,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        inputs = math.prod(input_shape)
        self.flatten = nn.Flatten()
        layers = dense_layers(
            inputs,
            hidden,
            outputs,
            act=activation,
            negative_slope=negative_slope,
            norm=norm,
            norm_key="model.norm",
            norm_momentum=norm_momentum,
            norm_eps=norm_eps,
            dropout=dropout,
            dropout_key="model.dropout",
        )
        self.before_joint = len(layers) - 1 if joined and hidden else 0
        if self.before_joint:
            layers["output"] = nn.Linear(hidden[-1] + inputs, outputs)
        if output_activation != "none":
            layers[f"output_{output_activation}"] = make_activation(output_activation, negative_slope)
        self.layers = nn.Sequential(layers)
        self.l2 = l2
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(batch, outputs)`` of float samples ``(batch, *input_shape)``."""
        x = self.flatten(x)
        if self.before_joint:
            hidden = self.layers[: self.before_joint](x)
            joint: Tensor = self.layers[self.before_joint :](torch.cat([hidden, x], 1))
            return joint
        outputs: Tensor = self.layers(x)
        return outputs

    def penalised(self) -> list[tuple[float, Tensor]]:
        """Each kernel with the factor of its squared sum in the loss."""
        return kernels(self.layers, self.l2)


NEVER_NEGATIVE = ("relu", "sigmoid")


class MLPModule(NetworkModule):
    """Training of an :class:`MLP`."""

    network_class = MLP

    @classmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data whose samples are not fixed numbers."""
        if spec.kind == "tokens":
            raise UserError(
                f"data={spec.name} gives token ids, which a dense network cannot take; "
                "data.view=counts gives counts of words."
            )

    def make_network(self, spec: DataSpec, **settings: Any) -> Network:  # noqa: ANN401
        """Build the network, unless its output would go through an activation twice."""
        chosen = settings.get("output_activation", "none")
        if chosen != "none" and self.objective.takes_logits:
            raise UserError(
                f"model.output_activation={chosen}: a cross-entropy brings its sigmoid or softmax with it; "
                "allowed is none, or a squared error as model.loss."
            )
        if isinstance(self.objective, SignedSquaredError) and chosen in NEVER_NEGATIVE:
            raise UserError(
                f"model.output_activation={chosen} is never negative, and the targets of "
                "model.loss=signed_mse are -1 and 1; allowed is none or tanh, or model.loss=binary_mse."
            )
        if settings.get("joined") and not settings.get("hidden"):
            raise UserError(
                "model.joined=true: there is no hidden layer to which the inputs could be joined."
            )
        return super().make_network(spec, **settings)
