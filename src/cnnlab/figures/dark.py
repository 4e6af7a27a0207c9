"""Figures for dark pages."""

from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from cnnlab.figures.style import (
    BLUE,
    DRAWING,
    GREEN,
    VERMILION,
    WHITE_TO_BLUE,
    luminances,
    readable_on,
    save,
)


def darken(figure: Figure) -> None:
    """Recolour a figure for a dark page: what was drawn in black, white and greys, and the darkest colours.

    A colour scale that begins at white begins at the page, and of a drawing on white, see
    :func:`~cnnlab.figures.images.picture`, light and dark change places. Other pictures and colour scales
    stay as they are.

    Examples:
        >>> figure = Figure()
        >>> text = figure.suptitle("title")
        >>> darken(figure)
        >>> figure.get_facecolor(), text.get_color()
        ((0.09, 0.1, 0.12, 1.0), (0.92, 0.92, 0.92, 1.0))
    """
    for axes in figure.axes:
        for image in axes.images:
            _darken_image(axes, image)
    in_cells = {text for axes in figure.axes if axes.images for text in axes.texts if axes.axison}
    for artist in figure.findobj():
        if artist in in_cells:
            continue  # its colour was chosen for the cell that it stands in
        for getter, setter in _COLOURED:
            if hasattr(artist, getter) and hasattr(artist, setter):
                before = np.atleast_2d(to_rgba_array(getattr(artist, getter)()))
                if len(before):
                    after = np.array([_in_dark(*color) for color in before.tolist()])
                    getattr(artist, setter)(tuple(after[0].tolist()) if len(after) == 1 else after)
        box = artist.get_bbox_patch() if isinstance(artist, Text) else None
        if box is not None:  # no child of its text; its edge is not drawn
            box.set_facecolor(_in_dark(*to_rgba(box.get_facecolor())))


def _darken_image(axes: Axes, image: AxesImage) -> None:
    if image.get_gid() == DRAWING:
        shown = np.asarray(image.get_array(), np.float64) / 255
        # The same hue and saturation with the lightness turned round.
        turned = shown + 1 - shown.max(-1, keepdims=True) - shown.min(-1, keepdims=True)
        image.set_data(_DARK_PAGE + turned * (_PALE_TEXT - _DARK_PAGE))
    elif image.cmap.name == WHITE_TO_BLUE:
        image.set_cmap(_FROM_THE_PAGE)
        luminance = luminances(image)
        for text in axes.texts:
            column, row = map(round, text.get_position())
            text.set_color(readable_on(float(luminance[row, column])))


_COLOURED = (
    ("get_color", "set_color"),
    ("get_facecolor", "set_facecolor"),
    ("get_edgecolor", "set_edgecolor"),
    ("get_markerfacecolor", "set_markerfacecolor"),
    ("get_markeredgecolor", "set_markeredgecolor"),
)
_DARK_PAGE, _PALE_TEXT = np.array([0.09, 0.10, 0.12]), np.array([0.92, 0.92, 0.92])
_FROM_THE_PAGE = LinearSegmentedColormap.from_list(
    "page_to_blue", ["#17191F", "#2171B5", "#C6DBEF"]
).with_extremes(bad="0.35")
# Of Okabe and Ito's colours, those too dark for a dark page, lightened.
_LIGHTENED = {BLUE: "#56B4E9", VERMILION: "#FF8A4C", GREEN: "#2BC4A0"}


@cache
def _in_dark(red: float, green: float, blue: float, alpha: float) -> tuple[float, float, float, float]:
    """A colour as it is on a dark page; greys from white to black become page to text."""
    color = (red, green, blue)
    for light, dark in _LIGHTENED.items():
        if np.allclose(color, to_rgba(light)[:3], atol=0.01):
            return to_rgba(dark, alpha)
    if np.ptp(color) > 0.01:
        return (*color, alpha)
    changed = _DARK_PAGE + (1 - red) * (_PALE_TEXT - _DARK_PAGE)
    red, green, blue = changed.round(4).tolist()
    return (red, green, blue, alpha)


def dark_twin(path: Path) -> Path:
    """Where the figure for a dark page lies, beside that for a light one.

    Examples:
        >>> dark_twin(Path("figures/residuals.png")).as_posix()
        'figures/residuals_dark.png'
    """
    return path.with_stem(f"{path.stem}_dark")


def save_dark_twin(figure: Figure, path: Path) -> Path:
    """Recolour a figure that was saved, and write it beside the light one.

    Args:
        figure: it is dark afterwards.
        path: of the light one.

    Returns:
        The path written.

    Raises:
        OSError: if the file cannot be written.
    """
    figure.set_layout_engine("none")  # all stands where it stood, which is most of the time saved
    darken(figure)
    return save(figure, dark_twin(path))
