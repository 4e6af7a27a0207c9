import re
import shutil
import sys

import pytest
import torch

from cnnlab.errors import UserError
from cnnlab.models.convnet import ConvNet
from cnnlab.models.graph import network_graph


@pytest.fixture
def network():
    return ConvNet((1, 8, 8), 10, features=[4, "P"], norm="before")


def test_the_layers_stand_in_their_order_with_their_shapes(network):
    pytest.importorskip("torchview")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    drawn = network_graph(network, (1, 8, 8), kind="svg").decode()
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    layers = ["SameConv2d", "BatchNorm2d", "MaxPool2d", "ReLU", "Flatten", "Linear"]
    assert [text for text in texts if text in layers] == layers
    assert texts[-1] == "(1, 10)"
    assert network_graph(network, (1, 8, 8)).startswith(b"\x89PNG")
    assert network.training, "it was drawn in evaluation, and is as it was"


def test_a_network_without_memory_is_drawn_too():
    pytest.importorskip("torchview")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    with torch.device("meta"):
        network = ConvNet((3, 8, 8), 10, features=[4])
    assert b"SameConv2d" in network_graph(network, (3, 8, 8), kind="svg")


@pytest.mark.filterwarnings("error")
def test_what_is_missing_is_named(network, monkeypatch, tmp_path):
    pytest.importorskip("torchview")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Graphviz's program dot"):
        network_graph(network, (1, 8, 8))
    monkeypatch.setitem(sys.modules, "torchview", None)
    with pytest.raises(UserError, match=r"torchview is not installed; pip install 'cnnlab\[pictures\]'"):
        network_graph(network, (1, 8, 8))
