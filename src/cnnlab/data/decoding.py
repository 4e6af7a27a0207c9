"""Pictures in files of their own, decoded once and in parallel into a store."""

import contextlib
import os
import sys
import threading
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import ceil, floor
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from cnnlab.data.cifar import choose_classes
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import Option
from cnnlab.data.store_writer import SplitWriter, StoreWriter
from cnnlab.data.stored import ImageDataModule
from cnnlab.errors import UserError, readable

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge in pixels; what lies beyond the picture is cut off."""

OnBadImage = Literal["raise", "skip"]

# A file's content chooses its decoder, whatever its name says, and some of PIL's run other programs.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
_MOST_PIXELS = 64 * 1024 * 1024
_LARGE_PIXELS = 8 * 1024 * 1024
_one_large = threading.Lock()  # or a folder of the largest would take their memory times the processors
_WORKERS = os.cpu_count() or 1


class Picture(NamedTuple):
    """A picture to decode.

    Args:
        path: the file.
        label: its class.
        box: the part that is used; None is the whole picture.
    """

    path: Path
    label: int
    box: Box | None = None


def decode_into(
    writer: StoreWriter,
    pictures: Mapping[str, Sequence[Picture]],
    size: int,
    channels: Literal[1, 3],
    on_bad_image: OnBadImage,
) -> int:
    """Decode every picture to ``(size, size, channels)``, bilinearly with antialiasing, into the writer.

    A few pictures are decoded ahead, by as many threads as there are processors; each is written as it comes,
    in the order given. A terminal shows a progress bar.

    Args:
        writer: takes the images; its ``skipped`` names those that could not be read.
        pictures: by split, what to decode; the labels count the writer's ``class_names``.
        size: height and width.
        channels: 1 for grey, 3 for colour.
        on_bad_image: ``raise`` or ``skip`` what cannot be decoded.

    Returns:
        How many were skipped.

    Raises:
        UserError: if a picture cannot be read and is not to be skipped, or a class in a split has none left.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.init()  # or the first threads would load the decoders together
    Image.MAX_IMAGE_PIXELS = None  # PIL would warn in the middle of the bar; `decode` has a limit of its own
    total = sum(len(listed) for listed in pictures.values())
    quiet = not sys.stderr.isatty()
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            task = bar.add_task("decoding pictures", total=total)
            for split, listed in pictures.items():
                images = writer.create(split, (size, size, channels))
                left = Counter(picture.label for picture in listed)
                for picture, decoded in _decoded(listed, size, channels):
                    if not _take(
                        decoded, picture, images, writer.skipped if on_bad_image == "skip" else None
                    ):
                        left[picture.label] -= 1
                    bar.advance(task)
                _require_some(split, listed, left, writer.class_names)
    finally:
        Image.MAX_IMAGE_PIXELS = before
    return len(writer.skipped)


def _decoded(
    pictures: Sequence[Picture], size: int, channels: int
) -> Iterator[tuple[Picture, Future[NDArray[np.uint8]]]]:
    """Yield the pictures in order, with a few more than there are processors under way."""
    waiting: deque[tuple[Picture, Future[NDArray[np.uint8]]]] = deque()
    rest = iter(pictures)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while True:
            for picture in islice(rest, 4 * _WORKERS - len(waiting)):
                waiting.append(
                    (picture, pool.submit(decode, picture.path, (size, size), channels, picture.box))
                )
            if not waiting:
                return
            yield waiting.popleft()


def decode(path: Path, size: tuple[int, int], channels: int, box: Box | None = None) -> NDArray[np.uint8]:
    """Return a picture, uint8 ``(*size, channels)``, resized bilinearly with antialiasing.

    Args:
        path: the file; its content chooses the decoder, whatever its name says.
        size: height and width.
        channels: 1 for grey, 3 for colour.
        box: the part that is used; None is the whole picture.

    Raises:
        Exception: nearly anything, for a damaged file; ValueError for a picture of too many pixels.
    """
    height, width = size
    with Image.open(path, formats=_FORMATS) as opened:
        if opened.width * opened.height > _MOST_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels are more than {_MOST_PIXELS}")
        large = opened.width * opened.height > _LARGE_PIXELS
        with _one_large if large else contextlib.nullcontext():
            resized = _resized(opened, (width, height), channels, box)
    return np.asarray(resized).reshape(height, width, channels)


