"""The 1797 digits that come with scikit-learn (UCI, Optical Recognition of Handwritten Digits)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.config.ranges import Count, Fraction
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import Option
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import ImageDataModule

DIGITS_CLASSES = tuple("0123456789")

_WHITE = 16  # the brightest value in scikit-learn's copy


def read_digits(size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all digits, uint8 ``(1797, size, size, 1)``, and their labels, int64 ``(1797,)``.

    Args:
        size: height and width; the originals are 8 pixels, others are resized bilinearly.

    Examples:
        >>> images, labels = read_digits(8)
        >>> images.shape, images.max(), labels[:3]
        ((1797, 8, 8, 1), np.uint8(255), array([0, 1, 2]))
    """
    from sklearn.datasets import load_digits  # a second to import

    digits = load_digits()
    images = np.round(digits.images * (255 / _WHITE)).astype(np.uint8)
    if size != images.shape[1]:
        images = np.stack([_resized(image, size) for image in images])
    return images[..., np.newaxis], digits.target.astype(np.int64)


def _resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


@dataclass(kw_only=True, eq=False, repr=False)
class Digits(ImageDataModule):
    """Data module of :func:`read_digits`; the test set is drawn from the one split that there is.

    Args:
        size: height and width of the images.

    Examples:
        >>> Digits(size=32, test=0.2).spec.input_shape
        (1, 32, 32)
    """

    dataset_name: ClassVar[str] = "digits"

    size: int = 32
    test: Count | Fraction | None = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("size", 1, 4096)

    @property
    def spec(self) -> DataSpec:
        """Grey images of ten digits."""
        return DataSpec(self.dataset_name, "image", (1, self.size, self.size), "classes", 10, DIGITS_CLASSES)

    @property
    def source(self) -> str:
        """The package that holds them."""
        return "scikit-learn"

    @property
    def stored_options(self) -> dict[str, Option]:
        """The size."""
        return {"size": self.size}

    @property
    def raw_files(self) -> tuple[str, ...]:
        """None: they come with scikit-learn."""
        return ()

    def write(self, writer: StoreWriter) -> None:
        """Store all digits as one split."""
        writer.add("train", *read_digits(self.size))
