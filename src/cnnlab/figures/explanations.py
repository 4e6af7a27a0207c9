"""Which parts of an image speak for what a network says of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.images import image_grid

Floats = NDArray[np.floating[Any]]

IMAGE_SHARE = 0.4  # of the image in an overlay, in grey
SIDE = 224  # pixels of an image on the page, about
OUTLIERS = 99.0  # percentile of the strengths that has the full colour; single pixels would outshine all


def explanation(
    image: NDArray[np.uint8], explained: Mapping[str, Mapping[str, Floats]], *, title: str = ""
) -> Figure:
    """Draw an image beside maps of its parts, a line for each class that is explained.

    A map that is nowhere negative lies over the grey image, brighter where it is larger. A signed one stands
    alone: red speaks for the class, blue against it, white for neither.

    Args:
        image: (H, W, C), uint8; C is 1 or 3.
        explained: maps (H, W) by method, by what stands above the image; each line has the same methods.
        title: what stands above.

    Raises:
        ValueError: if a map is of another size.

    Examples:
        >>> maps = {"Grad-CAM": np.ones((8, 8)), "integrated gradients": np.eye(8) - 0.5}
        >>> figure = explanation(np.zeros((8, 8, 3), np.uint8), {"cat, 90%": maps})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['cat, 90%', 'Grad-CAM', 'integrated gradients']
    """
    larger = max(1, SIDE // max(image.shape[:2]))
    colored = image.repeat(3, axis=-1) if image.shape[-1] == 1 else image
    cells, titles = [], []
    for name, maps in explained.items():
        cells.append(colored)
        titles.append(name)
        for method, strength in maps.items():
            if strength.shape != image.shape[:2]:
                raise ValueError(f"{method}: a map {strength.shape} for an image {image.shape}")
            cells.append(_signed(strength) if strength.min() < 0 else _overlay(colored, strength))
            titles.append(method)
    columns = 1 + max(map(len, explained.values()))
    cells = [cell.repeat(larger, axis=0).repeat(larger, axis=1) for cell in cells]
    return image_grid(np.stack(cells), titles, columns, title=title)


def _signed(strength: Floats) -> NDArray[np.uint8]:
    most = float(np.percentile(np.abs(strength), OUTLIERS)) or float(np.abs(strength).max()) or 1.0
    return _bytes(colormaps["RdBu_r"](np.clip(0.5 + 0.5 * strength / most, 0, 1)))


def _overlay(image: NDArray[np.uint8], strength: Floats) -> NDArray[np.uint8]:
    grey = image.mean(-1, keepdims=True) / 255
    colored = colormaps["viridis"](strength / (float(strength.max()) or 1.0))[..., :3]
    return _bytes(IMAGE_SHARE * grey + (1 - IMAGE_SHARE) * colored)


def _bytes(colors: Floats) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = (255 * colors[..., :3]).round().astype(np.uint8)
    return rounded
