import itertools

import numpy as np
import pytest

from cnnlab.errors import UserError
from cnnlab.study.landscape import importance, self_organising_map

GRID = list(itertools.product(["relu", "sigmoid"], ["0", "0.1", "0.2"], ["16", "32", "64", "128"]))
SETTINGS = {
    name: [point[i] for point in GRID] for i, name in enumerate(["activation", "dropout", "units"])
} | {"seed": ["0"] * len(GRID)}


def test_what_makes_the_result_is_important_and_the_rest_is_not():
    results = [90.0 + 5 * (a == "relu") + 3 * np.log2(int(u)) for a, _, u in GRID]
    found = importance(SETTINGS, results)
    means = {name: values.mean() for name, values in found.drops.items()}
    assert set(means) == {"activation", "dropout", "units"}
    # Shuffling takes off what a setting alone explains, twice: the forecast is wrong by as much as before.
    share = np.var([3 * np.log2(int(u)) for _, _, u in GRID]) / np.var(results)
    assert means["units"] == pytest.approx(2 * share, rel=0.3)
    assert means["activation"] == pytest.approx(2 * (1 - share), rel=0.3)
    assert abs(means["dropout"]) < 0.05
    assert found.explained > 0.8


def test_chance_explains_nothing():
    results = np.random.default_rng(0).normal(size=len(GRID)).tolist()
    assert importance(SETTINGS, results).explained < 0.1


def test_a_single_failure_among_equal_runs_explains_nothing():
    """Shares are taken of the variance of all runs: within two held-out ones there may be next to none."""
    rng = np.random.default_rng(0)
    settings = {
        "lr": [str(lr) for lr in rng.uniform(size=14)],
        "l2": [str(l2) for l2 in rng.uniform(size=14)],
    }
    found = importance(settings, [0.5, *rng.normal(0.98, 0.002, 13)])
    assert -1 < found.explained < 0.1
    assert all(np.abs(drops).max() < 1 for drops in found.drops.values())


def test_like_runs_lie_together_on_the_map():
    pytest.importorskip("minisom")
    results = [float(a == "relu") for a, _, _ in GRID]
    found = self_organising_map(SETTINGS, results)
    assert found.hits.sum() == len(GRID)
    assert found.names["activation"] == ("relu", "sigmoid")
    there = found.hits > 0
    # Activation has the widest gap, so no cell mixes the two: each has the result of all its runs.
    assert set(found.planes["result"][there].tolist()) == {0.0, 1.0}
    of_relu = found.planes["activation"] < 0.5
    np.testing.assert_array_equal(of_relu[there], found.planes["result"][there] == 1.0)
    assert 0 <= found.planes["dropout"].min() <= found.planes["dropout"].max() <= 0.2


def test_too_few_runs_or_one_setting_are_told():
    with pytest.raises(ValueError, match="9 runs are too few"):
        importance({"units": list("123456789")}, [0.0] * 9)
    with pytest.raises(ValueError, match="no setting varies"):
        importance({"units": ["1"] * 10}, [0.0] * 10)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "minisom", None)
    with pytest.raises(UserError, match=r"minisom is not installed; pip install 'cnnlab\[studies\]'"):
        self_organising_map(SETTINGS, [0.0] * len(GRID))
