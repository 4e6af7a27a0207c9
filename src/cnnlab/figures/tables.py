"""Pictures of tables."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cnnlab.figures.style import BLUE, TEXT_SIZE, TITLE_SIZE, new_figure, quiet_axes, shorten

MOST_COLUMNS = 16
COLUMNS_IN_A_ROW = 4
BINS, FEWEST_BINS = 30, 5
MOST_TICKS = 5
NAME_LENGTH = 28  # characters


def column_histograms(table: NDArray[np.floating], names: Sequence[str], *, title: str = "") -> Figure:
    """Draw a histogram of each column of a table, of the first 16 where there are more.

    A column of few values that are well apart (categories, years) has a bar for each of them. Missing values
    (NaN) are not drawn; how many there are stands above.

    Args:
        table: shape (N, K), at least one value.
        names: K names of the columns.
        title: what stands above all of them.

    Raises:
        ValueError: if the table is empty or not of two dimensions, or the names are not K.

    Examples:
        >>> figure = column_histograms(np.array([[1.0, 5.0], [2.0, np.nan]]), ["age", "glucose"])
        >>> [axes.get_title() for axes in figure.axes]
        ['age', 'glucose, 1 missing']
    """
    if table.ndim != 2 or not table.size or len(names) != table.shape[1]:
        raise ValueError(f"{len(names)} names for a table of shape {table.shape}")
    shown = min(table.shape[1], MOST_COLUMNS)
    across = min(shown, COLUMNS_IN_A_ROW)
    down = math.ceil(shown / across)
    figure = new_figure(max(2.6 * across, 4.0), 2.2 * down + 0.6)
    panels = figure.subplots(down, across, squeeze=False).flat
    for axes, name, column in zip(panels, names, table.T, strict=False):
        present = column[~np.isnan(column)]
        quiet_axes(axes)
        _draw(axes, present)
        missing = len(column) - len(present)
        heading = shorten(name, NAME_LENGTH) + (f", {missing:,} missing" if missing else "")
        axes.set_title(heading, fontsize=TEXT_SIZE, parse_math=False)
    for axes in figure.axes[shown:]:
        axes.set_visible(False)
    more = f" (the first {shown} of {table.shape[1]:,} columns)" if shown < table.shape[1] else ""
    if title:
        figure.suptitle(title + more, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def _draw(axes: Axes, present: NDArray[np.floating]) -> None:
    """Draw a bar for each value where they are few and well apart, else for each of some equal ranges."""
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    values, counts = np.unique(present, return_counts=True)
    if not len(values):
        return
    gap, extent = float(np.diff(values).min(initial=np.inf)), float(np.ptp(values))
    if gap < extent / BINS or len(values) == len(present) > 1:
        axes.hist(present, bins=min(BINS, max(FEWEST_BINS, math.isqrt(len(present)))), color=BLUE)
    else:
        axes.bar(values, counts, width=0.8 * min(gap, 1.0 if extent == 0 else extent / 2), color=BLUE)
        if len(values) <= MOST_TICKS:
            axes.set_xticks(values)
