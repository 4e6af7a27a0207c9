"""Which classes a network takes for which: the matrix, and the pairs it confuses most."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from cnnlab.figures.style import BLACK, TEXT_SIZE, TICK_SIZE, TITLE_SIZE, new_figure, shorten

TEXT_UP_TO = 20  # classes; smaller cells cannot hold a readable number
NAMES_UP_TO = 100  # classes; beyond, names would overlap and some are left out
NAME_LENGTH = 20  # characters
POINTS_PER_INCH = 72
CHARACTER_WIDTH = 0.66  # of the font's size


def confusion_matrix(counts: NDArray[Any], class_names: Sequence[str] = (), *, title: str = "") -> Figure:
    r"""Draw a confusion matrix, coloured by the share of each true class.

    Colours follow the square root of the share, so that rare mistakes are seen beside a strong diagonal.
    A class without a sample is a grey row.

    Args:
        counts: shape (K, K), not negative; ``counts[true, predicted]`` samples.
        class_names: K names; empty for the classes' numbers.
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
    image = axes.imshow(
        np.ma.masked_invalid(100.0 * _shares(counts)),
        cmap=colormaps["Blues"].with_extremes(bad="0.85"),
        norm=PowerNorm(0.5, vmin=0.0, vmax=100.0),
        interpolation="nearest",
    )
    _name_ticks(axes, names, side)
    axes.set_xlabel("predicted class", fontsize=TEXT_SIZE * enlarged)
    axes.set_ylabel("true class", fontsize=TEXT_SIZE * enlarged)
    if classes <= TEXT_UP_TO:
        _write_cells(axes, image, counts, cell=side / classes)
    bar = figure.colorbar(image, ax=axes, ticks=[0, 1, 5, 20, 50, 100], shrink=0.9, pad=0.02)
    bar.set_label("share of the true class (%)", fontsize=TEXT_SIZE * enlarged)
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


def _write_cells(axes: Axes, image: AxesImage, counts: NDArray[np.int64], cell: float) -> None:
    """Write count and percentage into every cell that is not zero; ``cell`` is its width in inches."""
    shares = _shares(counts)
    decimals = 1 if len(counts) <= 10 else 0
    longest = max(len(str(counts.max())), len("100%") + 2 * (decimals > 0))
    size = min(9.0, cell * POINTS_PER_INCH / (CHARACTER_WIDTH * longest))
    luminance = image.to_rgba(100.0 * shares)[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    for row, column in np.argwhere(counts):
        share = float(shares[row, column])
        axes.text(
            column,
            row,
            f"{counts[row, column]}\n{_percent(share, decimals)}",
            ha="center",
            va="center",
            fontsize=size,
            color=BLACK if luminance[row, column] > 0.5 else "white",
        )


def _percent(share: float, decimals: int) -> str:
    """Return a share as a percentage; one too small for its decimals does not read as none."""
    least = 10.0**-decimals
    return f"<{least:.{decimals}f}%" if 100.0 * share < least / 2 else f"{100.0 * share:.{decimals}f}%"
