"""What every figure shares: a palette, quiet axes, labels that fit, and a safe way to disk."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from cnnlab.files import replacing

DPI = 150
POINTS_PER_INCH = 72
# Of zlib's nine: a third less time than its usual six, and files a tenth larger.
COMPRESSION = 3

# Okabe & Ito, "Color Universal Design" (2008): told apart under every common colour blindness.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
BLACK = "#000000"
GREY = "#767676"

WHITE_TO_BLUE = "Blues"  # matplotlib's colour scale
DRAWING = "drawing"  # marks a picture that is a drawing on white

PALE_FROM = 0.45  # luminance from which a cell takes black text
LOG_FROM = 20.0  # largest over smallest value

TEXT_SIZE = 10.0
TITLE_SIZE = 12.0
TICK_SIZE = 9.0


def new_figure(width: float = 8.0, height: float = 5.0) -> Figure:
    """Return an empty figure with constrained layout, outside of pyplot's global state.

    Args:
        width: width in inches.
        height: height in inches.

    Examples:
        >>> figure = new_figure(4, 3)
        >>> [float(size) for size in figure.get_size_inches()], figure.get_dpi()
        ([4.0, 3.0], 150)
    """
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def quiet_axes(axes: Axes) -> None:
    """Leave only what carries information: two spines, a pale grid behind the data, small ticks.

    Examples:
        >>> axes = new_figure().subplots()
        >>> quiet_axes(axes)
        >>> axes.spines["top"].get_visible()
        False
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TICK_SIZE, color="0.5")


def add_accuracy_axis(axes: Axes, name: str = "accuracy") -> None:
    """Let the right side of an axis of errors in % say the accuracy.

    Examples:
        >>> axes = new_figure().subplots()
        >>> add_accuracy_axis(axes)
        >>> axes.child_axes[0].get_ylabel()
        'accuracy (%)'
    """
    right = axes.secondary_yaxis("right", functions=(_other_share, _other_share))
    right.set_ylabel(f"{name} (%)", fontsize=TEXT_SIZE)
    right.tick_params(labelsize=TICK_SIZE, color="0.5")
    right.spines["right"].set_visible(False)


def _other_share(percent: ArrayLike) -> NDArray[np.float64]:
    """What is left of the hundred: an error's accuracy, and the other way."""
    share: NDArray[np.float64] = 100.0 - np.asarray(percent, np.float64)
    return share


def shorten(text: str, length: int) -> str:
    """Return ``text``, cut to at most ``length`` characters, the last an ellipsis where it was cut.

    Examples:
        >>> shorten("aquarium_fish", 8), shorten("cat", 8)
        ('aquariu…', 'cat')
    """
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def text_width(text: str, size: float) -> float:
    """Width of a line of text in pixels of the page.

    Args:
        text: without line breaks.
        size: of its font, in points.

    Examples:
        >>> text_width("mm", 8.0) > 2 * text_width("ii", 8.0)
        True
    """
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width) * DPI / POINTS_PER_INCH


def fitted(text: str, room: float, size: float) -> str:
    """Return ``text``, cut so that it is at most ``room`` pixels wide, see :func:`shorten`.

    Examples:
        >>> fitted("aquarium_fish", 60, 8.0), fitted("cat", 60, 8.0)
        ('aqua…', 'cat')
    """
    shown = text
    while shown and (width := text_width(shown, size)) > room:
        shown = shorten(text, min(len(shown) - 1, int(len(shown) * room / width) + 1))
    return shown


def wrapped(text: str, room: float, size: float) -> str:
    r"""Return ``text`` in lines that are at most ``room`` pixels wide; a word that is wider is cut.

    Examples:
        >>> wrapped("a dog and an aquarium_fish", 60, 8.0)
        'a dog\nand an\naqua…'
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(fitted(line, room, size) for line in lines)


def readable_on(luminance: float) -> str:
    """Colour of a text that stands in a cell of this luminance, 0 to 1.

    Examples:
        >>> readable_on(0.8), readable_on(0.1)
        ('#000000', 'white')
    """
    return BLACK if luminance > PALE_FROM else "white"


def luminances(drawn: AxesImage) -> NDArray[np.float64]:
    """How bright the cells of a drawn array are, 0 to 1 (rows, columns)."""
    colors = np.asarray(drawn.to_rgba(np.ma.asarray(drawn.get_array())), np.float64)
    found: NDArray[np.float64] = colors[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    return found


def is_logarithmic(values: ArrayLike) -> bool:
    """Whether values lie more evenly by their logarithm, and the largest is 20 times the smallest.

    Examples:
        >>> is_logarithmic([1e-4, 1e-3, 1e-2]), is_logarithmic([1e-3, 0.1, 0.2, 0.3, 0.4])
        (True, False)
    """
    once = np.unique(np.asarray(values, np.float64))
    if not len(once) or once[0] <= 0 or once[-1] / once[0] < LOG_FROM:
        return False
    off_centre = [
        abs(float(np.mean((scaled - scaled[0]) / np.ptp(scaled))) - 0.5) for scaled in (np.log10(once), once)
    ]
    return off_centre[0] <= off_centre[1] + 1e-9


def plain(legend: Legend) -> None:
    """Take the names in a legend as they are: a dollar sign in them begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure as PNG; whoever reads ``path`` sees the old file or the whole new one, never a part.

    Args:
        figure: the figure to draw, at its own resolution.
        path: the file to write; missing folders are made.

    Returns:
        The path written.

    Raises:
        OSError: if the file cannot be written; what stood at ``path`` is then unharmed.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(new_figure(1, 1), Path(folder) / "figures" / "empty.png").read_bytes()[1:4]
        b'PNG'
    """
    target = Path(path)
    drawn = png(figure)
    with replacing(target) as temporary:
        temporary.write_bytes(drawn)
    return target


def png(figure: Figure) -> bytes:
    """The file that a figure makes.

    Examples:
        >>> png(new_figure(1, 1))[1:4]
        b'PNG'
    """
    written = io.BytesIO()
    drawn = Image.fromarray(pixels(figure))
    drawn.save(written, format="png", dpi=(figure.dpi, figure.dpi), compress_level=COMPRESSION)
    return written.getvalue()


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """Draw a figure at its own resolution, unless nothing has changed since it was last drawn.

    Returns:
        Red, green and blue (height, width, 3), uint8.

    Examples:
        >>> pixels(new_figure(2, 1)).shape
        (150, 300, 3)
    """
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    if figure.stale:
        canvas.draw()  # type: ignore[no-untyped-call]
    buffer = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    drawn: NDArray[np.uint8] = np.asarray(buffer)[..., :3].copy()
    return drawn
