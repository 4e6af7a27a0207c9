"""A picture of a network: its layers as boxes with their shapes, by torchview and Graphviz."""

import shutil
import warnings
from importlib.util import find_spec
from typing import Literal

import torch
from torch import nn

from cnnlab.errors import UserError
from cnnlab.extras import extra

Format = Literal["png", "svg", "pdf"]
EXTRA = "pictures"
DPI = 110
BATCH = 1
DEPTH = 10  # levels of modules that are opened


def network_graph(
    network: nn.Module,
    input_shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    kind: Format = "png",
    depth: int = DEPTH,
) -> bytes:
    """Draw the layers of a network in the order in which a sample goes through them.

    Args:
        network: it is run once, on a sample of zeros, in evaluation.
        input_shape: shape of one sample.
        dtype: of the input.
        kind: of the file.
        depth: how many levels of modules are opened; what lies deeper is one box.

    Returns:
        The content of the file.

    Raises:
        UserError: where torchview, or Graphviz's program ``dot``, is missing.
    """
    torchview, graphviz = extra("torchview", EXTRA), extra("graphviz", EXTRA)
    device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))
    sample = torch.zeros(BATCH, *input_shape, dtype=dtype, device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchview's, which its user can do nothing about
        graph = torchview.draw_graph(
            network, input_data=sample, device=device, mode="eval", depth=depth, expand_nested=True, roll=True
        ).visual_graph
    graph.graph_attr["dpi"] = str(DPI)
    try:
        content: bytes = graph.pipe(format=kind)
    except graphviz.ExecutableNotFound as error:
        raise UserError(
            "Graphviz's program dot, which draws it, is missing; the system's package graphviz has it."
        ) from error
    return content


def can_draw_graphs() -> bool:
    """Whether torchview, its Python package graphviz and Graphviz's program ``dot`` are there."""
    return bool(find_spec("torchview") and find_spec("graphviz") and shutil.which("dot"))
