import numpy as np
import pytest

from cnnlab.study.comparison import compare
from cnnlab.study.series import as_grid, by_run, by_values, curves_by_group
from cnnlab.training.loggers import as_csv


@pytest.fixture
def grid(left):
    """Two rates by two widths, two seeds each; validation is 0.8 and what seed and width add."""
    runs = []
    for lr in (0.1, 0.01):
        for width in (8, 16):
            for seed in (0, 1):
                told = ["model=mlp", f"optimizer.lr={lr}", f"model.hidden=[{width}]", f"seed={seed}"]
                runs.append(left(str(len(runs)), told, val=0.8 + seed / 100 + width / 1000, test=0.5))
                rows = [
                    {"epoch": e, "val/accuracy": 0.1 * e + 0.01 * seed, "train/loss": 1 / e} for e in (1, 2)
                ]
                (runs[-1].folder / "metrics.csv").write_text(as_csv(rows))
    return compare(runs)


def test_results_are_gathered_by_the_values_of_a_setting(grid):
    found = by_values(grid, ["optimizer.lr"], "val")
    assert set(found) == {(0.1,), (0.01,)}
    assert sorted(found[0.1,]) == pytest.approx([17.4, 18.2, 18.4, 19.2])
    assert by_values(grid, ["model.hidden"], "test") == {("[16]",): [50.0] * 4, ("[8]",): [50.0] * 4}


def test_a_grid_holds_means_and_deviations_with_numbers_in_their_order(grid):
    rows, columns, mean, sd = as_grid(by_values(grid, ["optimizer.lr", "model.hidden"], "val"))
    assert (rows, columns) == ([0.01, 0.1], ["[8]", "[16]"])  # as listed, not as they came out
    np.testing.assert_allclose(mean, [[18.7, 17.9]] * 2)
    np.testing.assert_allclose(sd, np.std([0.0, 1.0], ddof=1))


def test_each_run_has_its_settings_as_typed(grid):
    settings, results = by_run(grid, "val")
    assert len(results) == 8
    assert {len(values) for values in settings.values()} == {8}
    widths = dict(zip(settings["model.hidden"], results, strict=True))
    assert set(widths) == {"[16]", "[8]"}


def test_curves_are_means_over_the_seeds_of_the_best_settings(grid):
    curves = curves_by_group(grid, most=3)
    assert list(curves) == [line.group.name for line in grid.lines[:3]]
    first = next(iter(curves.values()))
    assert first.epochs == [1, 2]
    assert first.means["val/accuracy"] == pytest.approx([0.105, 0.205])
    assert first.sds["val/accuracy"] == pytest.approx([0.00707, 0.00707], abs=1e-5)