def _resized(image: Image.Image, size: tuple[int, int], channels: int, box: Box | None) -> Image.Image:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # PIL warns of the direct way, and gives the same colours
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of PIL's mode {image.mode}, which has no fixed range")
    if image.mode.startswith("I;16"):  # PIL would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB")
    if box is not None:  # `resize` takes a box too, and looks beyond its edges
        image = image.crop(_within(box, image.width, image.height))
    return image.resize(size, Image.Resampling.BILINEAR)


def _within(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, upper, right, lower = box
    whole = max(floor(left), 0), max(floor(upper), 0), min(ceil(right), width), min(ceil(lower), height)
    if not (whole[0] < whole[2] and whole[1] < whole[3]):
        raise ValueError(f"its box {box} holds nothing of its {width} x {height} pixels")
    return whole


def _take(
    decoded: Future[NDArray[np.uint8]], picture: Picture, images: SplitWriter, skipped: list[str] | None
) -> bool:
    """Append a decoded picture, or note it as skipped; say whether it was appended."""
    try:
        image = decoded.result()
    except Exception as error:  # PIL's decoders raise nearly anything for a damaged file
        if skipped is None:
            raise UserError(
                f"{picture.path} cannot be read as a picture ({error});"
                " data.on_bad_image=skip leaves such files out"
            ) from error
        skipped.append(readable(str(picture.path)))  # its name may hold anything
        return False
    images.append(image, picture.label)
    return True


def _require_some(
    split: str, pictures: Sequence[Picture], left: Mapping[int, int], class_names: Sequence[str]
) -> None:
    for label, count in left.items():
        if not count:
            paths = [picture.path for picture in pictures if picture.label == label]
            raise UserError(
                f"{paths[0].parent}: none of the {len(paths)} pictures of {class_names[label]} in {split}"
                " can be read"
            )


@dataclass(kw_only=True, eq=False, repr=False)
class PictureDataModule(ImageDataModule):
    """Data module of pictures in files of their own, see :func:`decode_into`.

    Args:
        size: height and width that every picture is resized to.
        channels: 1 for grey, 3 for colour.
        on_bad_image: ``raise`` or ``skip`` what cannot be decoded.
    """

    size: int = 64
    channels: Literal[1, 3] = 3
    on_bad_image: OnBadImage = "raise"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("size", 1, 4096)

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """One name per class, in the order of the outputs."""

    @abstractmethod
    def pictures(self) -> Mapping[str, Sequence[Picture]]:
        """The pictures of each split that is to be stored."""

    @property
    def spec(self) -> DataSpec:
        """Images of the asked size."""
        shape = (self.channels, self.size, self.size)
        names = self.class_names
        return DataSpec(self.dataset_name, "image", shape, "classes", len(names), names)

    @property
    def stored_options(self) -> dict[str, Option]:
        """How the pictures are decoded."""
        return {"size": self.size, "channels": self.channels, "on_bad_image": self.on_bad_image}

    def write(self, writer: StoreWriter) -> None:
        """Decode every picture once."""
        decode_into(writer, self.pictures(), self.size, self.channels, self.on_bad_image)


@dataclass(kw_only=True, eq=False, repr=False)
class ChosenPictures(PictureDataModule):
    """Pictures of a published data set, of whose classes some may be chosen; only those are decoded.

    Args:
        classes: the first so many, or some by name in the order given; None is all.
    """

    all_classes: ClassVar[tuple[str, ...]]

    classes: int | Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._class_names = choose_classes(self.all_classes, self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The chosen classes, in the order given."""
        return self._class_names

    @property
    def stored_classes(self) -> tuple[str, ...]:
        """The chosen classes in the order of the data set, in which they are stored."""
        return tuple(name for name in self.all_classes if name in self._class_names)

    @property
    def stored_options(self) -> dict[str, Option]:
        """How the pictures are decoded, and which classes."""
        return super().stored_options | {"classes": ",".join(self.stored_classes)}

    def write(self, writer: StoreWriter) -> None:
        """Decode every picture of the chosen classes once."""
        writer.class_names = self.stored_classes
        super().write(writer)
