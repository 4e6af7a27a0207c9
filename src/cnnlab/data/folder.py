"""Folders of pictures, one folder per class, as torchvision's ImageFolder reads them."""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from cnnlab.config.ranges import Count, Fraction
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import SPLITS, Option
from cnnlab.data.store_writer import SplitWriter, StoreWriter
from cnnlab.data.stored import ImageDataModule
from cnnlab.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

# A file's content chooses its decoder, whatever its name says, and some of PIL's run other programs.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
_MOST_PIXELS = 64 * 1024 * 1024
_WORKERS = os.cpu_count() or 1


@dataclass(frozen=True)
class FolderListing:
    """The pictures of a folder.

    Args:
        path: the folder.
        class_names: sorted names of the class folders; a label is an index into them.
        files: per split, each picture's path and label, in torchvision's order.
    """

    path: Path
    class_names: tuple[str, ...]
    files: dict[str, tuple[tuple[Path, int], ...]]


def scan_folder(path: Path) -> FolderListing:
    """List the pictures of ``path/<class>``, or of ``path/train/<class>`` ``val`` and ``test`` beside it.

    Raises:
        UserError: if the folder is missing or holds fewer than two classes, a class has no picture, a folder
            beside ``train`` is no split, or ``val`` or ``test`` has a class that ``train`` lacks.
    """
    if not path.is_dir():
        raise UserError(f"there is no folder {path}; say in data.path where the pictures are")
    splits = {"train": path}
    if "train" in _folders(path) and _folders(path / "train"):
        splits = {name: path / name for name in _folders(path)}
    for name, folder in splits.items():
        if name not in SPLITS:
            raise UserError(f"{folder} is beside {path / 'train'}, where only {', '.join(SPLITS)} are read")
    class_names = tuple(_folders(splits["train"]))
    if len(class_names) < 2:
        raise UserError(
            f"{splits['train']} holds {len(class_names)} class folders; two or more are needed, one per class"
        )
    files = {name: tuple(_labelled(splits[name], class_names)) for name in SPLITS if name in splits}
    return FolderListing(path, class_names, files)


def decode_into(
    writer: StoreWriter,
    listing: FolderListing,
    size: int,
    channels: Literal[1, 3],
    on_bad_image: Literal["raise", "skip"],
) -> int:
    """Decode every picture to ``(size, size, channels)``, bilinearly with antialiasing, into the writer.

    Args:
        writer: takes the images; its ``skipped`` names those that could not be read.
        listing: what to decode.
        size: height and width.
        channels: 1 for grey, 3 for colour.
        on_bad_image: ``raise`` or ``skip`` what cannot be decoded.

    Returns:
        How many were skipped.

    Raises:
        UserError: if a picture cannot be read and is not to be skipped, or a split has none that can.
    """
    before = Image.MAX_IMAGE_PIXELS
    Image.init()  # or the first threads would load the decoders together
    Image.MAX_IMAGE_PIXELS = None  # PIL would warn in the middle of the bar; `_decode` has a limit of its own
    total = sum(len(files) for files in listing.files.values())
    quiet = not sys.stderr.isatty()
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            task = bar.add_task(f"decoding {listing.path.name}", total=total)
            for split, files in listing.files.items():
                images = writer.create(split, (size, size, channels))
                for path, label, decoded in _decoded(files, size, channels):
                    _take(decoded, path, label, images, writer.skipped if on_bad_image == "skip" else None)
                    bar.advance(task)
                if not len(images):
                    raise UserError(
                        f"{listing.path}: none of the {len(files)} pictures of {split} can be read"
                    )
    finally:
        Image.MAX_IMAGE_PIXELS = before
    return len(writer.skipped)


def _folders(path: Path) -> list[str]:
    # Hidden folders and the one that macOS puts into archives are no classes.
    return sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name != "__MACOSX"
    )


