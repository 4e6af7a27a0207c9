"""All settings of a study at once, and what they do to its result."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import (
    BLUE,
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    is_logarithmic,
    luminances,
    new_figure,
    quiet_axes,
    readable_on,
    shorten,
)

Floats = NDArray[np.floating[Any]]

NAME_LENGTH = 28  # characters
CHOICE_LENGTH = 10
PLANES_IN_A_ROW = 4
MOST_TICKS = 8
TICK_DISTANCE = 0.045  # of an axis's length
FEW_RUNS = 10
LABEL_WIDTH = 56  # characters
WORST_GREY, GOOD_GREY = 0.82, 0.35


def parallel_coordinates(
    settings: Mapping[str, Sequence[float | str]],
    results: Sequence[float],
    *,
    label: str,
    higher_is_better: bool = True,
    title: str = "",
) -> Figure:
    """Draw each run as a line through its settings to its result; the best tenth is bold and blue.

    The others are the darker the better they are. A few runs that are far worse than all others would press
    these together: they end at the foot of the result's axis, whose label then says "or worse".

    Inselberg, The plane with parallel coordinates, 1985.

    Args:
        settings: one value for each run, by the setting's name: numbers, or names.
        results: one for each run; a run whose result is not finite is left out.
        label: what the results are, with their unit.
        higher_is_better: which runs are the best.
        title: what stands above.

    Raises:
        ValueError: if there is no setting or finite result, or the lengths differ.

    Examples:
        >>> settings = {"units": [16, 32, 64], "activation": ["relu", "relu", "sigmoid"]}
        >>> figure = parallel_coordinates(settings, [90.0, 92.0, 91.0], label="accuracy (%)")
        >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
        ['units', 'activation', 'accuracy (%)']
    """
    there = np.isfinite(np.asarray(results, np.float64))
    if not settings or not there.any() or {len(values) for values in settings.values()} != {len(results)}:
        raise ValueError("parallel coordinates need settings, and a value of each and a result for each run")
    shown: dict[str, list[float | str]] = {
        name: [value for value, kept in zip(values, there, strict=True) if kept]
        for name, values in settings.items()
    }
    result = np.asarray(results, np.float64)[there]
    better = result if higher_is_better else -result
    order = np.argsort(better, kind="stable")  # the best are drawn last
    bold = set(order[-max(1, len(result) // 10) :].tolist())
    fenced = _without_outliers(better)
    columns = [*map(_axis, shown.values()), _axis(list(fenced if higher_is_better else -fenced))]
    if fenced.min() > better.min():
        foot = 0 if higher_is_better else -1
        place, text = columns[-1][1][foot]
        columns[-1][1][foot] = (place, f"{text} or worse")
    names = [*shown, label]
    figure = new_figure(max(6.0, 1.7 * len(names) + 1.0), 4.8)
    axes = figure.subplots()
    ranks = np.empty(len(result))
    ranks[order] = np.linspace(0.0, 1.0, len(result))
    heights = np.stack([_nudged(places) if spread else places for places, _, spread in columns], 1)
    for run in order:
        best = int(run) in bold
        # Greys turn round on a dark page: the better a run, the more it stands out on either.
        color = BLUE if best else f"{WORST_GREY - (WORST_GREY - GOOD_GREY) * ranks[run]:.3f}"
        axes.plot(heights[run], color=color, linewidth=2.4 if best else 1.0)
    for position, (_, ticks, _) in enumerate(columns):
        axes.axvline(position, color="0.4", linewidth=1.0, zorder=0)
        for place, text in ticks:
            axes.annotate(
                shorten(text, NAME_LENGTH),
                (position, place),
                (4, 0),
                textcoords="offset points",
                fontsize=TICK_SIZE - 1,
                va="center",
                parse_math=False,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )
    axes.set_xticks(range(len(names)), [shorten(name, NAME_LENGTH) for name in names], parse_math=False)
    for tick in axes.get_xticklabels() if max(map(len, names)) > 14 else ():
        tick.set(rotation=15, ha="right", rotation_mode="anchor")
    axes.tick_params(labelsize=TEXT_SIZE, length=0)
    axes.set(yticks=[], xlim=(-0.1, len(names) - 0.6), ylim=(-0.06, 1.06))
    axes.spines[:].set_visible(False)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def _axis(values: Sequence[float | str]) -> tuple[Floats, list[tuple[float, str]], bool]:
    """Places of the values from 0 to 1, ticks, and whether many runs share a place."""
    if any(isinstance(value, str) for value in values):
        kinds: list[float | str] = list(dict.fromkeys(values))
        step = {kind: i / max(len(kinds) - 1, 1) for i, kind in enumerate(kinds)}
        return np.array([step[value] for value in values]), [(step[k], str(k)) for k in kinds], True
    numbers = np.asarray(values, np.float64)
    log = is_logarithmic(numbers)
    scaled = np.log10(numbers) if log else numbers
    low, extent = float(scaled.min()), float(np.ptp(scaled)) or 1.0
    distinct = np.unique(numbers)
    if len(distinct) > MOST_TICKS:
        between = np.linspace(low, low + extent, 5)
        distinct = 10**between if log else between
    places = ((np.log10(distinct) if log else distinct) - low) / extent
    ticks = _apart([(float(place), f"{number:.3g}") for place, number in zip(places, distinct, strict=True)])
    return (scaled - low) / extent, ticks, len(np.unique(numbers)) <= MOST_TICKS < len(numbers)


def _apart(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Leave out ticks whose texts would lie upon each other; the first and the last stay."""
    kept = ticks[:1]
    for tick in ticks[1:-1]:
        if kept[-1][0] + TICK_DISTANCE <= tick[0] <= ticks[-1][0] - TICK_DISTANCE:
            kept.append(tick)
    return kept + ticks[1:][-1:]


