"""A network that does not learn is warned about, with the reason; one that does is not."""

import json

import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.training.run import run

QUICK = ["data=xor", "model=mlp", "model.hidden=[8]", "trainer=cpu", "logger=none", "trainer.max_epochs=3"]


def warned(folder, *overrides):
    result = run(compose([*QUICK, *overrides]), folder)
    assert json.loads((folder / "result.json").read_text())["warnings"] == result.warnings
    return " ".join(result.warnings)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["optimizer.lr=0"], "no weight has changed in epoch 1: the learning rate is 0"),
        (["optimizer=sgd", "optimizer.lr=1e-30", "schedule=constant"], "smaller than the weights' precision"),
        (
            ["optimizer=sgd", "optimizer.lr=3e-7", "schedule=constant"],
            "the validation loss has not changed in epoch 2: optimizer.lr may be far too small",
        ),
        # The first row's weights are drawn below zero: nothing passes the ReLU behind the output.
        (
            ["model.hidden=[]", "model.loss=binary_mse", "model.output_activation=relu", "seed=DEAD"],
            "(ReLU) gives 0 for every sample",
        ),
    ],
)
def test_the_reason_is_named(tmp_path, capsys, overrides, reason):
    overrides = [override.replace("DEAD", str(dead_seed())) for override in overrides]
    assert reason in warned(tmp_path / "run", *overrides)
    assert f"cnnlab: warning: {warned(tmp_path / 'again', *overrides)}" in capsys.readouterr().err


def dead_seed():
    """A seed that draws a linear layer of two inputs which is below zero on all four points."""
    for seed in range(100):
        torch.manual_seed(seed)
        layer = torch.nn.Linear(2, 1)
        corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        if bool((layer(corners) < 0).all()) and bool((layer((corners - 0.5) / 0.5) < 0).all()):
            return seed
    raise AssertionError("there is no such seed")


@pytest.mark.parametrize(
    "overrides", [[], ["optimizer=sgd", "schedule=constant"], ["trainer.max_epochs=300"]]
)
def test_what_learns_is_not_warned_of(tmp_path, overrides):
    assert warned(tmp_path / "run", *overrides) == ""
