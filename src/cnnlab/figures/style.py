"""What every figure shares: a palette, quiet axes, labels that fit, and a safe way to disk."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab.files import replacing

DPI = 150

# Okabe & Ito, "Color Universal Design" (2008): told apart under every common colour blindness.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
BLACK = "#000000"
GREY = "#767676"

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


def shorten(text: str, length: int) -> str:
    """Return ``text``, cut to at most ``length`` characters, the last an ellipsis where it was cut.

    Examples:
        >>> shorten("aquarium_fish", 8), shorten("cat", 8)
        ('aquariu…', 'cat')
    """
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


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
    with replacing(target) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.get_dpi())
    return target
