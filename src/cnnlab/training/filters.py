"""The filters of a trained network, and what they answer to images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnnlab.models.module import NetworkModule
from cnnlab.training.features import evaluating

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A convolution, and what it gave for some images.

    Args:
        name: within the network.
        kernels: (filters, channels, height, width).
        maps: its outputs (images, filters, height, width), before activation.
    """

    name: str
    kernels: Floats
    maps: Floats


def first_and_last(model: NetworkModule, raw: Tensor) -> tuple[Layer, ...]:
    """Run images through a network and keep its first and last convolution, in the order of the run.

    Args:
        model: a network on images.
        raw: uint8 ``(images, channels, height, width)``.

    Returns:
        Two layers, one where the network has only one convolution, none where it has none.
    """
    names = {layer: name for name, layer in model.network.named_modules() if isinstance(layer, nn.Conv2d)}
    seen = convolved(model, raw)
    return tuple(Layer(names[layer], as_array(layer.weight), as_array(maps)) for layer, maps in seen)


def convolved(model: NetworkModule, raw: Tensor) -> list[tuple[nn.Conv2d, Tensor]]:
    """First and last convolution of a run, with their outputs; see :func:`first_and_last`."""
    seen: list[tuple[nn.Conv2d, Tensor]] = []

    def keep(layer: nn.Module, _: Any, output: Tensor) -> None:  # noqa: ANN401 - a hook's arguments
        if isinstance(layer, nn.Conv2d):
            del seen[1:]
            # The activation behind it may work in place.
            seen.append((layer, output.clone()))

    layers = [layer for layer in model.network.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with evaluating(model), torch.inference_mode():
            model.network(model.preprocess(raw.to(model.device)))  # the image alone, see test_time_flip
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def dense_filters(model: NetworkModule) -> tuple[str, Floats] | None:
    """Weights of a dense layer that sees whole images, as images: its name, and (units, channels, h, w).

    None where there is no such layer.
    """
    shape = model.preprocess.output_shape
    for name, layer in model.network.named_modules():
        if isinstance(layer, nn.Linear) and len(shape) == 3 and layer.in_features == math.prod(shape):
            return name, as_array(layer.weight.view(-1, *shape))
    return None


def as_array(tensor: Tensor) -> Floats:
    """Turn a tensor into float32 in memory of its own order."""
    array: Floats = tensor.detach().float().cpu().contiguous().numpy()
    return array
