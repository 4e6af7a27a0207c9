"""Layers and initialisers that torch lacks or names otherwise."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "none"]
NormPlace = Literal["none", "before", "after"]
DenseNormPlace = Literal["none", "before", "after", "after_dropout"]
Padding = Literal["same", "valid"]
Init = Literal["torch", "keras", "he"]


class Network(nn.Module):
    """What a network of cnnlab offers besides its forward pass."""

    def penalised(self) -> list[tuple[float, Tensor]]:
        """Each kernel whose squared sum is a term of the loss, with its factor."""
        return []


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and after a line so that ``ceil(size / stride)`` come out; the odd one goes after.

    TensorFlow's rule, see https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.

    Examples:
        >>> same_padding(32, 3, 1), same_padding(32, 11, 2), same_padding(28, 2, 1)
        ((1, 1), (4, 5), (0, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2


def conv_size(size: int, kernel_size: int, stride: int, padding: Padding) -> int:
    """Length of a line after a convolution or pooling; 0 or less if the kernel does not fit.

    Examples:
        >>> conv_size(32, 5, 1, "valid"), conv_size(32, 11, 2, "same"), conv_size(1, 2, 2, "valid")
        (28, 16, 0)
    """
    return -(-size // stride) if padding == "same" else (size - kernel_size) // stride + 1


class SameConv2d(nn.Conv2d):
    """Convolution with ``same`` padding for every stride and kernel size, as Keras pads.

    torch's own ``padding="same"`` refuses strides. Takes and gives ``(batch, channels, height, width)``;
    a size ``n`` becomes ``ceil(n / stride)``.

    Examples:
        >>> import torch
        >>> SameConv2d(3, 8, kernel_size=11, stride=2)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 8, 16, 16])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad and convolve."""
        top, bottom = same_padding(x.shape[2], self.kernel_size[0], self.stride[0])
        left, right = same_padding(x.shape[3], self.kernel_size[1], self.stride[1])
        if top == bottom and left == right:
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left))
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, self.weight, self.bias, self.stride)


def activation(name: Activation, negative_slope: float = 0.01) -> nn.Module:
    """Build an activation by its name; ``negative_slope`` is for ``leaky_relu`` alone.

    Examples:
        >>> activation("leaky_relu", 0.3)
        LeakyReLU(negative_slope=0.3, inplace=True)
    """
    builders: dict[str, Callable[[], nn.Module]] = {
        "relu": lambda: nn.ReLU(inplace=True),
        "leaky_relu": lambda: nn.LeakyReLU(negative_slope, inplace=True),
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "none": nn.Identity,
    }
    return builders[name]()


# They commute with a maximum: max(act(x)) = act(max(x)).
RISING = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Sigmoid)


def add_max_pool(layers: OrderedDict[str, nn.Module], name: str, pool: nn.MaxPool2d) -> None:
    """Add a maximum pooling at the end, or before the activation that stands there where that is the same.

    The activation then works on a quarter of the numbers: deep_cnn's step is a tenth shorter.

    Examples:
        >>> layers = OrderedDict(conv1=nn.Conv2d(1, 2, 3), relu1=nn.ReLU())
        >>> add_max_pool(layers, "pool1", nn.MaxPool2d(2))
        >>> list(layers)
        ['conv1', 'pool1', 'relu1']
    """
    last = next(reversed(layers), "")
    layers[name] = pool
    if isinstance(layers.get(last), RISING):
        layers.move_to_end(last)


def kernels(part: Iterable[nn.Module], factor: float) -> list[tuple[float, Tensor]]:
    """Pair the kernels of a part's convolutions and dense layers with a factor; none where it is zero."""
    return [(factor, m.weight) for m in part if factor and isinstance(m, (nn.Conv2d, nn.Linear))]


def squared_kernels(kernels: Sequence[tuple[float, Tensor]]) -> Tensor | float:
    """Sum over kernels of ``factor * sum(kernel ** 2)``: Keras's L2 regulariser.

    Examples:
        >>> import torch
        >>> float(squared_kernels([(0.5, torch.tensor([1.0, 2.0]))]))
        2.5
    """
    return sum((factor * kernel.square().sum() for factor, kernel in kernels), start=0.0)


def initialise(network: nn.Module, init: Init) -> None:
    """Draw the kernels anew, with zero biases; ``torch`` leaves all as built.

    ``keras`` is Glorot-uniform (Glorot and Bengio, Understanding the difficulty of training deep feedforward
    networks, 2010). ``he`` is normal with the variance ``2 / inputs``, which keeps a signal's size through
    any number of ReLUs, where torch's own draw shrinks it (He et al., Delving deep into rectifiers, 2015).
    """
    if init == "torch":
        return
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if init == "keras":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
