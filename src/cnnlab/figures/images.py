"""Pictures of what a network is shown, and of what it makes of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import DPI, DRAWING, TEXT_SIZE, fitted, wrapped

CELL = 128  # pixels of the page that an image's longer side gets, about
LARGEST_CELL = 256
GAP = 8  # pixels between images
TITLE_HEIGHT = 20  # pixels
LINE_HEIGHT = 24  # pixels of each further line of a title
TITLE_FONT = 8.0  # points
NAME_WIDTH = 90  # pixels, of the names of rows
HEADING_HEIGHT = 36  # pixels
HEADING_LINE = 30  # pixels of each further line of a heading
NARROWEST = 680  # pixels of a page with sentences


def image_grid(
    images: NDArray[np.uint8], titles: Sequence[str] | None = None, columns: int = 8, *, title: str = ""
) -> Figure:
    """Lay images out in rows, every pixel of theirs a crisp square of the page.

    Args:
        images: shape (N, H, W, C), uint8; C is 1 (grey), 3 (red, green, blue) or 4 (with opacity).
        titles: N short texts to stand above the images, of as many lines each; None for none.
        columns: images in a row, at most.
        title: what stands above all of them.

    Raises:
        ValueError: if there is no image, shape or dtype is another, or the titles are not N.

    Examples:
        >>> figure = image_grid(np.zeros((3, 32, 32, 1), np.uint8), ["cat", "dog", "cat"])
        >>> len(figure.axes[0].images), [text.get_text() for text in figure.axes[0].texts]
        (3, ['cat', 'dog', 'cat'])
    """
    _check(images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(titles)} titles for {len(images)} images")
    if columns < 1:
        raise ValueError(f"columns must be at least 1, not {columns}")
    number = len(images)
    height, width = _cell(images)
    columns = min(columns, number)
    further = max((text.count("\n") for text in titles), default=0) if titles is not None else 0
    page = columns * (width + GAP) + GAP
    title = wrapped(title, page - 2 * GAP, TEXT_SIZE)
    top_edge = _heading_height(title) if title else 0
    head = GAP + (TITLE_HEIGHT + further * LINE_HEIGHT if titles is not None else 0)
    figure = _page(page, top_edge + math.ceil(number / columns) * (head + height) + GAP)
    axes = figure.axes[0]
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        left, top = GAP + column * (width + GAP), top_edge + head + row * (head + height)
        _show(axes, image, left, top, width, height)
        if titles is not None:
            text = "\n".join(fitted(line, width, TITLE_FONT) for line in titles[index].split("\n"))
            middle = left + width / 2
            axes.text(middle, top - 6, text, ha="center", fontsize=TITLE_FONT, parse_math=False)
    if title:
        _head(axes, title, top_edge)
    return _fitted(figure)


def image_rows(rows: Mapping[str, NDArray[np.uint8]], *, title: str = "") -> Figure:
    """Lay images out in named rows, one below the other: those of one column belong together.

    Args:
        rows: by name, images of one shape (N, H, W, C), uint8, as for :func:`image_grid`.
        title: what stands above the images.

    Raises:
        ValueError: if there is no row, or the rows are not images of one shape.

    Examples:
        >>> noisy, clean = np.full((4, 28, 28, 1), 90, np.uint8), np.zeros((4, 28, 28, 1), np.uint8)
        >>> figure = image_rows({"noisy": noisy, "clean": clean}, title="before and after")
        >>> len(figure.axes[0].images), [text.get_text() for text in figure.axes[0].texts]
        (8, ['noisy', 'clean', 'before and after'])
    """
    for images in rows.values():
        _check(images)
    shapes = {images.shape for images in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"rows of images are of one shape; these are of {sorted(shapes)}")
    first = next(iter(rows.values()))
    height, width = _cell(first)
    page = NAME_WIDTH + len(first) * (width + GAP)
    title = wrapped(title, page - 2 * GAP, TEXT_SIZE)
    head = _heading_height(title) if title else GAP
    figure = _page(page, head + len(rows) * (height + GAP))
    axes = figure.axes[0]
    for row, (name, images) in enumerate(rows.items()):
        top = head + row * (height + GAP)
        for column, image in enumerate(images):
            _show(axes, image, NAME_WIDTH + column * (width + GAP), top, width, height)
        text = fitted(name, NAME_WIDTH - 2 * GAP, TITLE_FONT)
        middle = top + height / 2
        axes.text(
            NAME_WIDTH - GAP, middle, text, ha="right", va="center", fontsize=TITLE_FONT, parse_math=False
        )
    if title:
        _head(axes, title, head)
    return _fitted(figure)


def captioned_rows(rows: Mapping[str, NDArray[np.uint8]], *, title: str = "") -> Figure:
    """Lay images out in rows, each below a sentence.

    Args:
        rows: by sentence, images of one height and width (N, H, W, C), uint8, as for :func:`image_grid`; a
            row may have fewer than another.
        title: what stands above all.

    Raises:
        ValueError: if there is no row, or the rows are not images of one height and width.

    Examples:
        >>> cats = np.zeros((2, 32, 32, 3), np.uint8)
        >>> figure = captioned_rows({"cat taken for dog: 2 of 10": cats, "dog for cat: 1 of 9": cats[:1]})
        >>> len(figure.axes[0].images), [text.get_text() for text in figure.axes[0].texts]
        (3, ['cat taken for dog: 2 of 10', 'dog for cat: 1 of 9'])
    """
    for images in rows.values():
        _check(images)
    shapes = {images.shape[1:] for images in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"rows of images are of one size; these are of {sorted(shapes)}")
    first = next(iter(rows.values()))
    height, width = _cell(first)
    across = max(len(images) for images in rows.values()) * (width + GAP) + GAP
    across = max(across, NARROWEST)
    head = HEADING_HEIGHT if title else GAP
    line = TITLE_HEIGHT + GAP + height + GAP
    figure = _page(across, head + len(rows) * line)
    axes = figure.axes[0]
    for row, (sentence, images) in enumerate(rows.items()):
        top = head + row * line + TITLE_HEIGHT + GAP
        text = fitted(sentence, across - 2 * GAP, TITLE_FONT)
        axes.text(GAP, top - 6, text, fontsize=TITLE_FONT, parse_math=False)
        for column, image in enumerate(images):
            _show(axes, image, GAP + column * (width + GAP), top, width, height)
    if title:
        _head(axes, title, head)
    return _fitted(figure)


def picture(image: NDArray[np.uint8], *, title: str = "") -> Figure:
    """Show a drawing on white pixel by pixel, however large it is.

    Args:
        image: shape (H, W, C), uint8, of 1, 3 or 4 channels as in :func:`image_grid`.
        title: what stands above it.

    Raises:
        ValueError: if the shape or dtype is another.

    Examples:
        >>> picture(np.zeros((900, 700, 3), np.uint8)).bbox.size.tolist()
        [716.0, 916.0]
    """
    _check(image[None])
    height, width = image.shape[:2]
    top = HEADING_HEIGHT if title else GAP
    figure = _page(page := max(width, NARROWEST if title else 0) + 2 * GAP, height + top + GAP)
    axes = figure.axes[0]
    if title:
        _head(axes, title, HEADING_HEIGHT)
    _show(axes, image, (page - width) // 2, top, width, height)
    axes.images[-1].set_gid(DRAWING)
    return _fitted(figure)


def _heading_height(title: str) -> int:
    return HEADING_HEIGHT + title.count("\n") * HEADING_LINE


def _head(axes: Axes, title: str, height: int) -> None:
    """Write a title into the topmost ``height`` pixels of the page."""
    text = "\n".join(fitted(line, axes.bbox.width - 2 * GAP, TEXT_SIZE) for line in title.split("\n"))
    middle = axes.bbox.width / 2
    axes.text(middle, height / 2, text, ha="center", va="center", fontsize=TEXT_SIZE, parse_math=False)


def _page(width: int, height: int) -> Figure:
    """Return a new page with bare axes over all of it, whose unit is the page's pixel.

    A layout engine would move the images by fractions of a pixel: some of their pixels would come out wider.
    """
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    figure.add_axes((0.0, 0.0, 1.0, 1.0)).set_axis_off()
    return figure


def _fitted(figure: Figure) -> Figure:
    """Let the axes be the whole page again, since every image fits them to itself."""
    axes = figure.axes[0]
    axes.set(xlim=(0, axes.bbox.width), ylim=(axes.bbox.height, 0))
    return figure


def _show(axes: Axes, image: NDArray[np.uint8], left: int, top: int, width: int, height: int) -> None:
    """Place one image (H, W, C) on the page."""
    axes.imshow(
        image.repeat(3, axis=-1) if image.shape[-1] == 1 else image,
        extent=(left, left + width, top + height, top),
        interpolation="nearest",
    )


def _check(images: NDArray[np.uint8]) -> None:
    """Raise ValueError for anything but uint8 images."""
    if images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3, 4) or images.dtype != np.uint8:
        raise ValueError(f"images are uint8 of shape (N, H, W, C); these are {images.dtype} {images.shape}")


def _cell(images: NDArray[np.uint8]) -> tuple[int, int]:
    """Return height and width of an image on the page: whole multiples, but where a large one must shrink."""
    height, width = images.shape[1:3]
    side = max(height, width)
    scale = LARGEST_CELL / side if side > LARGEST_CELL else float(max(1, CELL // side))
    return round(height * scale), round(width * scale)
