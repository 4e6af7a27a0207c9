"""Folders of pictures, one folder per class, as torchvision's ImageFolder reads them."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from cnnlab.config.ranges import Count, Fraction
from cnnlab.data.decoding import Picture, PictureDataModule
from cnnlab.data.store import SPLITS, Option
from cnnlab.errors import UserError
from cnnlab.files import require_folder

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


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
    files: dict[str, tuple[Picture, ...]]


def scan_folder(path: Path) -> FolderListing:
    """List the pictures of ``path/<class>``, or of ``path/train/<class>`` ``val`` and ``test`` beside it.

    Raises:
        UserError: if the folder is missing or holds fewer than two classes, a class has no picture or no name
            in UTF-8, a folder beside ``train`` is no split, or ``val`` or ``test`` has a class that ``train``
            lacks.
    """
    require_folder("data.path", path)
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
    for name in class_names:
        if os.fsencode(name).decode(errors="ignore") != name:
            raise UserError(
                f"{splits['train'] / name}: the name of this class is not UTF-8; rename the folder."
            )
    files = {name: tuple(_labelled(splits[name], class_names)) for name in SPLITS if name in splits}
    return FolderListing(path, class_names, files)


def _folders(path: Path) -> list[str]:
    # Hidden folders and the one that macOS puts into archives are no classes.
    return sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.name != "__MACOSX"
    )


def _labelled(folder: Path, class_names: tuple[str, ...]) -> Iterator[Picture]:
    for name in _folders(folder):
        if name not in class_names:
            raise UserError(f"{folder / name}: train has no class {name!r}; it has {', '.join(class_names)}")
        pictures = list(_pictures(folder / name))
        if not pictures:
            raise UserError(f"{folder / name} holds no picture; read are {', '.join(IMAGE_SUFFIXES)}")
        label = class_names.index(name)
        yield from (Picture(picture, label) for picture in pictures)


def _pictures(folder: Path) -> Iterator[Path]:
    for directory, _, names in sorted(os.walk(folder, onerror=_unreadable)):
        for name in sorted(names):
            picture = Path(directory) / name
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".") and not picture.is_fifo():
                yield picture


def _unreadable(error: OSError) -> NoReturn:
    raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error


@dataclass(kw_only=True, eq=False, repr=False)
class ImageFolder(PictureDataModule):
    """Data module of a folder of pictures, see :func:`scan_folder` for its layout.

    Args:
        path: the folder.
    """

    dataset_name: ClassVar[str] = "image_folder"

    path: str | Path
    test: Count | Fraction | None = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.listing = scan_folder(Path(self.path).expanduser())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the class folders."""
        return self.listing.class_names

    def pictures(self) -> dict[str, tuple[Picture, ...]]:
        """All pictures of the folder."""
        return self.listing.files

    @property
    def source(self) -> str:
        """The folder."""
        return str(self.listing.path.absolute())

    @property
    def raw_files(self) -> tuple[str, ...]:
        """None but the folder, which is there."""
        return ()

    @property
    def stored_options(self) -> dict[str, Option]:
        """How the pictures are decoded, and which they are: a changed folder is prepared anew."""
        digest = hashlib.sha256()
        for split, files in self.listing.files.items():
            for picture in files:
                state = picture.path.stat()
                line = f"{split} {picture.path} {picture.label} {state.st_size} {state.st_mtime_ns}\n"
                digest.update(os.fsencode(line))
        return super().stored_options | {"files": digest.hexdigest()[:16]}
