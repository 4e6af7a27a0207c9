"""Two classes at every threshold: the ROC curve, precision and recall."""

from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import (
    BLUE,
    GREY,
    TEXT_SIZE,
    TITLE_SIZE,
    VERMILION,
    new_figure,
    quiet_axes,
    shorten,
)

Floats = NDArray[np.float64]
NAME_LENGTH = 24  # characters


class Thresholds(NamedTuple):
    """Counts at each threshold, from the highest score down; the first is above all scores.

    Args:
        values: the thresholds (T,): a score at or above one counts as positive.
        true: positive samples at or above each (T,).
        false: negative samples at or above each (T,).
    """

    values: Floats
    true: NDArray[np.int64]
    false: NDArray[np.int64]

    @property
    def recall(self) -> Floats:
        """Share of the positive samples that are found, which is the true positive rate."""
        share: Floats = self.true / self.true[-1]
        return share

    @property
    def false_positive_rate(self) -> Floats:
        """Share of the negative samples that are taken for positive."""
        share: Floats = self.false / self.false[-1]
        return share

    @property
    def precision(self) -> Floats:
        """Share of what is taken for positive that is; 1 where nothing is taken."""
        taken = self.true + self.false
        share: Floats = np.divide(self.true, taken, out=np.ones(len(taken)), where=taken > 0)
        return share

    @property
    def area(self) -> float:
        """Area under the ROC curve."""
        return float(np.trapezoid(self.recall, self.false_positive_rate))

    @property
    def average_precision(self) -> float:
        """Mean of the precisions, each weighted by the recall that its threshold adds."""
        return float(np.sum(np.diff(self.recall) * self.precision[1:]))


def thresholds(positive: NDArray[Any], score: NDArray[np.floating[Any]]) -> Thresholds:
    """Count positive and negative samples at or above each score that occurs.

    Args:
        positive: whether a sample is of the positive class (N,).
        score: higher for samples that are taken for positive (N,).

    Raises:
        ValueError: if the shapes are not (N,), or a class has no sample.

    Examples:
        >>> found = thresholds(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        >>> found.true.tolist(), found.false.tolist(), found.area
        ([0, 1, 1, 2, 2], [0, 0, 1, 1, 2], 0.75)
    """
    if positive.ndim != 1 or positive.shape != score.shape:
        raise ValueError(f"classes (N,) and as many scores, not {positive.shape}, {score.shape}")
    positive = positive.astype(bool)
    if positive.all() or not positive.any():
        raise ValueError("one of the two classes has no sample")
    order = np.argsort(-score, kind="stable")
    ordered = score[order].astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(positive[order])[last]
    values = np.append(np.inf, ordered[last])
    return Thresholds(values, np.append(0, true), np.append(0, last + 1 - true))


def roc_and_precision_recall(
    positive: NDArray[Any], score: NDArray[np.floating[Any]], *, name: str = "positive", title: str = ""
) -> Figure:
    """Draw the ROC curve beside precision against recall, and mark the threshold 0.5.

    Fawcett, An introduction to ROC analysis, 2006.

    Args:
        positive: whether a sample is of the positive class (N,).
        score: probability of the positive class (N,).
        name: of the positive class.
        title: what stands above.

    Raises:
        ValueError: if the shapes are not (N,), or a class has no sample.

    Examples:
        >>> figure = roc_and_precision_recall(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
        >>> [axes.get_title() for axes in figure.axes]
        ['ROC, area 0.7500', 'average precision 0.8333']
    """
    found = thresholds(positive, score)
    at_half = int(np.searchsorted(-found.values, -0.5, side="right")) - 1
    figure = new_figure(9.0, 4.9)
    left, right = figure.subplots(1, 2)
    _panel(left, "false positive rate (%)", "true positive rate (%)", f"ROC, area {found.area:.4f}")
    left.plot([0, 100], [0, 100], "--", color=GREY, linewidth=1.2, label="by chance")
    # Samples of one score are not put in order: between their corners runs a slope, which the area counts.
    _curve(left, 100 * found.false_positive_rate, 100 * found.recall, at_half, "default")
    _panel(right, "recall (%)", "precision (%)", f"average precision {found.average_precision:.4f}")
    share = 100 * found.true[-1] / (found.true[-1] + found.false[-1])
    right.plot([0, 100], [share, share], "--", color=GREY, linewidth=1.2)
    _curve(right, 100 * found.recall, 100 * found.precision, at_half, "steps-pre")
    said = f"positive class: {shorten(name, NAME_LENGTH)}, {share:.1f}% of {len(positive):,} test samples"
    figure.suptitle("\n".join(filter(None, [title, said])), fontsize=TITLE_SIZE, parse_math=False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=TEXT_SIZE)
    return figure


def _panel(axes: Axes, xlabel: str, ylabel: str, title: str) -> None:
    quiet_axes(axes)
    axes.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    axes.set_xlabel(xlabel, fontsize=TEXT_SIZE)
    axes.set_ylabel(ylabel, fontsize=TEXT_SIZE)
    axes.set_title(title, fontsize=TEXT_SIZE)


def _curve(
    axes: Axes, x: Floats, y: Floats, at_half: int, drawstyle: Literal["default", "steps-pre"]
) -> None:
    """Draw a curve with a mark at the threshold 0.5."""
    axes.plot(x, y, color=BLUE, linewidth=1.5, drawstyle=drawstyle, label="network")
    axes.plot(
        x[at_half], y[at_half], "D", color=VERMILION, markersize=7, linestyle="none", label="threshold 0.5"
    )