def _without_outliers(results: Floats) -> Floats:
    """Raise results far below all others to an outer fence, as Tukey draws it; few runs have none."""
    low, high = np.quantile(results, [0.25, 0.9])
    fence = low - 3.0 * (high - low)
    inside = results[results >= fence]
    return results if len(results) < FEW_RUNS else np.maximum(results, inside.min())


def _nudged(places: Floats) -> Floats:
    """Places of runs that lie upon each other, a little apart, evenly and the same each time."""
    return places + np.linspace(-0.02, 0.02, len(places))


def importance_bars(importances: Mapping[str, Floats], *, label: str, title: str = "") -> Figure:
    """Draw how much each setting matters, the most important first, with a bar of one deviation.

    Args:
        importances: by setting, one number for each repetition.
        label: what the numbers are.
        title: what stands above.

    Raises:
        ValueError: if there is no setting.

    Examples:
        >>> drops = {"lr": np.array([0.1, 0.1]), "units": np.array([0.5, 0.7])}
        >>> figure = importance_bars(drops, label="loss")
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['units', 'lr']
    """
    if not importances:
        raise ValueError("there is no setting whose importance could be drawn")
    ordered = sorted(importances, key=lambda name: -float(importances[name].mean()))
    figure = new_figure(6.5, 1.4 + 0.4 * len(ordered))
    axes = figure.subplots()
    quiet_axes(axes)
    axes.grid(False, axis="y")
    means = [float(importances[name].mean()) for name in ordered]
    spreads = [float(importances[name].std()) for name in ordered]
    axes.barh(range(len(ordered)), means, xerr=spreads, height=0.6, color=BLUE, ecolor="0.4", capsize=3)
    axes.axvline(0.0, color="0.4", linewidth=1.0)
    axes.set_yticks(range(len(ordered)), [shorten(name, NAME_LENGTH) for name in ordered], parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(textwrap.fill(label, LABEL_WIDTH), fontsize=TEXT_SIZE, parse_math=False)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def map_planes(
    planes: Mapping[str, Floats],
    hits: NDArray[np.integer[Any]],
    *,
    label: str,
    names: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
) -> Figure:
    """Draw the planes of a self-organising map: the result of the runs in each cell, and each setting there.

    Kohonen, Self-organized formation of topologically correct feature maps, 1982. Cells that look alike in
    two planes are where two settings, or a setting and the result, go together.

    Args:
        planes: (rows, columns) by name, the result first; NaN is a cell without a run, which is left grey.
        hits: number of runs in each cell (rows, columns), written into the first plane.
        label: what the result is, with its unit.
        names: of settings that are not numbers, what 0, 1 and so on stand for.
        title: what stands above.

    Raises:
        ValueError: if there is no plane, or their shapes differ.

    Examples:
        >>> planes = {"accuracy": np.array([[90.0, np.nan]]), "units": np.array([[16.0, 32.0]])}
        >>> figure = map_planes(planes, np.array([[3, 0]]), label="accuracy (%)")
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['accuracy (%)', 'units']
    """
    if not planes or {plane.shape for plane in planes.values()} != {hits.shape}:
        raise ValueError(f"planes of one shape, with hits of {hits.shape}")
    across = min(len(planes), PLANES_IN_A_ROW)
    down = math.ceil(len(planes) / across)
    figure = new_figure(max(3.0 * across + 0.4, 4.0), 2.5 * down + 0.7)
    panels: list[Axes] = list(figure.subplots(down, across, squeeze=False).flat)
    for position, (axes, (name, plane)) in enumerate(zip(panels, planes.items(), strict=False)):
        drawn = axes.imshow(
            np.ma.masked_invalid(plane),
            cmap=colormaps["cividis" if position else "viridis"].with_extremes(bad="0.85"),
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        heading = shorten(label if position == 0 else name, NAME_LENGTH)
        axes.set_title(heading, fontsize=TEXT_SIZE, parse_math=False)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
        if named := (names or {}).get(name):
            drawn.set_clim(0, len(named) - 1)
            shown = [shorten(one, CHOICE_LENGTH) for one in named]
            bar.set_ticks(range(len(named)), labels=shown, parse_math=False)
        bar.ax.tick_params(labelsize=TICK_SIZE - 1)
        bar.outline.set_visible(False)
    luminance = luminances(panels[0].images[0])
    for row, column in np.argwhere(hits):
        panels[0].text(
            column,
            row,
            str(hits[row, column]),
            ha="center",
            va="center",
            fontsize=TICK_SIZE - 2,
            color=readable_on(luminance[row, column]),
        )
    for axes in panels[len(planes) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure
