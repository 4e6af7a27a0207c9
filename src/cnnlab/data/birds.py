"""Caltech-UCSD Birds 200, releases of 2010 and 2011 (https://www.vision.caltech.edu/datasets/cub_200_2011)."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from cnnlab.data.bird_names import BIRD_CLASSES
from cnnlab.data.decoding import Box, ChosenPictures, Picture
from cnnlab.data.store import Option
from cnnlab.errors import UserError, reason

Version = Literal[2010, 2011]

_FOLDERS = {2010: "CUB_200_2010", 2011: "CUB_200_2011"}
_OFFICIAL = {2010: {"train": 3000, "test": 3033}, 2011: {"train": 5994, "test": 5794}}
_LISTS = {2010: "lists/train.txt", 2011: "images.txt"}  # one that each release has and the other lacks
_ARCHIVES = {
    2010: "images.tgz and lists.tgz of https://www.vision.caltech.edu/datasets",
    2011: "CUB_200_2011.tgz of https://www.vision.caltech.edu/datasets/cub_200_2011",
}
_PLACE = re.compile(r"([0-9]{3})\.[^/]+/[^/]+")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SPLIT = {"1": "train", "0": "test"}


class Entry(NamedTuple):
    """What the files of the release say of one picture.

    Args:
        where: file and line, for messages.
        place: the picture's path below ``images``.
        number: of its class, from 1.
        split: ``train`` or ``test``.
        box: of the bird; None where it is not asked for.
    """

    where: str
    place: str
    number: int
    split: str
    box: Box | None


def list_birds(
    root: Path,
    version: Version,
    class_names: tuple[str, ...] = BIRD_CLASSES,
    crop: bool = False,
    verify: bool = True,
) -> dict[str, tuple[Picture, ...]]:
    """List the pictures of the official split.

    Read are ``root/CUB_200_2010``, with ``lists/train.txt`` and ``lists/test.txt``, or ``root/CUB_200_2011``,
    with ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt`` and, for ``crop``,
    ``bounding_boxes.txt``. A class is known by the number of its folder, such as
    ``001.Black_footed_Albatross``. Welinder et al. 2010; Wah et al. 2011.

    Args:
        root: folder of raw files.
        version: the year of the release.
        class_names: the classes to list; a label is an index into them.
        crop: use the bird's box of each picture; only the release of 2011 has them as text.
        verify: compare names of classes and numbers of pictures with those of the release.

    Returns:
        ``train`` and ``test``.

    Raises:
        UserError: if a file is not there, a line is not of the format, repeats another or names a picture
            that is not there, the files do not fit each other, or they are not the official ones.
    """
    folder = root / _FOLDERS[version]
    if not (folder / _LISTS[version]).is_file():
        raise UserError(
            f"no birds of {version}: {folder / _LISTS[version]} is not there; unpack"
            f" {_ARCHIVES[version]} so that it is,"
            " or set data.root or CNNLAB_DATA to a folder that has it."
        )
    entries = _entries_of_2010(folder) if version == 2010 else _entries_of_2011(folder, crop)
    by_place: dict[str, Entry] = {}
    for entry in entries:
        if entry.place in by_place:
            raise UserError(
                f"{entry.where}: {entry.place} has a line already, {by_place[entry.place].where}."
            )
        by_place[entry.place] = entry
    if verify:
        _require_official(folder, version, [entry.split for entry in by_place.values()])
    numbers = {BIRD_CLASSES.index(name) + 1: label for label, name in enumerate(class_names)}
    found: dict[str, list[Picture]] = {"train": [], "test": []}
    for entry in by_place.values():
        if entry.number in numbers:
            path = folder / "images" / entry.place
            if not _is_there(path):
                raise UserError(f"{entry.where}: the picture {path} is not there.")
            found[entry.split].append(Picture(path, numbers[entry.number], entry.box))
    _require_each_class(folder, class_names, found)
    return {split: tuple(pictures) for split, pictures in found.items()}


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no file system takes such a name
        return False


def _entries_of_2010(folder: Path) -> Iterator[Entry]:
    for split in ("train", "test"):
        for where, line in _lines(folder / "lists" / f"{split}.txt"):
            yield Entry(where, line, _class_number(where, line), split, None)


def _entries_of_2011(folder: Path, crop: bool) -> Iterator[Entry]:
    places = _table(folder / "images.txt", 1)
    classes = _table(folder / "image_class_labels.txt", 1, places)
    splits = _table(folder / "train_test_split.txt", 1, places)
    boxes = _table(folder / "bounding_boxes.txt", 4, places) if crop else {}
    for number, (where, (place,)) in places.items():
        label, (flag,) = classes[number][1][0], splits[number][1]
        class_number = _class_number(where, place)
        if label != str(class_number):
            raise UserError(f"{classes[number][0]}: class {label} does not fit {place} in {where}.")
        if flag not in _SPLIT:
            raise UserError(f"{splits[number][0]}: {flag} is neither 1, for training, nor 0, for test.")
        box = _box(*boxes[number]) if crop else None
        yield Entry(where, place, class_number, _SPLIT[flag], box)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each line that says something, after its place for messages."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else reason(error)
        raise UserError(f"{path} cannot be read: {why}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()


Table = dict[int, tuple[str, list[str]]]


def _table(path: Path, columns: int, fitting: Table | None = None) -> Table:
    """Read lines of a picture's number and ``columns`` words, for the very pictures of ``fitting``."""
    table: Table = {}
    for where, line in _lines(path):
        first, *rest = line.split()
        if not _NUMBER.fullmatch(first) or len(rest) != columns:
            words = "a word" if columns == 1 else f"{columns} words"
            raise UserError(f"{where}: {line!r} is not a picture's number and {words}.")
        number = int(first)
        if number in table:
            raise UserError(f"{where}: picture {number} has a line already, {table[number][0]}.")
        if fitting is not None and number not in fitting:
            raise UserError(f"{where}: images.txt names no picture {number}.")
        table[number] = where, rest
    for number, (where, _) in ({} if fitting is None else fitting).items():
        if number not in table:
            raise UserError(f"{path} has no line for picture {number} of {where}.")
    return table


