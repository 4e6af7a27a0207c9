"""One configurable convolutional network, written in the notation of torchvision's VGG.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from cnnlab.config.ranges import Count, NotNegative, Positive, Share, UpToOne
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.layers import (
    Activation,
    Init,
    Network,
    NormPlace,
    Padding,
    SameConv2d,
    activation,
    add_max_pool,
    conv_size,
    initialise,
    kernels,
)
from cnnlab.models.mlp import dense_layers, per_layer
from cnnlab.models.module import NetworkModule

Pool = Literal["max", "avg", "conv"]
MemoryFormat = Literal["auto", "channels_last", "contiguous"]


@dataclass(frozen=True)
class Stage:
    """One entry of ``features``, with the settings that fall to it."""

    entry: int | str
    label: str
    kernel_size: int = 0
    stride: int = 1
    padding: Padding = "same"
    dropout: float = 0.0


def stages(
    features: Sequence[int | str],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int],
    padding: Padding | Sequence[Padding],
    pool_size: int,
    dropout_pool: float | Sequence[float],
) -> list[Stage]:
    """Read the notation: a number is a convolution with so many filters, ``P`` is a pooling.

    Raises:
        UserError: for another entry, or a list that does not fit the number of layers.

    Examples:
        >>> [s.label for s in stages([64, "P"], 3, 1, "same", 2, 0.0)]
        ['features[0] (64)', 'features[1] (P)']
    """
    for i, entry in enumerate(features):
        if not (entry == "P" or (isinstance(entry, int) and not isinstance(entry, bool) and entry > 0)):
            raise UserError(
                f"model.features[{i}]={entry}: an entry is a number of filters (64), or P for a pooling."
            )
    convs = sum(entry != "P" for entry in features)
    pools = len(features) - convs
    kernels = iter(per_layer(kernel_size, convs, "model.kernel_size"))
    strides = iter(per_layer(stride, convs, "model.stride"))
    paddings: Iterator[Padding] = iter(per_layer(cast(Any, padding), convs, "model.padding"))
    dropouts = iter(per_layer(dropout_pool, pools, "model.dropout_pool"))
    return [
        Stage(entry, f"features[{i}] (P)", pool_size, pool_size, "valid", next(dropouts))
        if entry == "P"
        else Stage(entry, f"features[{i}] ({entry})", next(kernels), next(strides), next(paddings))
        for i, entry in enumerate(features)
    ]


class ConvNet(Network):
    """Convolutions and poolings in the order of ``features``, then dense layers, then a linear output.

    Takes float ``(batch, channels, height, width)``, gives float ``(batch, outputs)``: logits.

    Args:
        input_shape: ``(channels, height, width)``.
        outputs: number of outputs.
        features: a number is a convolution with so many filters, ``P`` a pooling: ``[64, 64, P, 128, P]``.
        classifier: widths of the hidden dense layers.
        kernel_size: of the convolutions, one for all or a list with one for each.
        stride: likewise.
        padding: ``same`` (as Keras pads) or ``valid`` (none), likewise.
        pool: ``max``, ``avg``, or ``conv``: a convolution with as many filters and the stride ``pool_size``.
        pool_size: side and stride of a pooling.
        activation: by name, after each convolution and hidden dense layer.
        negative_slope: of ``leaky_relu``.
        norm: batch norm of the convolutions, ``before`` or ``after`` the activation, or ``none``.
        norm_flatten: batch norm of the flattened vector.
        norm_dense: batch norm of the hidden dense layers, like ``norm``.
        norm_momentum: share of the new batch in the running statistics (Keras's momentum is 1 less this).
        norm_eps: added to the variance.
        dropout_pool: after the poolings, one for all or a list.
        dropout_dense: after the hidden dense layers, one for all or a list.
        l2_conv: factor of the sum of the squared kernels of the convolutions, added to the loss.
        l2_dense: likewise for the dense layers, the output layer included.
        init: ``torch``, ``keras`` or ``he``, see :func:`initialise`.
        memory_format: ``auto`` is channels last, which is the faster one.

    Raises:
        UserError: for a wrong entry, or where the image becomes too small for a layer, which is named.

    Examples:
        >>> net = ConvNet((3, 32, 32), 10, features=[64, "P", 64, "P"], classifier=[512])
        >>> sum(p.numel() for p in net.parameters()), net(torch.zeros(2, 3, 32, 32)).shape
        (2141514, torch.Size([2, 10]))
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        features: Sequence[Count | Literal["P"]],
        classifier: Sequence[Count] = (),
        kernel_size: Count | Sequence[Count] = 3,
        stride: Count | Sequence[Count] = 1,
        padding: Padding | Sequence[Padding] = "same",
        pool: Pool = "max",
        pool_size: Count = 2,
        activation: Activation = "relu",
        negative_slope: NotNegative = 0.01,
        norm: NormPlace = "none",
        norm_flatten: bool = False,
        norm_dense: NormPlace = "none",
        norm_momentum: UpToOne = 0.1,
        norm_eps: Positive = 1e-5,
        dropout_pool: Share | Sequence[Share] = 0.0,
        dropout_dense: Share | Sequence[Share] = 0.0,
        l2_conv: NotNegative = 0.0,
        l2_dense: NotNegative = 0.0,
        init: Init = "torch",
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__()
        self.pool, self.norm = pool, norm
        self.act, self.negative_slope = activation, negative_slope
        self.norm_momentum, self.norm_eps = norm_momentum, norm_eps
        self.l2_conv, self.l2_dense = l2_conv, l2_dense
        plan = stages(features, kernel_size, stride, padding, pool_size, dropout_pool)
        self.features, flat = self._convolutions(input_shape, plan)
        dense = dense_layers(
            flat,
            classifier,
            outputs,
            act=activation,
            negative_slope=negative_slope,
            norm=norm_dense,
            norm_key="model.norm_dense",
            norm_momentum=norm_momentum,
            norm_eps=norm_eps,
            dropout=dropout_dense,
            dropout_key="model.dropout_dense",
        )
        head: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        if norm_flatten:
            head["norm"] = nn.BatchNorm1d(flat, norm_eps, norm_momentum)
        self.classifier = nn.Sequential(head | dense)
        initialise(self, init)
        if memory_format != "contiguous":
            self.to(memory_format=torch.channels_last)

    def _convolutions(self, input_shape: tuple[int, ...], plan: list[Stage]) -> tuple[nn.Sequential, int]:
        channels, height, width = input_shape
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        convs = pools = 0
        for stage in plan:
            sizes = [
                conv_size(n, stage.kernel_size, stage.stride, self._padding(stage)) for n in (height, width)
            ]
            if min(sizes) < 1:
                raise UserError(
                    f"model.{stage.label}: the image is {height}x{width} here, too small for a "
                    f"{stage.kernel_size}x{stage.kernel_size} {'pool' if stage.entry == 'P' else 'kernel'}; "
                    f"the input is {input_shape[1]}x{input_shape[2]}. Take larger images or fewer layers."
                )
            height, width = sizes
            if stage.entry == "P" and self.pool != "conv":
                pools += 1
                if self.pool == "max":
                    add_max_pool(layers, f"pool{pools}", nn.MaxPool2d(stage.kernel_size, stage.stride))
                else:
                    layers[f"pool{pools}"] = nn.AvgPool2d(stage.kernel_size, stage.stride)
            else:
                convs += 1
                filters = channels if stage.entry == "P" else int(stage.entry)
                layers.update(self._convolution(channels, filters, stage, convs))
                channels = filters
            if stage.dropout:
                layers[f"dropout{len(layers)}"] = nn.Dropout(stage.dropout)
        return nn.Sequential(layers), channels * height * width

    def _padding(self, stage: Stage) -> Padding:
        return "same" if stage.entry == "P" and self.pool == "conv" else stage.padding

    def _convolution(self, channels: int, filters: int, stage: Stage, number: int) -> dict[str, nn.Module]:
        kernel = 3 if stage.entry == "P" else stage.kernel_size
        kind = SameConv2d if self._padding(stage) == "same" else nn.Conv2d
        conv = kind(channels, filters, kernel, stage.stride)
        norm = nn.BatchNorm2d(filters, self.norm_eps, self.norm_momentum)
        act = activation(self.act, self.negative_slope)
        names = {"none": "ca", "before": "cna", "after": "can"}[self.norm]
        parts = {"c": ("conv", conv), "n": ("norm", norm), "a": (self.act, act)}
        return {f"{parts[p][0]}{number}": parts[p][1] for p in names}

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, outputs)`` of float images ``(batch, channels, height, width)``."""
        logits: Tensor = self.classifier(self.features(x))
        return logits

    def penalised(self) -> list[tuple[float, Tensor]]:
        """Each kernel with the factor of its squared sum in the loss."""
        return [*kernels(self.features, self.l2_conv), *kernels(self.classifier, self.l2_dense)]


class ConvNetModule(NetworkModule):
    """Training of a :class:`ConvNet`.

    Args:
        spec: shape and classes of the data.
        test_time_flip: outside of training, give the mean of the outputs for an image and its mirror image.
            Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, 4.1.
        settings: see :class:`~cnnlab.models.module.NetworkModule` and :class:`ConvNet`.

    Raises:
        UserError: if the network cannot take this data.
    """

    network_class = ConvNet

    def __init__(self, spec: DataSpec, *, test_time_flip: bool = False, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(spec, **settings)
        if test_time_flip and spec.target == "image":
            raise UserError(
                f"model.test_time_flip: data={spec.name} has images to predict, and a mirror image has "
                "another one; it is for classes and values."
            )
        self.test_time_flip = test_time_flip

    @classmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data that is not images."""
        if spec.kind != "image":
            raise UserError(
                f"data={spec.name} gives {spec.kind} samples; a convolutional network takes images."
            )

    def forward(self, raw: Tensor) -> Tensor:
        """Outputs ``(batch, outputs)`` of a raw batch; see ``test_time_flip``."""
        outputs = super().forward(raw)
        if self.test_time_flip and not self.training:
            outputs = (outputs + super().forward(raw.flip(-1))) / 2
        return outputs
