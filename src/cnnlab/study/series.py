"""The arrays behind a study's figures."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.study.comparison import HIGHER_IS_BETTER, Comparison, measures
from cnnlab.study.landscape import drawable
from cnnlab.study.record import Curves, mean_curves

Part = Literal["val", "test"]
Value = float | str
Floats = NDArray[np.float64]


def as_drawn(values: Sequence[float], quantity: str) -> list[float]:
    """Rates as errors in %, all else as it is.

    Examples:
        >>> as_drawn([0.75], "accuracy"), as_drawn([0.75], "loss")
        ([25.0], [0.75])
    """
    return [100.0 * (1.0 - v) for v in values] if quantity in HIGHER_IS_BETTER else list(values)


def curves_by_group(comparison: Comparison, most: int) -> dict[str, Curves]:
    """Means by epoch of the first settings of the table, over their finished runs."""
    found = {}
    for line in comparison.lines[:most]:
        curves = mean_curves([run.history for run in line.group.finished if run.history])
        if curves is not None:
            found[line.group.name] = curves
    return found


def by_values(
    comparison: Comparison, keys: Sequence[str], part: Part
) -> dict[tuple[Value, ...], list[float]]:
    """Results of all finished runs by the values of some settings, as listed: errors in %, or losses."""
    lines = comparison.listed
    columns = drawable({key: [line.group.values[key] for line in lines] for key in keys})
    found: dict[tuple[Value, ...], list[float]] = {}
    for line, *values in zip(lines, *columns.values(), strict=True):
        summary = line.validation if part == "val" else line.test
        if summary.values:
            found.setdefault(tuple(values), []).extend(as_drawn(summary.values, comparison.quantity))
    return found


def as_grid(
    results: Mapping[tuple[Value, ...], Sequence[float]],
) -> tuple[list[Value], list[Value], Floats, Floats]:
    """Means and deviations of results by the values of two settings.

    Returns:
        R values of the first, C of the second, means (R, C) and standard deviations (R, C); NaN where there
        is none.

    Examples:
        >>> rows, columns, mean, sd = as_grid({(5.0, "relu"): [30.0, 32.0], (3.0, "tanh"): [40.0]})
        >>> rows, columns, mean.tolist(), round(float(sd[1, 0]), 3)
        ([3.0, 5.0], ['relu', 'tanh'], [[nan, 40.0], [31.0, nan]], 1.414)
    """
    rows, columns = (_ordered([values[i] for values in results]) for i in range(2))
    mean, sd = (np.full((len(rows), len(columns)), np.nan) for _ in range(2))
    for (row, column), found in results.items():
        place = rows.index(row), columns.index(column)
        mean[place] = np.mean(found)
        if len(found) > 1:
            sd[place] = np.std(found, ddof=1)
    return rows, columns, mean, sd


def by_run(comparison: Comparison, part: Part) -> tuple[dict[str, list[str]], list[float]]:
    """What was varied, as typed, and the metric as measured, of each finished run."""
    settings: dict[str, list[str]] = {key: [] for key in comparison.keys}
    results: list[float] = []
    for line in comparison.listed:
        measured = measures(line.group, part, comparison.quantity).values()
        results += measured
        for key, value in line.group.values.items():
            settings[key] += [value] * len(measured)
    return settings, results


def _ordered(values: Sequence[Value]) -> list[Value]:
    """Each value once: numbers in their order, names as they come up."""
    once = list(dict.fromkeys(values))
    numbers = [value for value in once if not isinstance(value, str)]
    return [*sorted(numbers)] if len(numbers) == len(once) else once
