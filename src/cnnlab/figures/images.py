"""Pictures of what a network is shown."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import DPI, shorten

CELL = 128  # pixels of the page that an image's longer side gets, about
LARGEST_CELL = 256
GAP = 8  # pixels between images
TITLE_HEIGHT = 20  # pixels
TITLE_FONT = 8.0  # points
TITLE_CHARACTER = 9.0  # pixels


def image_grid(images: NDArray[np.uint8], titles: Sequence[str] | None = None, columns: int = 8) -> Figure:
    """Lay images out in rows, every pixel of theirs a crisp square of the page.

    Args:
        images: shape (N, H, W, C), uint8; C is 1 (grey), 3 (red, green, blue) or 4 (with opacity).
        titles: N short texts to stand above the images; None for none.
        columns: images in a row, at most.

    Raises:
        ValueError: if there is no image, shape or dtype is another, or the titles are not N.

    Examples:
        >>> figure = image_grid(np.zeros((3, 32, 32, 1), np.uint8), ["cat", "dog", "cat"])
        >>> len(figure.axes[0].images), [text.get_text() for text in figure.axes[0].texts]
        (3, ['cat', 'dog', 'cat'])
    """
    _check(images, titles, columns)
    number, image_height, image_width = images.shape[:3]
    scale = _scale(max(image_height, image_width))
    height, width = round(image_height * scale), round(image_width * scale)
    columns = min(columns, number)
    head = GAP + (TITLE_HEIGHT if titles is not None else 0)
    figure = _page(columns * (width + GAP) + GAP, math.ceil(number / columns) * (head + height) + GAP)
    axes = figure.axes[0]
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = GAP + column * (width + GAP), head + row * (head + height)
        axes.imshow(
            image.repeat(3, axis=-1) if image.shape[-1] == 1 else image,
            extent=(left, left + width, top + height, top),
            interpolation="nearest",
        )
        if titles is not None:
            text = shorten(titles[index], int((width + GAP) / TITLE_CHARACTER))
            middle = left + width / 2
            axes.text(middle, top - 5, text, ha="center", fontsize=TITLE_FONT, parse_math=False)
    # Not before: every imshow fits the axes to its own image.
    axes.set(xlim=(0, axes.bbox.width), ylim=(axes.bbox.height, 0))
    return figure


def _page(width: int, height: int) -> Figure:
    """Return a new page with bare axes over all of it, whose unit is the page's pixel.

    A layout engine would move the images by fractions of a pixel: some of their pixels would come out wider.
    """
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.add_axes((0.0, 0.0, 1.0, 1.0)).set_axis_off()
    return figure


def _check(images: NDArray[np.uint8], titles: Sequence[str] | None, columns: int) -> None:
    """Raise ValueError for anything but uint8 images with one title each, in one column or more."""
    if images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3, 4) or images.dtype != np.uint8:
        raise ValueError(f"images are uint8 of shape (N, H, W, C); these are {images.dtype} {images.shape}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(titles)} titles for {len(images)} images")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, not {columns}")


def _scale(side: int) -> float:
    """Return the factor from an image's pixels to the page's: whole, but where a large image must shrink."""
    return LARGEST_CELL / side if side > LARGEST_CELL else float(max(1, CELL // side))