def _class_number(where: str, place: str) -> int:
    match = _PLACE.fullmatch(place)
    if match is None or not 1 <= int(match[1]) <= len(BIRD_CLASSES):
        raise UserError(
            f"{where}: {place!r} is not a picture in a folder from"
            " 001.Black_footed_Albatross to 200.Common_Yellowthroat."
        )
    return int(match[1])


def _box(where: str, words: list[str]) -> Box:
    try:
        left, upper, width, height = map(float, words)
    except ValueError:
        left = upper = width = height = math.nan
    if not (math.isfinite(left + upper + width + height) and width > 0 and height > 0):
        raise UserError(f"{where}: {' '.join(words)!r} is not a box of left, upper, width and height.")
    return left, upper, left + width, upper + height


def _require_official(folder: Path, version: Version, splits: list[str]) -> None:
    advice = "replace it, or say data.verify=false to read it as it is."
    path = folder / ("lists/classes.txt" if version == 2010 else "classes.txt")
    lines = list(_lines(path))
    if len(lines) != len(BIRD_CLASSES):
        raise UserError(f"{path} names {len(lines)} classes, not the official {len(BIRD_CLASSES)}; {advice}")
    for number, ((where, line), name) in enumerate(zip(lines, BIRD_CLASSES, strict=True), 1):
        official = f"{number:03d}.{name.replace(' ', '_')}"
        if line.split()[-1] != official:
            raise UserError(f"{where}: {line!r} is not the official class {official}; {advice}")
    for split, count in _OFFICIAL[version].items():
        found = splits.count(split)
        if found != count:
            raise UserError(
                f"{folder} lists {found} pictures for {split}, not the official {count}; {advice}"
            )


def _require_each_class(folder: Path, class_names: tuple[str, ...], found: dict[str, list[Picture]]) -> None:
    for split, pictures in found.items():
        labels = {picture.label for picture in pictures}
        for label, name in enumerate(class_names):
            if label not in labels:
                raise UserError(f"data.classes: {folder} has no picture of {name} for {split}.")


@dataclass(kw_only=True, eq=False, repr=False)
class Birds(ChosenPictures):
    """Data module of Caltech-UCSD Birds 200 with its official split, see :func:`list_birds`.

    Args:
        version: 2010 or 2011.
        crop: cut each picture to the bird's box, for the release of 2011.

    Examples:
        >>> Birds(classes=2).spec.class_names
        ('Black footed Albatross', 'Laysan Albatross')
    """

    dataset_name: ClassVar[str] = "birds"
    all_classes: ClassVar[tuple[str, ...]] = BIRD_CLASSES

    version: Version = 2011
    size: int = 224
    crop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop and self.version == 2010:
            raise UserError("data.crop=true: only data.version=2011 has the boxes of the birds as text.")

    @property
    def stored_options(self) -> dict[str, Option]:
        """How the pictures are decoded, which classes, and of which release."""
        return super().stored_options | {"version": self.version, "crop": self.crop}

    @property
    def raw_files(self) -> tuple[str, ...]:
        """The list of the pictures, and their folder."""
        folder = _FOLDERS[self.version]
        return f"{folder}/{_LISTS[self.version]}", f"{folder}/images"

    def pictures(self) -> dict[str, tuple[Picture, ...]]:
        """The pictures of the chosen classes in the official split."""
        return list_birds(self.raw_root, self.version, self.stored_classes, self.crop, self.verify)
