import pytest
import torch

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.mlp import MLP, MLPModule

PAIR = DataSpec("two", "tabular", (2,), "classes", 2)


def test_joined_inputs_reach_the_output_layer():
    # 2-1-1 with the inputs joined solves the exclusive or by hand: x + y - 2 [x + y > 1].
    net = MLP((2,), 1, hidden=[1], activation="relu", joined=True)
    with torch.no_grad():
        for name, values in (
            ("dense1.weight", [[1.0, 1.0]]),
            ("dense1.bias", [-1.0]),
            ("output.weight", [[-2.0, 1.0, 1.0]]),
            ("output.bias", [0.0]),
        ):
            net.layers.get_parameter(name).copy_(torch.tensor(values))
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert net(points).flatten().tolist() == [0.0, 1.0, 1.0, 0.0]
    assert sum(p.numel() for p in net.parameters()) == 7


def test_without_hidden_layers_there_is_nothing_to_join():
    assert sum(p.numel() for p in MLP((3,), 1, joined=True).parameters()) == 4


def test_the_output_has_its_own_activation():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    plain = MLP((3,), 1, hidden=[4], activation="none")
    cut = MLP((3,), 1, hidden=[4], activation="none", output_activation="relu")
    cut.load_state_dict(plain.state_dict())
    torch.testing.assert_close(cut(x), plain(x).clamp(min=0))


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_cross_entropy_refuses_an_activation_before_its_own(loss):
    with pytest.raises(UserError, match=r"model\.output_activation=sigmoid: a cross-entropy brings"):
        MLPModule(PAIR, loss=loss, output_activation="sigmoid")
    assert MLPModule(PAIR, loss="binary_mse", output_activation="sigmoid").objective.outputs == 1


@pytest.mark.parametrize("never_negative", ["relu", "sigmoid"])
def test_targets_of_minus_one_are_within_reach(never_negative):
    with pytest.raises(UserError, match="is never negative, and the targets of"):
        MLPModule(PAIR, loss="signed_mse", output_activation=never_negative)
    assert MLPModule(PAIR, loss="signed_mse", output_activation="tanh").objective.outputs == 1


def test_inputs_are_joined_to_a_hidden_layer_alone():
    with pytest.raises(UserError, match=r"model\.joined=true: there is no hidden layer"):
        MLPModule(PAIR, hidden=[], joined=True)


@pytest.mark.parametrize(
    ("place", "layers"),
    [
        ("before", ["dense1", "norm1", "relu1", "dropout1", "output"]),
        ("after", ["dense1", "relu1", "norm1", "dropout1", "output"]),
        ("after_dropout", ["dense1", "relu1", "dropout1", "norm1", "output"]),
    ],
)
def test_where_the_norm_stands(place, layers):
    names = [name for name, _ in MLP((4,), 1, hidden=[3], norm=place, dropout=0.5).layers.named_children()]
    assert names == layers
