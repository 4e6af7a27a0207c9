"""Caltech-101, read from its folders (https://data.caltech.edu/records/mzrjq-6wc02)."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cnnlab.config.ranges import Count, Fraction
from cnnlab.data.decoding import ChosenPictures, Picture
from cnnlab.errors import UserError

# The release holds so many pictures of each class. BACKGROUND_Google, which lies beside them, is no class.
_OFFICIAL = {
    "Faces": 435, "Faces_easy": 435, "Leopards": 200, "Motorbikes": 798, "accordion": 55, "airplanes": 800,
    "anchor": 42, "ant": 42, "barrel": 47, "bass": 54, "beaver": 46, "binocular": 33, "bonsai": 128,
    "brain": 98, "brontosaurus": 43, "buddha": 85, "butterfly": 91, "camera": 50, "cannon": 43,
    "car_side": 123, "ceiling_fan": 47, "cellphone": 59, "chair": 62, "chandelier": 107, "cougar_body": 47,
    "cougar_face": 69, "crab": 73, "crayfish": 70, "crocodile": 50, "crocodile_head": 51, "cup": 57,
    "dalmatian": 67, "dollar_bill": 52, "dolphin": 65, "dragonfly": 68, "electric_guitar": 75,
    "elephant": 64, "emu": 53, "euphonium": 64, "ewer": 85, "ferry": 67, "flamingo": 67,
    "flamingo_head": 45, "garfield": 34, "gerenuk": 34, "gramophone": 51, "grand_piano": 99,
    "hawksbill": 100, "headphone": 42, "hedgehog": 54, "helicopter": 88, "ibis": 80, "inline_skate": 31,
    "joshua_tree": 64, "kangaroo": 86, "ketch": 114, "lamp": 61, "laptop": 81, "llama": 78, "lobster": 41,
    "lotus": 66, "mandolin": 43, "mayfly": 40, "menorah": 87, "metronome": 32, "minaret": 76,
    "nautilus": 55, "octopus": 35, "okapi": 39, "pagoda": 47, "panda": 38, "pigeon": 45, "pizza": 53,
    "platypus": 34, "pyramid": 57, "revolver": 82, "rhino": 59, "rooster": 49, "saxophone": 40,
    "schooner": 63, "scissors": 39, "scorpion": 84, "sea_horse": 57, "snoopy": 35, "soccer_ball": 64,
    "stapler": 45, "starfish": 86, "stegosaurus": 59, "stop_sign": 64, "strawberry": 35, "sunflower": 85,
    "tick": 49, "trilobite": 86, "umbrella": 75, "watch": 239, "water_lilly": 37, "wheelchair": 59,
    "wild_cat": 34, "windsor_chair": 56, "wrench": 39, "yin_yang": 60,
}  # fmt: skip

CALTECH101_CLASSES = tuple(_OFFICIAL)
"""The 101 classes in torchvision's order."""

_FOLDER = "101_ObjectCategories"
_PARENTS = ("caltech101", "caltech-101")  # torchvision's, and what the archive unpacks to
_PICTURE = re.compile(r"image_[0-9]{4}\.jpg")
_PAGE = "https://data.caltech.edu/records/mzrjq-6wc02"
_MOST_NAMED = 10  # classes that a message lists


def list_caltech101(
    root: Path, class_names: tuple[str, ...] = CALTECH101_CLASSES, verify: bool = True
) -> tuple[Picture, ...]:
    """List the pictures in ``root/caltech101/101_ObjectCategories/<class>/image_0001.jpg``.

    What has another name is passed over. Fei-Fei, Fergus and Perona 2004.

    Args:
        root: folder of raw files, as torchvision lays it out; ``caltech-101`` is read as well.
        class_names: the classes to list; a label is an index into them.
        verify: compare the number of pictures in each class with that of the release.

    Raises:
        UserError: if the data or a class is not there, a class holds no picture, or not the official number.
    """
    folder = _locate(root)
    held = [name for name in CALTECH101_CLASSES if (folder / name).is_dir()]
    missing = [name for name in class_names if name not in held]
    if missing:
        named = f"; data.classes=[{','.join(held)}] uses those that are there" if len(held) > 1 else ""
        raise UserError(
            f"data.classes: {folder} holds {len(held)} of the {len(CALTECH101_CLASSES)} classes,"
            f" and {missing[0]} is not among them{named if len(held) <= _MOST_NAMED else ''}."
        )
    pictures = []
    for label, name in enumerate(class_names):
        files = _files(folder / name)
        if not files:
            raise UserError(f"{folder / name} holds no picture, where files such as image_0001.jpg belong.")
        if verify and len(files) != _OFFICIAL[name]:
            raise UserError(
                f"{folder / name} holds {len(files)} pictures, not the official {_OFFICIAL[name]};"
                " replace it, or say data.verify=false to read these."
            )
        pictures += [Picture(folder / name / file, label) for file in files]
    return tuple(pictures)


def _locate(root: Path) -> Path:
    for parent in _PARENTS:
        if (root / parent / _FOLDER).is_dir():
            return root / parent / _FOLDER
    raise UserError(
        f"no Caltech-101 data: {root / _PARENTS[0] / _FOLDER} is not there;"
        f" unpack caltech-101.zip of {_PAGE}, and the {_FOLDER}.tar.gz in it, so that it is,"
        " or set data.root or CNNLAB_DATA to a folder that has it."
    )


def _files(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name for entry in entries if _PICTURE.fullmatch(entry.name) and entry.is_file()
            )
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}") from error


@dataclass(kw_only=True, eq=False, repr=False)
class Caltech101(ChosenPictures):
    """Data module of Caltech-101 (Fei-Fei, Fergus and Perona 2004), see :func:`list_caltech101`.

    The release has no split: ``test`` says how much of it tests.

    Examples:
        >>> Caltech101(classes=["airplanes", "Motorbikes"], size=28, channels=1).spec.class_names
        ('airplanes', 'Motorbikes')
    """

    dataset_name: ClassVar[str] = "caltech101"
    all_classes: ClassVar[tuple[str, ...]] = CALTECH101_CLASSES

    test: Count | Fraction | None = 0.2

    @property
    def raw_files(self) -> tuple[str, ...]:
        """The folders of the chosen classes."""
        return tuple(f"caltech*101/{_FOLDER}/{name}" for name in self.stored_classes)

    def pictures(self) -> dict[str, tuple[Picture, ...]]:
        """The pictures of the chosen classes, as one split."""
        return {"train": list_caltech101(self.raw_root, self.stored_classes, self.verify)}
