"""Convolutional network for texts: word embeddings, convolutions along the text, dense layers.

Kim, Convolutional Neural Networks for Sentence Classification, 2014.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
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
    conv_size,
    initialise,
    kernels,
)
from cnnlab.models.mlp import dense_layers, per_layer
from cnnlab.models.module import NetworkModule


class Dropout(nn.Dropout):
    """Dropout that draws 16 bits for each number on the CPU, where torch's takes five times as long.

    ``p`` is rounded to a multiple of 1/65536, and what is kept is scaled by that.

    Examples:
        >>> x = torch.ones(2, 3)
        >>> set(Dropout(0.5)(x).unique().tolist()) <= {0.0, 2.0}, Dropout(0.5).eval()(x) is x
        (True, True)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Set a share ``p`` to zero in training, and scale up the rest."""
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        dropped = min(round(self.p * 65536), 65535)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        # In the order of the input's memory: a product of tensors in two orders is slow.
        bits = bits.as_strided(x.shape, torch.empty_like(x, device="meta").stride())
        return x * (bits >= dropped - 32768).to(x.dtype).mul_(1 / (1 - dropped / 65536))


class TextCNN(Network):
    """Embedding, convolutions each with a pooling, dense layers, a linear output.

    Takes int64 token ids ``(batch, length)`` below ``vocabulary_size``, gives float ``(batch, outputs)``:
    logits. The id 0 of padding has an embedding like any other.

    Args:
        input_shape: ``(length,)``, tokens in one text.
        outputs: number of outputs.
        vocabulary_size: number of token ids.
        embedding_dim: numbers that stand for one token.
        filters: of each convolution.
        kernel_size: of the convolutions in tokens, one for all or a list with one for each.
        padding: ``same`` (as Keras pads) or ``valid`` (none), one for all.
        pool: ``max`` or ``avg``.
        pool_size: length and stride of the poolings, one for all or a list; what is left over is dropped.
        classifier: widths of the hidden dense layers.
        activation: by name, after each convolution and hidden dense layer.
        conv_activation: after each convolution in its place; None is ``activation``.
        negative_slope: of ``leaky_relu``.
        norm: batch norm of the convolutions, ``before`` or ``after`` the activation, or ``none``.
        norm_momentum: share of the new batch in the running statistics (Keras's momentum is 1 less this).
        norm_eps: added to the variance.
        dropout_embedding: of single numbers of the embeddings.
        dropout_pool: after the poolings, one for all or a list.
        dropout_dense: after the hidden dense layers, one for all or a list.
        l2_conv: factor of the sum of the squared kernels of the convolutions, added to the loss.
        l2_dense: likewise for the dense layers, the output layer included.
        init: ``torch``, or ``keras``: Glorot-uniform kernels, zero biases, embeddings uniform within ±0.05.

    Raises:
        UserError: for a list of a wrong length, or where the text becomes too short for a layer.

    Examples:
        >>> net = TextCNN((400,), 1, vocabulary_size=10_000)
        >>> sum(p.numel() for p in net.parameters()), net(torch.zeros(2, 400, dtype=torch.int64)).shape
        (599277, torch.Size([2, 1]))
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        vocabulary_size: int,
        embedding_dim: Count = 50,
        filters: Sequence[Count] = (16,),
        kernel_size: Count | Sequence[Count] = 4,
        padding: Padding = "same",
        pool: Literal["max", "avg"] = "max",
        pool_size: Count | Sequence[Count] = 2,
        classifier: Sequence[Count] = (30,),
        activation: Activation = "relu",
        conv_activation: Activation | None = None,
        negative_slope: NotNegative = 0.01,
        norm: NormPlace = "none",
        norm_momentum: UpToOne = 0.1,
        norm_eps: Positive = 1e-5,
        dropout_embedding: Share = 0.0,
        dropout_pool: Share | Sequence[Share] = 0.0,
        dropout_dense: Share | Sequence[Share] = 0.0,
        l2_conv: NotNegative = 0.0,
        l2_dense: NotNegative = 0.0,
        init: Init = "torch",
    ) -> None:
        super().__init__()
        self.padding, self.pool, self.norm = padding, pool, norm
        self.act, self.negative_slope = conv_activation or activation, negative_slope
        self.norm_momentum, self.norm_eps = norm_momentum, norm_eps
        self.l2_conv, self.l2_dense = l2_conv, l2_dense
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.dropout = Dropout(dropout_embedding)
        (length,) = input_shape
        count = len(filters)
        sizes = per_layer(kernel_size, count, "model.kernel_size")
        pools = per_layer(pool_size, count, "model.pool_size")
        dropouts = per_layer(dropout_pool, count, "model.dropout_pool")
        check_lengths(length, sizes, pools, padding)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = embedding_dim
        for i, (width, kernel, size, p) in enumerate(zip(filters, sizes, pools, dropouts, strict=True), 1):
            layers.update(self._block(i, channels, width, kernel, size, p))
            channels, length = width, conv_size(length, kernel, 1, padding) // size
        self.features = nn.Sequential(layers)
        dense = dense_layers(
            channels * length,
            classifier,
            outputs,
            act=activation,
            negative_slope=negative_slope,
            norm="none",
            norm_key="",
            norm_momentum=norm_momentum,
            norm_eps=norm_eps,
            dropout=dropout_dense,
            dropout_key="model.dropout_dense",
        )
        self.classifier = nn.Sequential(OrderedDict(flatten=nn.Flatten()) | dense)
        initialise(self, init)
        if init == "keras":
            nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        self.to(memory_format=torch.channels_last)

    def _block(
        self, i: int, channels: int, filters: int, kernel_size: int, pool_size: int, dropout: float
    ) -> OrderedDict[str, nn.Module]:
        """One convolution with its norm, activation, pooling and dropout."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        conv = SameConv2d if self.padding == "same" else nn.Conv2d
        layers[f"conv{i}"] = conv(channels, filters, (1, kernel_size))
        if self.norm == "before":
            layers[f"norm{i}"] = nn.BatchNorm2d(filters, self.norm_eps, self.norm_momentum)
        layers[f"{self.act}{i}"] = activation(self.act, self.negative_slope)
        if self.norm == "after":
            layers[f"norm{i}"] = nn.BatchNorm2d(filters, self.norm_eps, self.norm_momentum)
        kind = nn.MaxPool2d if self.pool == "max" else nn.AvgPool2d
        layers[f"pool{i}"] = kind((1, pool_size))
        if dropout:
            layers[f"dropout{i}"] = Dropout(dropout)
        return layers

    def forward(self, ids: Tensor) -> Tensor:
        """Logits ``(batch, outputs)`` of int64 token ids ``(batch, length)``."""
        # As an image one pixel high, channels last: half the time of a 1d convolution, and no copy.
        image = self.dropout(self.embedding(ids)).transpose(1, 2).unsqueeze(2)
        logits: Tensor = self.classifier(self.features(image))
        return logits

    def penalised(self) -> list[tuple[float, Tensor]]:
        """Each kernel with the factor of its squared sum in the loss; the embeddings have none."""
        return [*kernels(self.features, self.l2_conv), *kernels(self.classifier, self.l2_dense)]


def check_lengths(length: int, kernels: Sequence[int], pools: Sequence[int], padding: Padding) -> None:
    """Refuse a text that becomes too short for a convolution or pooling.

    Raises:
        UserError: that names the layer.

    Examples:
        >>> check_lengths(400, [4], [2], "same")
        >>> check_lengths(5, [4, 4], [2, 2], "same")
        >>> check_lengths(5, [4, 4, 4], [2, 2, 2], "same")
        Traceback (most recent call last):
        cnnlab.errors.UserError: model.filters[2]: the text is 1 token long here, ...
    """
    left = length
    for i, (kernel, pool) in enumerate(zip(kernels, pools, strict=True)):
        for layer, size in (("kernel", kernel), ("pool", pool)):
            if size > left and not (layer == "kernel" and padding == "same"):
                raise UserError(
                    f"model.filters[{i}]: the text is {left} token{'s' * (left != 1)} long here, too short "
                    f"for a {layer} of {size}; the input has {length}. Take longer texts or fewer layers."
                )
            left = left // size if layer == "pool" else conv_size(left, size, 1, padding)


class TextCNNModule(NetworkModule):
    """Training of a :class:`TextCNN`."""

    network_class: ClassVar[type[Network]] = TextCNN

    @classmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data that is not token ids."""
        if spec.kind != "tokens":
            raise UserError(
                f"data={spec.name} gives {spec.kind} samples; a text network takes token ids, as of "
                "data=imdb data.view=sequences."
            )

    def make_network(self, spec: DataSpec, **settings: Any) -> Network:  # noqa: ANN401
        """Build the network for this vocabulary."""
        return super().make_network(spec, vocabulary_size=spec.vocabulary_size, **settings)
