"""Convolutional autoencoder: an image to a few small feature maps, and back to an image.

Masci et al., Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, 2011; trained on
noisy images it removes the noise (Vincent et al., Extracting and Composing Robust Features with Denoising
Autoencoders, 2008).
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnlab.config.ranges import Count, NotNegative, Positive, UpToOne
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.convnet import MemoryFormat
from cnnlab.models.layers import (
    Activation,
    Init,
    Network,
    NormPlace,
    SameConv2d,
    activation,
    add_max_pool,
    initialise,
)
from cnnlab.models.mlp import per_layer
from cnnlab.models.module import NetworkModule


class Autoencoder(Network):
    """Convolutions and poolings down to the last of ``channels``, convolutions and upsamplings back.

    The encoder has one convolution and one pooling to half the size for each entry of ``channels``; the
    decoder one convolution and one upsampling (each pixel four times, as Keras's) for each in reverse order,
    then one convolution to the channels of the image, without activation.

    Takes float ``(batch, channels, height, width)``, gives logits of that shape: their sigmoids are pixels.

    Args:
        input_shape: ``(channels, height, width)``.
        outputs: number of values of one image.
        channels: feature maps after each convolution of the encoder; the last entry is the bottleneck.
        kernel_size: side of the convolutions, one for all or a list: encoder, decoder, output.
        activation: by name, after each convolution but the last.
        negative_slope: of ``leaky_relu``.
        norm: batch norm ``before`` or ``after`` the activations, or ``none``.
        norm_momentum: share of the new batch in the running statistics (Keras's momentum is 1 less this).
        norm_eps: added to the variance.
        init: ``torch``, ``keras`` or ``he``, see :func:`initialise`.
        memory_format: ``auto`` is channels last, which is the faster one.

    Raises:
        UserError: if the outputs are not an image like the input, or the sides cannot be halved so often.

    Examples:
        >>> net = Autoencoder((1, 28, 28), 784)
        >>> images = torch.zeros(2, 1, 28, 28)
        >>> net.encoder(images).shape, net(images).shape
        (torch.Size([2, 32, 7, 7]), torch.Size([2, 1, 28, 28]))
        >>> sum(p.numel() for p in net.parameters())
        28353
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        outputs: int,
        *,
        channels: Sequence[Count] = (32, 32),
        kernel_size: Count | Sequence[Count] = 3,
        activation: Activation = "relu",
        negative_slope: NotNegative = 0.01,
        norm: NormPlace = "none",
        norm_momentum: UpToOne = 0.1,
        norm_eps: Positive = 1e-5,
        init: Init = "torch",
        memory_format: MemoryFormat = "auto",
    ) -> None:
        super().__init__()
        self.act, self.negative_slope = activation, negative_slope
        self.norm, self.norm_momentum, self.norm_eps = norm, norm_momentum, norm_eps
        depth = len(channels)
        check_sizes(input_shape, outputs, depth)
        kernels = per_layer(kernel_size, 2 * depth + 1, "model.kernel_size")
        encoder: OrderedDict[str, nn.Module] = OrderedDict()
        width = input_shape[0]
        for i, filters in enumerate(channels, 1):
            encoder.update(self._convolution(i, width, filters, kernels[i - 1]))
            add_max_pool(encoder, f"pool{i}", nn.MaxPool2d(2))
            width = filters
        self.encoder = nn.Sequential(encoder)
        decoder: OrderedDict[str, nn.Module] = OrderedDict()
        for i, filters in enumerate(reversed(channels), 1):
            decoder.update(self._convolution(i, width, filters, kernels[depth + i - 1]))
            decoder[f"upsample{i}"] = nn.Upsample(scale_factor=2, mode="nearest")
            width = filters
        decoder["output"] = SameConv2d(width, input_shape[0], kernels[-1])
        self.decoder = nn.Sequential(decoder)
        initialise(self, init)
        if memory_format != "contiguous":
            self.to(memory_format=torch.channels_last)

    def _convolution(
        self, i: int, channels: int, filters: int, kernel_size: int
    ) -> OrderedDict[str, nn.Module]:
        """One convolution with its norm and activation."""
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers[f"conv{i}"] = SameConv2d(channels, filters, kernel_size)
        if self.norm == "before":
            layers[f"norm{i}"] = nn.BatchNorm2d(filters, self.norm_eps, self.norm_momentum)
        layers[f"{self.act}{i}"] = activation(self.act, self.negative_slope)
        if self.norm == "after":
            layers[f"norm{i}"] = nn.BatchNorm2d(filters, self.norm_eps, self.norm_momentum)
        return layers

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the pixels ``(batch, channels, height, width)`` of images of that shape."""
        logits: Tensor = self.decoder(self.encoder(x))
        return logits


def check_sizes(input_shape: tuple[int, ...], outputs: int, depth: int) -> None:
    """Refuse images that cannot be halved ``depth`` times, and targets that are not such images.

    Raises:
        UserError: in both cases.

    Examples:
        >>> check_sizes((1, 28, 28), 784, 2)
        >>> check_sizes((1, 28, 28), 784, 3)
        Traceback (most recent call last):
        cnnlab.errors.UserError: model.channels: an image of 28x28 cannot be halved 3 times; ...
    """
    channels, height, width = input_shape
    if outputs != channels * height * width:
        raise UserError(
            f"model=autoencoder gives an image of {channels * height * width} values, and the data has "
            f"{outputs} outputs; it takes data whose targets are images."
        )
    if height % 2**depth or width % 2**depth:
        raise UserError(
            f"model.channels: an image of {height}x{width} cannot be halved {depth} times; "
            f"take fewer entries, or sides that are multiples of {2**depth}."
        )


class AutoencoderModule(NetworkModule):
    """Training of an :class:`Autoencoder`."""

    network_class = Autoencoder

    @classmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data whose targets are not images."""
        if spec.target != "image":
            raise UserError(
                f"model=autoencoder: data={spec.name} has {spec.target} to predict, and this network gives "
                "images; data=mnist data.noise=0.5 has clean images to predict."
            )
