"""How a result answers to one setting, or to two."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from cnnlab.figures.comparison import COLORS, DASHES, MARKERS
from cnnlab.figures.style import (
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    VERMILION,
    is_logarithmic,
    luminances,
    new_figure,
    plain,
    quiet_axes,
    readable_on,
    shorten,
)

Value = float | str
Floats = NDArray[np.floating[Any]]

NAME_LENGTH = 18  # characters
NAMES_APART = 0.09  # between the lines at one name
TEXT_UP_TO = 15  # columns; smaller cells cannot hold a readable number
CROWDED = 6  # categories whose names would meet


def sensitivity(
    lines: Mapping[str, Mapping[Value, Sequence[float]]], *, xlabel: str, ylabel: str, title: str = ""
) -> Figure:
    """Draw a result by one setting: each repetition a point, their mean on a line, a bar of one deviation.

    Numbers stand where they are, on a logarithmic axis where they lie evenly by their orders of magnitude;
    names stand side by side, and no line joins them.

    Args:
        lines: results of the repetitions by the setting's value, by what else was varied; all values are
            numbers, or all are names.
        xlabel: name of the setting.
        ylabel: what the results are, with their unit.
        title: what stands above.

    Raises:
        ValueError: if there is no result.

    Examples:
        >>> lines = {"": {3: [30.0, 32.0], 5: [28.0, 29.0]}}
        >>> figure = sensitivity(lines, xlabel="kernel size", ylabel="error (%)")
        >>> figure.axes[0].containers[0][0].get_ydata().tolist()
        [31.0, 28.5]
    """
    values = list(dict.fromkeys(value for line in lines.values() for value in line))
    if not any(results for line in lines.values() for results in line.values()):
        raise ValueError("there is no result to draw")
    named = any(isinstance(value, str) for value in values)
    places = {value: float(i if named else value) for i, value in enumerate(values)}
    figure = new_figure(max(6.4, 0.55 * len(values) + 3.0) if named else 7.0, 4.6)
    axes = figure.subplots()
    quiet_axes(axes)
    for position, (name, line) in enumerate(lines.items()):
        # Names have no order that a line could follow, and marks of several lines stand beside each other.
        aside = NAMES_APART * (position - (len(lines) - 1) / 2) if named else 0.0
        found = {places[value] + aside: results for value, results in line.items() if results}
        _line(axes, name, found, position, joined=not named)
    if named:
        shown = [shorten(str(value), NAME_LENGTH) for value in values]
        crowded = len(shown) > CROWDED or max(map(len, shown)) > 60 / len(shown)
        axes.set_xticks(range(len(shown)), shown, parse_math=False)
        for tick in axes.get_xticklabels() if crowded else ():
            tick.set(rotation=30, ha="right", rotation_mode="anchor")
    elif is_logarithmic(list(places.values())):
        axes.set_xscale("log")
    elif len(places) <= TEXT_UP_TO:
        axes.set_xticks(sorted(places.values()))
    axes.set_xlabel(xlabel, fontsize=TEXT_SIZE, parse_math=False)
    axes.set_ylabel(ylabel, fontsize=TEXT_SIZE, parse_math=False)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    if any(lines):
        handles, labels = axes.get_legend_handles_labels()
        plain(
            figure.legend(
                handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=TICK_SIZE
            )
        )
    return figure


def _line(
    axes: Axes, name: str, results: Mapping[float, Sequence[float]], position: int, *, joined: bool
) -> None:
    x = sorted(results)
    color = COLORS[position % len(COLORS)]
    for place in x:
        single = results[place]
        if len(single) > 1:
            axes.plot([place] * len(single), single, "_", color=color, markersize=8, alpha=0.6)
    axes.errorbar(
        x,
        [float(np.mean(results[place])) for place in x],
        [float(np.std(results[place], ddof=1)) if len(results[place]) > 1 else 0.0 for place in x],
        color=color,
        linestyle=DASHES[position % len(DASHES)] if joined else "none",
        marker=MARKERS[position % len(MARKERS)],
        markersize=5,
        linewidth=1.4,
        capsize=3,
        label=name or None,
        zorder=3,
    )


def heat_map(
    rows: Sequence[Value],
    columns: Sequence[Value],
    mean: Floats,
    sd: Floats | None = None,
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    lower_is_better: bool = True,
    title: str = "",
) -> Figure:
    r"""Draw a result by two settings as coloured cells with their numbers; the best one has a frame.

    Args:
        rows: R values of one setting.
        columns: C values of the other.
        mean: results (R, C); NaN is a cell without any, which is left grey.
        sd: standard deviations (R, C); None where there is one repetition. NaN writes none.
        xlabel: setting of the columns.
        ylabel: setting of the rows.
        label: what the results are, with their unit.
        lower_is_better: whether the least result is the best.
        title: what stands above.

    Raises:
        ValueError: if the shapes do not fit, or there is no result.

    Examples:
        >>> mean = np.array([[30.0, 25.5], [28.0, np.nan]])
        >>> named = {"xlabel": "kernel size", "ylabel": "units", "label": "error (%)"}
        >>> figure = heat_map([16, 32], [3, 5], mean, mean / 10, **named)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['30\n± 3', '25.5\n± 2.55', '28\n± 2.8']
    """
    if mean.shape != (len(rows), len(columns)) or (sd is not None and sd.shape != mean.shape):
        raise ValueError(f"results {mean.shape} for {len(rows)} rows and {len(columns)} columns")
    if not np.isfinite(mean).any():
        raise ValueError("there is no result to draw")
    written = len(columns) <= TEXT_UP_TO
    figure = new_figure(
        (0.85 if written else 0.3) * len(columns) + 3.0, (0.6 if written else 0.3) * len(rows) + 2.0
    )
    axes = figure.subplots()
    drawn = axes.imshow(
        np.ma.masked_invalid(mean), cmap=colormaps["cividis"].with_extremes(bad="0.85"), aspect="auto"
    )
    names = [said(value) for value in columns]
    crowded = max(map(len, names)) > 8
    axes.set_xticks(
        range(len(names)), names, rotation=60 if crowded else 0, fontsize=TICK_SIZE, parse_math=False
    )
    axes.set_yticks(
        range(len(rows)),
        [said(value) for value in rows],
        fontsize=TICK_SIZE,
        parse_math=False,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(xlabel, fontsize=TEXT_SIZE, parse_math=False)
    axes.set_ylabel(ylabel, fontsize=TEXT_SIZE, parse_math=False)
    if written:
        luminance = luminances(drawn)
        for row, column in np.argwhere(np.isfinite(mean)):
            text = f"{mean[row, column]:.3g}"
            if sd is not None and math.isfinite(sd[row, column]):
                text += f"\n± {sd[row, column]:.3g}"
            color = readable_on(luminance[row, column])
            axes.text(column, row, text, ha="center", va="center", fontsize=TICK_SIZE - 1, color=color)
    best = np.nanargmin(mean) if lower_is_better else np.nanargmax(mean)
    row, column = np.unravel_index(best, mean.shape)
    corner = (float(column) - 0.5, float(row) - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=VERMILION, linewidth=2.5, clip_on=False))
    bar = figure.colorbar(drawn, ax=axes, pad=0.02)
    bar.set_label(label, fontsize=TEXT_SIZE, parse_math=False)
    bar.outline.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def said(value: Value) -> str:
    """A setting as it would be typed: a whole number has no fraction.

    Examples:
        >>> said(16.0), said(0.5), said("relu")
        ('16', '0.5', 'relu')
    """
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return shorten(f"{int(value) if whole else value}", NAME_LENGTH)
