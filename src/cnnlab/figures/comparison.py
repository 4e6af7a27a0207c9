"""Several runs in one picture: means by epoch or by a setting, with their spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnlab.figures.style import (
    BLUE,
    GREEN,
    GREY,
    TEXT_SIZE,
    TITLE_SIZE,
    VERMILION,
    add_accuracy_axis,
    new_figure,
    plain,
    quiet_axes,
)

# The rest of Okabe and Ito's colours, for more than three lines.
COLORS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", GREY)
DASHES = ("-", "--", ":", "-.")
# Five to four dashes: twenty lines are told apart without their colours.
MARKERS = ("o", "s", "^", "D", "v")
MARKS_ON_LONG_CURVES = 8
LETTERS_PER_INCH, LEGEND_LINE = 13, 0.22
BELOW_THE_LABEL = -0.16  # of the height of a panel


@dataclass(frozen=True)
class Curve:
    """A mean by position, and its standard deviation.

    Args:
        x: positions: epochs, or values of a setting.
        mean: one value for each position; NaN is a gap.
        sd: likewise; empty where there is one run.
    """

    x: Sequence[float]
    mean: Sequence[float]
    sd: Sequence[float] = ()


def compared(
    panels: Mapping[str, Mapping[str, Curve]],
    *,
    xlabel: str,
    ylabel: str,
    accuracy: bool = False,
    title: str = "",
) -> Figure:
    """Draw panels side by side, in each some curves with a band of one standard deviation.

    Args:
        panels: curves by their labels, by the panels' titles.
        xlabel: of all panels.
        ylabel: of all panels, which share the axis.
        accuracy: whether they are errors in %, so that the right side can say the accuracy.
        title: above all.

    Examples:
        >>> curves = {"train": Curve([1, 2], [60.0, 40.0], [1.0, 2.0])}
        >>> figure = compared({"the row itself": curves}, xlabel="epoch", ylabel="error (%)")
        >>> [axes.get_title() for axes in figure.axes]
        ['the row itself']
    """
    labels = list(dict.fromkeys(label for curves in panels.values() for label in curves))
    # Panels of the same runs share their legend, others have their own; it lies below, where no line goes.
    shared = sum(map(len, panels.values())) > len(labels) or len(panels) == 1
    each = 4.5 if len(panels) < 3 else 3.7
    width = 1.0 + each * len(panels)
    most = len(labels) if shared else max(map(len, panels.values()))
    fitting = int((width if shared else each) * LETTERS_PER_INCH / (max(map(len, labels)) + 8))
    columns = max(1, min(most, fitting))
    style = {"ncols": columns, "frameon": False, "fontsize": TEXT_SIZE - 1, "handlelength": 3}
    figure = new_figure(width, 3.6 + LEGEND_LINE * -(-most // columns))
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (name, curves) in zip(all_axes, panels.items(), strict=True):
        quiet_axes(axes)
        for position, (label, curve) in enumerate(curves.items()):
            _draw(axes, curve, label, labels.index(label) if shared else position)
        axes.set_title(name, fontsize=TEXT_SIZE, parse_math=False)
        axes.set_xlabel(xlabel, fontsize=TEXT_SIZE, parse_math=False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
        if not shared:
            plain(axes.legend(loc="upper center", bbox_to_anchor=(0.5, BELOW_THE_LABEL), **style))
    if shared:
        handles = {line.get_label(): line for axes in all_axes for line in axes.lines}
        shown = [handles[label] for label in labels]
        plain(figure.legend(shown, labels, loc="outside lower center", **style))
    all_axes[0].set_ylabel(ylabel, fontsize=TEXT_SIZE, parse_math=False)
    if accuracy:
        add_accuracy_axis(all_axes[-1])
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def _draw(axes: Axes, curve: Curve, label: str, position: int) -> None:
    """Draw one line and its band; a gap is bridged, since some means are not taken at every epoch."""
    x, mean = np.asarray(curve.x, np.float64), np.asarray(curve.mean, np.float64)
    there = np.isfinite(mean)
    color = COLORS[position % len(COLORS)]
    axes.plot(
        x[there],
        mean[there],
        color=color,
        linestyle=DASHES[position % len(DASHES)],
        linewidth=1.5,
        marker=MARKERS[position % len(MARKERS)],
        markevery=_marked(int(there.sum()), position),
        markersize=4.5,
        label=label,
    )
    if len(curve.sd):
        sd = np.asarray(curve.sd, np.float64)[there]
        axes.fill_between(x[there], mean[there] - sd, mean[there] + sd, color=color, alpha=0.18, linewidth=0)


def _marked(number: int, position: int) -> int | tuple[int, int]:
    """Mark each point of a short curve; of a long one a few, at other places than on the curves beside it."""
    if number <= 12:
        return 1
    step = -(-number // MARKS_ON_LONG_CURVES)
    return position * step // len(MARKERS) % step, step
