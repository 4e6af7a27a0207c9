"""Missing values and outputs that are no numbers: refused before they are measured."""

import pytest

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.training.evaluation import evaluate
from cnnlab.training.run import build, run

TABLE = [
    *("data=csv", "data.target=y", "data.batch_size=8", "model=mlp", "model.hidden=[4]", "model.norm=before"),
    *("trainer=cpu", "trainer.max_epochs=1", "logger=none", "schedule=constant", "model.preprocess=[]"),
]


@pytest.fixture
def whole(tmp_path):
    """Overrides for a table of 100 rows without gaps, and a way to make one in a part of it."""
    path = tmp_path / "whole.csv"
    lines = ["a,b,y", *(f"{i},{i % 7},{'yes' if i % 3 else 'no'}" for i in range(100))]
    path.write_text("\n".join(lines))
    overrides = [*TABLE, f"data.path={path}"]
    data, _ = build(compose(overrides))
    data.setup()

    def spoil(part):
        lines[1 + int(getattr(data.splits, part).rows[0])] = ",0,no"
        path.write_text("\n".join(lines))

    return overrides, spoil


@pytest.mark.parametrize(("part", "name"), [("train", "training"), ("val", "validation"), ("test", "test")])
def test_gaps_are_refused_before_the_training(whole, tmp_path, part, name):
    overrides, spoil = whole
    spoil(part)
    refused = rf"data=csv: 1 of the \d+ {name} rows hold missing values, which model"
    with pytest.raises(UserError, match=refused):
        run(compose(overrides), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
    filled = run(compose([*overrides, "model.preprocess=[impute,featurewise_std]"]), tmp_path / "filled")
    assert filled.status == "finished"


def test_gaps_that_came_later_are_not_measured(whole, tmp_path):
    overrides, spoil = whole
    run(compose(overrides), tmp_path / "run")
    assert evaluate(tmp_path / "run").metrics
    spoil("test")
    with pytest.raises(UserError, match="1 of the 20 test rows hold missing values"):
        evaluate(tmp_path / "run")
