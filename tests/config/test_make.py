import pytest
from torch import nn

from cnnlab.config.compose import compose
from cnnlab.config.make import make
from cnnlab.data.augment import Augment
from cnnlab.errors import UserError
from cnnlab.models.convnet import ConvNetModule


def test_nodes_inside_a_node_are_made_too():
    data = make("data", compose(["data.augment.shift=[1,2]", "data.size=8"]).data)
    assert data.augment == Augment(shift=[1, 2], rotation=10.0)
    assert type(data.augment.shift) is list
    assert data.spec.input_shape == (1, 8, 8)


def test_what_only_the_code_knows_is_passed_as_it_is():
    cfg = compose(["data.size=32"])
    spec = make("data", cfg.data).spec
    model = make("model", cfg.model, spec=spec, optimizer=None, schedule=None)
    assert isinstance(model, ConvNetModule)
    assert model.spec is spec


def test_a_partial_node_is_called_later():
    optimizer = make("optimizer", compose(["optimizer=sgd", "optimizer.lr=0.25"]).optimizer)
    assert optimizer(nn.Linear(1, 1).parameters()).defaults["lr"] == 0.25


def test_a_refusal_of_our_own_is_passed_on_as_it_is():
    with pytest.raises(UserError, match=r"^data\.batch_size=0: "):
        make("data", compose(["data.batch_size=0"]).data)


def test_a_refusal_of_our_own_stays_whatever_caused_it(tmp_path):
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    cfg = compose(["model=resnet18", f"model.weights={tmp_path}/cut.pth"])
    with pytest.raises(UserError, match=r"^model\.weights=.*cut\.pth: it is damaged"):
        make("model", cfg.model, spec=make("data", cfg.data).spec, optimizer=None, schedule=None)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.max_time=abc", r"^trainer: .*duration.*DD:HH:MM:SS"),
        ("trainer.strategy=ddpp", r"^trainer: .*ddpp"),
    ],
)
def test_a_refusal_of_a_library_is_one_sentence_that_names_the_node(override, said):
    with pytest.raises(UserError, match=said) as refused:
        make("trainer", compose([override, "trainer.precision=32-true"]).trainer)
    assert "\n" not in str(refused.value)
