"""What the settings of a study do to its result: importances by permutation, and a self-organising map."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.extras import extra

Settings = Mapping[str, Sequence[str]]
"""Values as typed, one for each run, by the setting's name."""
Floats = NDArray[np.float64]

FEWEST_RUNS = 10
FOLDS, TREES, SHUFFLES = 5, 200, 10
EXTRA = "studies"
ROUNDS = 200  # times that the map sees each run


class Importance(NamedTuple):
    """How much settings matter.

    Args:
        drops: by setting, what shuffling it takes off the share of the variance that is explained, one number
            for each shuffle.
        explained: that share without shuffling, each run held out once; near 0 or below, nothing can be said.
    """

    drops: dict[str, Floats]
    explained: float


class SelfOrganisingMap(NamedTuple):
    """Runs on a map on which those of like settings lie together.

    Args:
        planes: ``(rows, columns)``: mean result of the runs in each cell under ``result``, NaN where there is
            none; and the map's own value of each setting, in the setting's units.
        hits: runs in each cell.
        names: of settings that are not numbers, what 0, 1 and so on stand for.
    """

    planes: dict[str, Floats]
    hits: NDArray[np.int64]
    names: dict[str, tuple[str, ...]]


def as_numbers(values: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """Turn typed values into numbers: as they are where all are numbers, else counted as they come up.

    Returns:
        One number for each value, and the names that were counted; none where they are numbers.

    Examples:
        >>> as_numbers(["0.1", "1e-3"]), as_numbers(["relu", "sigmoid", "relu"])
        ((array([0.1  , 0.001]), ()), (array([0., 1., 0.]), ('relu', 'sigmoid')))
    """
    try:
        numbers = np.array([float(value) for value in values])
        if np.isfinite(numbers).all():
            return numbers, ()
    except ValueError:
        pass
    names = tuple(dict.fromkeys(values))
    return np.array([float(names.index(value)) for value in values]), names


def drawable(settings: Settings) -> dict[str, list[float | str]]:
    """Settings as the figures take them: numbers where all values of one are, else names.

    Examples:
        >>> drawable({"model.dropout": ["0", "0.5"], "model.hidden": ["[16]", "[16,8]"]})
        {'model.dropout': [0.0, 0.5], 'model.hidden': ['[16]', '[16,8]']}
    """
    found: dict[str, list[float | str]] = {}
    for name, values in settings.items():
        numbers, names = as_numbers(values)
        found[name] = list(values) if names else [float(number) for number in numbers]
    return found


def importance(settings: Settings, results: Sequence[float], *, seed: int = 0) -> Importance:
    """Measure how much each setting matters, by shuffling it among held-out runs.

    A forest is fitted to the other runs and asked for the held-out ones (Breiman, Random Forests, 2001). What
    it cannot explain there is not counted as important.

    Args:
        settings: of each run; those that do not vary are left out.
        results: one for each run, finite.
        seed: of folds, forest and shuffles.

    Raises:
        ValueError: for fewer than 10 runs, or where no setting varies.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold

    names, columns = _columns(settings, results)
    result = np.asarray(results, np.float64)
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(len(result)) for _ in range(SHUFFLES)])
    wrong, wrong_shuffled = 0.0, np.zeros((len(names), SHUFFLES))  # sums of squares over all folds
    for fit, held_out in KFold(FOLDS, shuffle=True, random_state=seed).split(columns):
        forest = RandomForestRegressor(TREES, random_state=seed).fit(columns[fit], result[fit])
        wrong += float(np.square(forest.predict(columns[held_out]) - result[held_out]).sum())
        for i in range(len(names)):
            shuffled = np.tile(columns[held_out], (SHUFFLES, 1))
            shuffled[:, i] = columns[orders[:, held_out], i].ravel()
            said = forest.predict(shuffled).reshape(SHUFFLES, -1)
            wrong_shuffled[i] += np.square(said - result[held_out]).sum(1)
    varied = float(np.square(result - result.mean()).sum()) or 1.0
    drops = dict(zip(names, (wrong_shuffled - wrong) / varied, strict=True))
    return Importance(drops, 1 - wrong / varied)


def self_organising_map(settings: Settings, results: Sequence[float], *, seed: int = 0) -> SelfOrganisingMap:
    """Lay runs out on a square map by their settings alone, and look where the good results lie.

    Kohonen, Self-organized formation of topologically correct feature maps, 1982; by minisom.

    Args:
        settings: of each run; those that do not vary are left out.
        results: one for each run, finite.
        seed: of the map's first state and of the order of the runs.

    Raises:
        ValueError: for fewer than 10 runs, or where no setting varies.
        UserError: where minisom is missing.
    """
    minisom = extra("minisom", EXTRA)
    names, columns = _columns(settings, results)
    low, extent = columns.min(0), np.ptp(columns, 0)
    scaled = (columns - low) / extent
    # Vesanto's rule of thumb: five times the root of the number of samples.
    side = max(3, math.isqrt(round(5 * math.sqrt(len(columns)))))
    network: Any = minisom.MiniSom(
        side, side, len(names), sigma=side / 3, learning_rate=0.5, random_seed=seed
    )
    network.random_weights_init(scaled)
    network.train_random(scaled, ROUNDS * len(scaled))
    sums, hits = np.zeros((side, side)), np.zeros((side, side), np.int64)
    for row, result in zip(scaled, results, strict=True):
        place = network.winner(row)
        sums[place] += result
        hits[place] += 1
    mean = np.divide(sums, hits, out=np.full_like(sums, np.nan), where=hits > 0)
    weights = network.get_weights() * extent + low
    planes = {"result": mean} | {name: weights[..., i] for i, name in enumerate(names)}
    return SelfOrganisingMap(planes, hits, {name: as_numbers(settings[name])[1] for name in names})


def _columns(settings: Settings, results: Sequence[float]) -> tuple[list[str], Floats]:
    """Settings that vary, as columns of numbers."""
    if len(results) < FEWEST_RUNS:
        raise ValueError(f"{len(results)} runs are too few to tell what matters; at least {FEWEST_RUNS}")
    found = {name: as_numbers(values)[0] for name, values in settings.items() if len(set(values)) > 1}
    if not found:
        raise ValueError("no setting varies")
    return list(found), np.stack(list(found.values()), 1)