def _labelled(folder: Path, class_names: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    for name in _folders(folder):
        if name not in class_names:
            raise UserError(f"{folder / name}: train has no class {name!r}; it has {', '.join(class_names)}")
        pictures = list(_pictures(folder / name))
        if not pictures:
            raise UserError(f"{folder / name} holds no picture; read are {', '.join(IMAGE_SUFFIXES)}")
        label = class_names.index(name)
        yield from ((picture, label) for picture in pictures)


def _pictures(folder: Path) -> Iterator[Path]:
    for directory, _, names in sorted(os.walk(folder, onerror=_unreadable)):
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield Path(directory) / name


def _unreadable(error: OSError) -> NoReturn:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error


def _decoded(
    files: tuple[tuple[Path, int], ...], size: int, channels: int
) -> Iterator[tuple[Path, int, Future[NDArray[np.uint8]]]]:
    """Yield the files in order, with a few more than there are processors under way."""
    waiting: deque[tuple[Path, int, Future[NDArray[np.uint8]]]] = deque()
    rest = iter(files)
    with ThreadPoolExecutor(_WORKERS) as pool:
        while True:
            for path, label in islice(rest, 4 * _WORKERS - len(waiting)):
                waiting.append((path, label, pool.submit(_decode, path, size, channels)))
            if not waiting:
                return
            yield waiting.popleft()


def _decode(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    with Image.open(path, formats=_FORMATS) as opened:
        if opened.width * opened.height > _MOST_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels are more than {_MOST_PIXELS}")
        image: Image.Image = opened
        if image.mode == "P" and "transparency" in image.info:
            image = image.convert("RGBA")  # PIL warns of the direct way, and gives the same colours
        if image.mode in ("I", "F"):
            raise ValueError(f"its pixels are of PIL's mode {image.mode}, which has no fixed range")
        if image.mode.startswith("I;16"):  # PIL would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        resized = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size, size, channels)


def _take(
    decoded: Future[NDArray[np.uint8]], path: Path, label: int, images: SplitWriter, skipped: list[str] | None
) -> None:
    try:
        image = decoded.result()
    except Exception as error:  # PIL's decoders raise nearly anything for a damaged file
        if skipped is None:
            raise UserError(
                f"{path} cannot be read as a picture ({error}); data.on_bad_image=skip leaves such files out"
            ) from error
        skipped.append(str(path))
    else:
        images.append(image, label)


@dataclass(kw_only=True, eq=False, repr=False)
class ImageFolder(ImageDataModule):
    """Data module of a folder of pictures, see :func:`scan_folder` for its layout.

    Args:
        path: the folder.
        size: height and width that every picture is resized to.
        channels: 1 for grey, 3 for colour.
        on_bad_image: ``raise`` or ``skip`` what cannot be decoded.
    """

    dataset_name: ClassVar[str] = "image_folder"

    path: str | Path
    size: int = 64
    channels: Literal[1, 3] = 3
    on_bad_image: Literal["raise", "skip"] = "raise"
    test: Count | Fraction | None = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_range("size", 1, 4096)
        self.listing = scan_folder(Path(self.path).expanduser())

    @property
    def spec(self) -> DataSpec:
        """Images of the asked size, a class for each folder."""
        names = self.listing.class_names
        shape = (self.channels, self.size, self.size)
        return DataSpec(self.dataset_name, "image", shape, "classes", len(names), names)

    @property
    def source(self) -> str:
        """The folder."""
        return str(self.listing.path.absolute())

    @property
    def stored_options(self) -> dict[str, Option]:
        """How the pictures are decoded, and which they are: a changed folder is prepared anew."""
        digest = hashlib.sha256()
        for split, files in self.listing.files.items():
            for path, label in files:
                state = path.stat()
                digest.update(f"{split} {path} {label} {state.st_size} {state.st_mtime_ns}\n".encode())
        return {
            "size": self.size,
            "channels": self.channels,
            "on_bad_image": self.on_bad_image,
            "files": digest.hexdigest()[:16],
        }

    def write(self, writer: StoreWriter) -> None:
        """Decode every picture once."""
        decode_into(writer, self.listing, self.size, self.channels, self.on_bad_image)
