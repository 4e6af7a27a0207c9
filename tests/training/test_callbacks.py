"""Callbacks that do not fit are refused before any data is read."""

import pytest

from cnnlab.cli.rehearsal import rehearse
from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.errors import UserError


def looked_at(overrides):
    cfg = compose([*overrides, "trainer=cpu"])
    check(cfg)
    rehearse(cfg)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["callbacks.checkpoint.monitor=val/mae", "callbacks.checkpoint.mode=min"],
            "callbacks.checkpoint.monitor=val/mae: this run has no such metric; it has val/accuracy, "
            "val/loss, train/accuracy, train/loss.",
        ),
        (
            ["data=boston", "model=mlp", "schedule=plateau", "schedule.monitor=val/accuracy"],
            "schedule.monitor=val/accuracy: this run has no such metric; it has val/mae, val/loss, "
            "train/mae, train/loss.",
        ),
        (
            ["callbacks=early_stopping", "callbacks.early_stopping.monitor=val/loss"],
            "callbacks.early_stopping.mode=max: a lower val/loss is better; say "
            "callbacks.early_stopping.mode=min.",
        ),
        (["callbacks=unfreeze"], "callbacks.unfreeze: ConvNetModule has no stages that could be frozen"),
        (
            ["model=resnet18", "data=cifar10", "callbacks=unfreeze"],
            "callbacks.unfreeze.layer4=3: it is trained from the start; say model.trained=head",
        ),
        (
            ["callbacks.on_nan=stopp"],
            "callbacks.on_nan=stopp: allowed is one of stop, skip; did you mean stop?",
        ),
        (["callbacks.on_nan=null"], "callbacks.on_nan=null: allowed is one of stop, skip."),
    ],
)
def test_what_does_not_fit_is_refused_without_data(overrides, said):
    with pytest.raises(UserError) as refused:
        looked_at(overrides)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["callbacks.on_nan=skip"],
        ["~callbacks.on_nan"],
        ["callbacks.checkpoint.monitor=val/loss", "callbacks.checkpoint.mode=min"],
        ["model=resnet18", "data=cifar10", "model.trained=head", "callbacks=unfreeze"],
    ],
)
def test_what_fits_passes(overrides):
    looked_at(overrides)
