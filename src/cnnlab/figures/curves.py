"""The learning curves of one run: loss, error and learning rate by epoch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cnnlab.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    TEXT_SIZE,
    TITLE_SIZE,
    VERMILION,
    add_accuracy_axis,
    new_figure,
    quiet_axes,
)

Floats = NDArray[np.float64]

MARK_ALL_UP_TO = 30  # epochs; longer curves carry a mark here and there
MARKS_ON_LONG_CURVES = 10
LOG_SCALE_FROM = 100.0  # largest over smallest loss


@dataclass(frozen=True)
class _Series:
    """How one part of the data is drawn: by colour, and by dashes and marks where colour is not seen."""

    column: str
    label: str
    color: str
    linestyle: str
    marker: str


SERIES = (
    _Series("train", "train", BLUE, "-", "o"),
    _Series("val", "validation", VERMILION, "--", "s"),
    _Series("watched_test", "test (watched)", GREEN, ":", "^"),
)


def learning_curves(
    history: Mapping[str, Sequence[float]],
    *,
    best_epoch: int | None = None,
    accuracy: str = "accuracy",
    unit: str = "",
    title: str = "",
) -> Figure:
    """Draw loss and error by epoch, one panel each, and the learning rate below them where it changes.

    Args:
        history: columns of equal length by name: ``epoch``; ``train/loss``, ``val/loss``,
            ``watched_test/loss``; the same with ``accuracy`` (0 to 1), drawn with an axis of the error in %
            and one of the accuracy, or with ``mae``; ``lr``. All but ``epoch`` and one loss may be missing; a
            value that is not finite is a gap.
        best_epoch: the epoch to mark, counted as in ``history["epoch"]``; None marks none.
        accuracy: what the accuracy is called.
        unit: of the mean absolute error.
        title: what stands above the panels.

    Raises:
        ValueError: if ``epoch`` or every loss is missing, or the columns differ in length.

    Examples:
        >>> history = {"epoch": [0, 1], "train/loss": [2.0, 1.0], "train/accuracy": [0.2, 0.6]}
        >>> figure = learning_curves(history, best_epoch=1, title="two epochs")
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['loss', 'error (%)']
    """
    columns = _checked(history)
    epochs, rate = columns["epoch"], columns.get("lr", np.array([]))
    losses = _pick(columns, "loss")
    errors = {name: 100.0 * (1.0 - accuracy) for name, accuracy in _pick(columns, "accuracy").items()}
    of_classes = bool(errors)
    errors = errors or _pick(columns, "mae")
    has_rate = len(np.unique(rate[np.isfinite(rate)])) > 1
    ratios = [3.0] + [3.0] * bool(errors) + [1.0] * has_rate
    figure = new_figure(8.0, 5.0 if errors else 4.0)
    panels = figure.subplots(len(ratios), sharex=True, height_ratios=ratios, squeeze=False)[:, 0]

    _draw(panels[0], epochs, losses)
    _finish(panels[0], "loss", best_epoch)
    _scale_by_spread(panels[0], losses.values())
    if errors:
        _draw(panels[1], epochs, errors)
        of_values = f"mean absolute\nerror ({unit})" if unit else "mean absolute error"
        _finish(panels[1], "error (%)" if of_classes else of_values, best_epoch)
        _stay_above_zero(panels[1])
    if of_classes:
        add_accuracy_axis(panels[1], accuracy)
    if has_rate:
        # A rate holds for its whole epoch: steps, not slopes between epochs.
        panels[-1].plot(epochs, _finite(rate), color=BLACK, linewidth=1.2, drawstyle="steps-mid")
        _finish(panels[-1], "learning\nrate", best_epoch)
        _scale_by_spread(panels[-1], [rate])
    _epoch_axis(panels[-1], epochs)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    handles, labels = panels[0].get_legend_handles_labels()
    # Outside, so that it never covers a curve; long handles, so that dashes and dots are told apart.
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=TEXT_SIZE,
        handlelength=3.2,
    )
    return figure


def _checked(history: Mapping[str, Sequence[float]]) -> dict[str, Floats]:
    """Return the columns as float64 arrays of one length."""
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in history.items()}
    if "epoch" not in columns or not _pick(columns, "loss"):
        raise ValueError(f"learning curves need epoch and a loss; the columns are {sorted(columns)}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    return columns


def _pick(columns: Mapping[str, Floats], quantity: str) -> dict[str, Floats]:
    """Return the series of one quantity that hold at least one finite value; other values become NaN."""
    found = {series.column: columns.get(f"{series.column}/{quantity}") for series in SERIES}
    return {
        name: _finite(values)
        for name, values in found.items()
        if values is not None and np.isfinite(values).any()
    }


def _finite(values: Floats) -> Floats:
    """Return the values, with NaN, which lines leave out, for what is not finite."""
    return np.where(np.isfinite(values), values, np.nan)


def _finish(axes: Axes, label: str, best_epoch: int | None) -> None:
    """Name what a panel shows, and mark the best epoch behind its lines."""
    quiet_axes(axes)
    axes.margins(y=0.08)
    axes.set_ylabel(label, fontsize=TEXT_SIZE)
    if best_epoch is not None:
        name = f"best epoch ({best_epoch})"
        axes.axvline(best_epoch, color=GREY, linestyle="-.", linewidth=1.2, zorder=1, label=name)


def _draw(axes: Axes, epochs: Floats, lines: Mapping[str, Floats]) -> None:
    """Draw the lines of one panel."""
    for position, series in enumerate(SERIES):
        if series.column not in lines:
            continue
        values = lines[series.column]
        axes.plot(
            epochs,
            values,
            color=series.color,
            linestyle=series.linestyle,
            linewidth=1.4,
            marker=series.marker,
            markersize=4.5,
            markevery=_marked(values, position),
            label=series.label,
        )


def _marked(values: Floats, position: int) -> list[int]:
    """Return the indices that get a mark: all of a short curve; of a long one, a few and every lone point.

    A point between two gaps has no line to be seen by. Marks of the lines are staggered by ``position``,
    so that lines close together stay apart.
    """
    finite = np.isfinite(values)
    if len(values) <= MARK_ALL_UP_TO:
        return [int(index) for index in np.flatnonzero(finite)]
    step = len(values) // MARKS_ON_LONG_CURVES
    spaced = np.zeros_like(finite)
    spaced[position * step // len(SERIES) :: step] = True
    padded = np.pad(finite, 1)
    lone = ~padded[:-2] & ~padded[2:]
    return [int(index) for index in np.flatnonzero(finite & (spaced | lone))]


def _scale_by_spread(axes: Axes, lines: Iterable[Floats]) -> None:
    """Use a logarithmic axis where positive values span orders of magnitude."""
    values = np.concatenate(list(lines))
    values = values[np.isfinite(values)]
    if values.min() > 0 and values.max() / values.min() > LOG_SCALE_FROM:
        axes.set_yscale("log")


def _stay_above_zero(axes: Axes) -> None:
    """Take the empty band below zero off an axis whose values cannot be negative."""
    low, high = axes.get_ylim()
    if low < 0:
        axes.set_ylim(bottom=-0.03 * high)


def _epoch_axis(axes: Axes, epochs: Floats) -> None:
    """Name the epochs' axis, and give whole numbers to its ticks."""
    axes.set_xlabel("epoch", fontsize=TEXT_SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, steps=[1, 2, 5, 10]))
    if len(epochs) == 1:
        axes.set_xticks(epochs)
