"""Which classes a network takes for which: the matrix, and the pairs it confuses most."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cnnlab.figures.style import (
    BLUE,
    POINTS_PER_INCH,
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    WHITE_TO_BLUE,
    luminances,
    new_figure,
    quiet_axes,
    readable_on,
    shorten,
)

TEXT_UP_TO = 20  # classes; smaller cells cannot hold a readable number
NAMES_UP_TO = 100  # classes; beyond, names would overlap and some are left out
NAME_LENGTH = 20  # characters
MOST_PAIRS = 10
CHARACTER_WIDTH = 0.66  # of the font's size


Of = Literal["shares", "counts"]


def confusion_matrix(
    counts: NDArray[Any], class_names: Sequence[str] = (), *, of: Of = "shares", title: str = ""
) -> Figure:
    r"""Draw a confusion matrix: normalised, by the share of each true class, or plain, by the count.

    Colours follow the square root, so that rare mistakes are seen beside a strong diagonal.
    A class without a sample is a grey row.

    Args:
        counts: shape (K, K), not negative; ``counts[true, predicted]`` samples.
        class_names: K names; empty for the classes' numbers.
        of: what is coloured: ``shares``, with count and share in each cell, or ``counts`` alone.
        title: what stands above the matrix.

    Raises:
        ValueError: if the counts are not a square matrix, or the names are not K.

    Examples:
        >>> figure = confusion_matrix(np.array([[9, 1], [0, 10]]), ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['9\n90.0%', '1\n10.0%', '10\n100.0%']
    """
    counts, names = _checked(counts, class_names)
    classes = len(counts)
    # Cells that hold two lines of text while there is text in them; beyond, room for the names only.
    side = float(np.clip(0.62 * classes if classes <= TEXT_UP_TO else 0.115 * classes + 4.0, 3.0, 16.0))
    enlarged = max(1.0, side / 9.0)  # a large matrix is seen from further away, its labels with it
    figure = new_figure(side + 2.6, side + 1.6)
    axes = figure.subplots()
    shares = 100.0 * _shares(counts)
    most = 100.0 if of == "shares" else max(float(counts.max()), 1.0)
    image = axes.imshow(
        np.ma.masked_invalid(shares if of == "shares" else np.where(np.isnan(shares), np.nan, counts)),
        cmap=colormaps[WHITE_TO_BLUE].with_extremes(bad="0.85"),
        norm=PowerNorm(0.5, vmin=0.0, vmax=most),
        interpolation="nearest",
    )
    _name_ticks(axes, names, side)
    axes.set_xlabel("predicted class", fontsize=TEXT_SIZE * enlarged)
    axes.set_ylabel("true class", fontsize=TEXT_SIZE * enlarged)
    if classes <= TEXT_UP_TO:
        _write_cells(axes, image, counts, cell=side / classes, with_shares=of == "shares")
    ticks = [0, 1, 5, 20, 50, 100] if of == "shares" else MaxNLocator(5, integer=True)
    bar = figure.colorbar(image, ax=axes, ticks=ticks, shrink=0.9, pad=0.02)
    label = "share of the true class (%)" if of == "shares" else "number of samples"
    bar.set_label(label, fontsize=TEXT_SIZE * enlarged)
    bar.ax.tick_params(labelsize=TICK_SIZE * enlarged)
    bar.outline.set_visible(False)
    if title:
        axes.set_title(title, fontsize=TITLE_SIZE * enlarged, parse_math=False)
    return figure


def most_confused(
    counts: NDArray[Any], class_names: Sequence[str] = (), n: int = 5
) -> list[tuple[str, str, int, float]]:
    """Return the n commonest mistakes as (true, predicted, count, share of the true class), commonest first.

    Args:
        counts: shape (K, K), not negative; ``counts[true, predicted]`` samples.
        class_names: K names; empty for the classes' numbers.
        n: number of pairs at most; pairs that never happened are left out.

    Raises:
        ValueError: if the counts are not a square matrix, or the names are not K.

    Examples:
        >>> most_confused(np.array([[7, 2, 1], [0, 5, 0], [0, 3, 1]]), ["cat", "dog", "fox"], n=2)
        [('fox', 'dog', 3, 0.75), ('cat', 'dog', 2, 0.2)]
    """
    counts, names = _checked(counts, class_names)
    shares = _shares(counts)
    mistakes = [(int(row), int(column)) for row, column in np.argwhere(counts) if row != column]
    # Of equally many mistakes, those of the rarer class weigh more; then the classes' order decides.
    mistakes.sort(key=lambda pair: (-counts[pair], -shares[pair], pair))
    return [(names[pair[0]], names[pair[1]], int(counts[pair]), float(shares[pair])) for pair in mistakes[:n]]


def confusions_in_words(counts: NDArray[Any], class_names: Sequence[str] = (), n: int = 5) -> list[str]:
    """Say the n commonest mistakes, each in a sentence; see :func:`most_confused`.

    Examples:
        >>> confusions_in_words(np.array([[7, 2, 1], [0, 5, 0], [0, 3, 1]]), ["cat", "dog", "fox"], n=2)
        ['fox taken for dog: 3 of 4 (75.0%)', 'cat taken for dog: 2 of 10 (20.0%)']
    """
    return [
        f"{true} taken for {predicted}: {count:,} of {round(count / share):,} ({_percent(share, 1)})"
        for true, predicted, count, share in most_confused(counts, class_names, n)
    ]


def confused_bars(counts: NDArray[Any], class_names: Sequence[str] = (), *, title: str = "") -> Figure:
    """Draw the ten commonest mistakes as bars, each with its sentence.

    Args:
        counts: shape (K, K), not negative; ``counts[true, predicted]`` samples.
        class_names: K names; empty for the classes' numbers.
        title: what stands above.

    Raises:
        ValueError: if the counts are not a square matrix, or the names are not K.

    Examples:
        >>> figure = confused_bars(np.array([[7, 2], [3, 5]]), ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['dog taken for cat: 3 of 8 (37.5%)', 'cat taken for dog: 2 of 9 (22.2%)']
    """
    counts, names = _checked(counts, class_names)
    shown = [shorten(name, NAME_LENGTH) for name in names]
    sentences = confusions_in_words(counts, shown, MOST_PAIRS)
    numbers = [count for _, _, count, _ in most_confused(counts, shown, MOST_PAIRS)]
    figure = new_figure(7.0, 1.2 + 0.5 * max(len(numbers), 1))
    axes = figure.subplots()
    quiet_axes(axes)
    axes.grid(False, axis="y")
    axes.barh(range(len(numbers)), numbers, height=0.3, color=BLUE)
    for position, sentence in enumerate(sentences):
        axes.text(0, position - 0.22, sentence, fontsize=TICK_SIZE, va="bottom", parse_math=False)
    axes.set_yticks([])
    axes.set_ylim(max(len(numbers), 1) - 0.4, -0.7)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("test samples", fontsize=TEXT_SIZE)
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure


def _checked(counts: NDArray[Any], class_names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return int64 counts and one name per class."""
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"a confusion matrix is square; this one has shape {counts.shape}")
    names = list(class_names) or [str(number) for number in range(len(counts))]
    if len(names) != len(counts):
        raise ValueError(f"{len(names)} class names for {len(counts)} classes")
    return counts.astype(np.int64), names


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each row over its sum; NaN in the row of a class without a sample."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=shares, where=totals > 0)
    return shares


def _name_ticks(axes: Axes, names: Sequence[str], side: float) -> None:
    """Name rows and columns; every n-th only where the names would overlap."""
    step = math.ceil(len(names) / NAMES_UP_TO)
    ticks = range(0, len(names), step)
    shown = [shorten(names[tick], NAME_LENGTH) for tick in ticks]
    room = side / len(shown) * POINTS_PER_INCH
    size = float(np.clip(0.8 * room, 5.0, 10.0))
    fits = max(map(len, shown)) * CHARACTER_WIDTH * size < room
    axes.set_xticks(ticks, shown, rotation=0 if fits else 90, fontsize=size, parse_math=False)
    axes.set_yticks(ticks, shown, fontsize=size, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write_cells(
    axes: Axes, image: AxesImage, counts: NDArray[np.int64], cell: float, with_shares: bool
) -> None:
    """Write count and percentage into every cell that is not zero; ``cell`` is its width in inches."""
    shares = _shares(counts)
    decimals = 1 if len(counts) <= 10 else 0
    longest = max(len(str(counts.max())), len("100%") + 2 * (decimals > 0))
    size = min(9.0, cell * POINTS_PER_INCH / (CHARACTER_WIDTH * longest))
    luminance = luminances(image)
    for row, column in np.argwhere(counts):
        share = float(shares[row, column])
        axes.text(
            column,
            row,
            f"{counts[row, column]}" + (f"\n{_percent(share, decimals)}" if with_shares else ""),
            ha="center",
            va="center",
            fontsize=size,
            color=readable_on(luminance[row, column]),
        )


def _percent(share: float, decimals: int) -> str:
    """Return a share as a percentage; one too small for its decimals does not read as none."""
    least = 10.0**-decimals
    return f"<{least:.{decimals}f}%" if 100.0 * share < least / 2 else f"{100.0 * share:.{decimals}f}%"
