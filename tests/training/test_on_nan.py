"""A loss that is no number: where it came up, what is left behind, and steps that are left out."""

import json

import numpy as np
import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.errors import TrainingError, UserError
from cnnlab.training.folder import RunFolder
from cnnlab.training.on_nan import last_good
from cnnlab.training.run import build, run

CULPRIT = 37
TABLE = [
    *("data=csv", "data.target=y", "data.batch_size=8", "model=mlp", "model.hidden=[4]", "model.norm=before"),
    *("trainer=cpu", "trainer.max_epochs=3", "logger=none", "schedule=constant", "model.preprocess=[]"),
]


@pytest.fixture
def spoilt(tmp_path):
    """Overrides for a table of 100 rows, in one of which a value is missing; its step is to be left out."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    lines = ["a,b,y", *(f"{a:.4f},{b:.4f},{'yes' if a > b else 'no'}" for a, b in x)]
    lines[1 + CULPRIT] = "?,0.5,yes"
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return [*TABLE, f"data.path={tmp_path / 'table.csv'}", "data.missing={a:['?']}", "callbacks.on_nan=skip"]


@pytest.fixture
def overflowing(spoilt, tmp_path):
    """Overrides for the same table, in which this value is too large for the network to compute with."""
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace("?,0.5", "3e38,3e38"))
    return [*TABLE, f"data.path={table}", "model.norm=none", "model.loss=mse"]


def training_rows(overrides):
    data, _ = build(compose(overrides))
    data.prepare_data()
    data.setup()
    return data.splits.train.rows


def test_the_run_stops_at_the_batch_that_holds_the_culprit(overflowing, tmp_path):
    assert CULPRIT in training_rows(overflowing)
    with pytest.raises(
        TrainingError, match=r"the training loss is (nan|inf) at step \d+ \(batch \d+ of epoch 1"
    ):
        run(compose(overflowing), tmp_path / "run")
    said = json.loads((tmp_path / "run" / "result.json").read_text())
    failure = said["failure"]
    assert said["status"] == "failed"
    assert CULPRIT in failure["rows"]
    assert len(failure["rows"]) == 8
    assert (failure["stored"], failure["epoch"], failure["checkpoint"]) == ("train", 1, None)
    assert failure["step"] == failure["batch"]


def test_of_a_huge_batch_some_rows_are_kept(tmp_path):
    words = [
        *("data=random", "data.samples_drawn=5000", "data.features=2", "data.batch_size=all", "model=linear")
    ]
    words += ["optimizer=sgd", "optimizer.lr=1e38", "schedule=constant", "trainer=cpu", "logger=none"]
    words += ["trainer.check_val_every_n_epoch=100"]
    with pytest.raises(TrainingError, match=r"rows \d.* and 3,?\d+ others"):
        run(compose(words), tmp_path / "run")
    failure = RunFolder(tmp_path / "run").result()["failure"]
    assert len(set(failure["rows"])) == 1000
    assert (
        failure["samples"] == json.loads((tmp_path / "run" / "result.json").read_text())["samples"]["train"]
    )


def test_the_last_checkpoint_before_the_ruin_is_kept_and_named(tmp_path):
    # The whole set in a step, at a rate far too high: each epoch's weights are several times the last one's.
    diverging = [
        *("data=boston", "data.batch_size=all", "model=linear", "optimizer=sgd", "optimizer.lr=1"),
        *("schedule=constant", "trainer.max_epochs=200", "trainer=cpu", "logger=none"),
    ]
    with pytest.raises(TrainingError, match="the last good checkpoint is") as stopped:
        run(compose(diverging), tmp_path / "run")
    good = last_good(tmp_path / "run")
    assert str(good) in str(stopped.value)
    weights = torch.load(good, weights_only=True)["state_dict"]
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert 2 < json.loads((tmp_path / "run" / "result.json").read_text())["epochs"] < 200


def test_skipping_leaves_one_step_an_epoch_out_and_learns_the_rest(spoilt, tmp_path):
    overrides = [*spoilt, "optimizer.lr=0.02"]
    result = run(compose(overrides), tmp_path / "run")
    assert result.steps_left_out == 3
    weights = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert "nan" not in file.read()
    assert result.test["accuracy"] > 0.7


def test_skipping_changes_nothing_where_there_is_nothing_to_skip(trained):
    stopped, _ = trained("stop", "model=mlp")
    skipped, _ = trained("skip", "model=mlp", "callbacks.on_nan=skip")
    assert stopped.weights_fingerprint == skipped.weights_fingerprint
    assert skipped.steps_left_out == 0


def test_a_run_of_which_nothing_is_left_stops(spoilt, tmp_path):
    overrides = [*spoilt, "data.batch_size=all"]
    with pytest.raises(TrainingError, match="all 1 steps of epoch 1 were left out"):
        run(compose(overrides), tmp_path / "run")


def test_a_gap_that_what_is_fitted_cannot_leave_out_is_refused(spoilt, tmp_path):
    with pytest.raises(UserError, match=r"1 of the \d+ training rows hold missing values"):
        run(compose([*spoilt, "model.preprocess=[featurewise_std]"]), tmp_path / "run")
