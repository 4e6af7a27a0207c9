"""What a convolution looks for, and where it finds it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.images import image_grid
from cnnlab.figures.style import TEXT_SIZE, TITLE_SIZE, new_figure

Floats = NDArray[np.floating[Any]]

MOST_FILTERS = 64  # of one input channel or of colours
MOST_ROWS = MOST_COLUMNS = 16  # filters and input channels, where each filter has many
CELL = 36  # pixels of a kernel in the mosaic, about
GAP = 4
CHANNELS_SHOWN = 6


def filter_grid(kernels: Floats, *, title: str = "") -> Figure:
    r"""Draw the kernels of a layer as a grid of small pictures.

    Kernels on red, green and blue are drawn in colour, each stretched to its own largest weight. Others have
    one colour scale, white at zero: those on one channel fill a grid, of those on many each filter is a row
    and each input channel a column.

    Args:
        kernels: weights (filters, channels, height, width).
        title: what stands above.

    Raises:
        ValueError: if the shape is another, or there is no kernel.

    Examples:
        >>> figure = filter_grid(np.ones((32, 64, 3, 3)), title="conv2")
        >>> figure.get_suptitle()
        'conv2\n16 of 32 filters, 16 of 64 input channels of each'
    """
    if kernels.ndim != 4 or not kernels.size:
        raise ValueError(f"kernels are (filters, channels, height, width), not {kernels.shape}")
    filters, channels = kernels.shape[:2]
    if channels in (1, 3):
        shown = kernels[:MOST_FILTERS]
        across = min(len(shown), 8 if len(shown) <= 32 else 16)
        cells: list[Floats] = list(shown.transpose(0, 2, 3, 1))
        said = _part(filters, len(shown), "filters")
    else:
        shown = kernels[:MOST_ROWS, :MOST_COLUMNS]
        across = shown.shape[1]
        cells = [kernel[..., None] for row in shown for kernel in row]
        said = f"{_part(filters, len(shown), 'filters')}, {_part(channels, across, 'input channels')} of each"
    if channels == 3:
        cells = [0.5 + 0.5 * cell / (np.abs(cell).max() or 1.0) for cell in cells]
    mosaic = _mosaic(cells, across)
    figure = new_figure(max(mosaic.shape[1] / 90, 3.6) + 1.2, max(mosaic.shape[0] / 90, 1.0) + 1.0)
    axes = figure.subplots()
    if channels == 3:
        axes.imshow(np.where(np.isnan(mosaic), 1.0, mosaic), interpolation="nearest")
    else:
        most = float(np.abs(shown).max()) or 1.0
        drawn = axes.imshow(
            mosaic[..., 0], cmap=colormaps["RdBu_r"], vmin=-most, vmax=most, interpolation="nearest"
        )
        bar = figure.colorbar(drawn, ax=axes, pad=0.02, shrink=0.9)
        bar.set_label("weight", fontsize=TEXT_SIZE)
        bar.outline.set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if channels not in (1, 3):
        axes.set_xlabel("input channel", fontsize=TEXT_SIZE)
        axes.set_ylabel("filter", fontsize=TEXT_SIZE)
    figure.suptitle("\n".join(filter(None, [title, said])), fontsize=TITLE_SIZE, parse_math=False)
    return figure


def responses(
    images: NDArray[np.uint8], names: Sequence[str], maps: Mapping[str, Floats], *, title: str = ""
) -> Figure:
    """Draw what some layers answer to some images: each image, and beside it the strongest maps.

    A map is the positive part of a filter's output, brighter where it is larger, stretched to its own
    maximum; it is named by its layer and channel. Of a layer that is nowhere positive, as logits of dark
    images are, a map goes from its least to its largest output.

    Args:
        images: (N, H, W, C), uint8; C is 1 or 3.
        names: N names of the images.
        maps: outputs of a layer's filters for these images, (N, channels, h, w), by the layer's name.
        title: what stands above.

    Raises:
        ValueError: if the shapes do not fit.

    Examples:
        >>> images = np.zeros((2, 8, 8, 1), np.uint8)
        >>> figure = responses(images, ["cat", "dog"], {"conv1": np.ones((2, 1, 4, 4))})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['cat', 'conv1, 0', 'dog', 'conv1, 0']
    """
    for name, outputs in maps.items():
        if outputs.ndim != 4 or len(outputs) != len(images) or len(names) != len(images):
            raise ValueError(f"{name}: maps of shape {outputs.shape} for {len(images)} images")
    size = images.shape[1:3]
    chosen = {
        name: np.sort(np.argsort(-np.maximum(outputs, 0).mean((0, 2, 3)), kind="stable")[:CHANNELS_SHOWN])
        for name, outputs in maps.items()
    }
    maps = {name: _risen(outputs) if outputs.max() <= 0 else outputs for name, outputs in maps.items()}
    cells, titles = [], []
    for i, image in enumerate(images):
        cells.append(image.repeat(3, axis=-1) if image.shape[-1] == 1 else image)
        titles.append(names[i])
        for layer, outputs in maps.items():
            for channel in chosen[layer]:
                cells.append(_coloured(outputs[i, channel], size))
                titles.append(f"{layer}, {channel}")
    columns = 1 + sum(map(len, chosen.values()))
    return image_grid(np.stack(cells), titles, columns, title=title)


def _risen(outputs: Floats) -> Floats:
    """Maps (N, channels, h, w), each lifted so that its least output is zero."""
    lifted: Floats = outputs - outputs.min((2, 3), keepdims=True)
    return lifted


def _part(there: int, shown: int, what: str) -> str:
    if there == shown:
        return f"{there:,} {what.removesuffix('s') if there == 1 else what}"
    return f"{shown:,} of {there:,} {what}"


def _mosaic(cells: Sequence[Floats], across: int) -> Floats:
    """Lay cells (h, w, C) out in rows, enlarged by a whole number, with NaN between them."""
    height, width, channels = cells[0].shape
    scale = max(1, CELL // max(height, width))
    height, width = height * scale + GAP, width * scale + GAP
    down = math.ceil(len(cells) / across)
    mosaic = np.full((down * height + GAP, across * width + GAP, channels), np.nan)
    for i, cell in enumerate(cells):
        top, left = (i // across) * height + GAP, (i % across) * width + GAP
        large = cell.repeat(scale, axis=0).repeat(scale, axis=1)
        mosaic[top : top + large.shape[0], left : left + large.shape[1]] = large
    return mosaic


def _coloured(outputs: Floats, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Positive part of a map as an image of some size, uint8 (H, W, 3), in colours of rising brightness."""
    positive = np.maximum(outputs, 0) / (max(float(outputs.max()), 0.0) or 1.0)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, positive.shape, strict=True))
    coloured: NDArray[np.uint8] = colormaps["viridis"](positive[np.ix_(rows, columns)], bytes=True)[..., :3]
    return coloured
