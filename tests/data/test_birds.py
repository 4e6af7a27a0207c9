"""Caltech-UCSD Birds 200 in both official layouts: the split, the classes, the boxes, and wrong files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab.data.birds import BIRD_CLASSES, Birds, list_birds
from cnnlab.errors import UserError

FOLDERS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "200.Common_Yellowthroat")
NAMES = ["Black footed Albatross", "Laysan Albatross", "Common Yellowthroat"]
# Of each class the first four train, as in the release of 2011, whose lines are mixed.
PLACES = [f"{folder}/bird_{number}.jpg" for folder in FOLDERS for number in range(6)]
TRAIN = [place for place in PLACES if place[-5] in "0123"]


def lines(path: Path, words: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{word}\n" for word in words))


@pytest.fixture
def root(tmp_path: Path, write_picture: Callable[..., None]) -> Path:
    """Both releases, with three of their classes."""
    older, newer = tmp_path / "CUB_200_2010", tmp_path / "CUB_200_2011"
    for place in PLACES:
        write_picture(older / "images" / place)
        write_picture(newer / "images" / place)
    lines(older / "lists" / "train.txt", TRAIN)
    lines(older / "lists" / "test.txt", [place for place in PLACES if place not in TRAIN])
    lines(newer / "images.txt", [f"{i} {place}" for i, place in enumerate(PLACES, 1)])
    lines(newer / "image_class_labels.txt", [f"{i} {int(p[:3])}" for i, p in enumerate(PLACES, 1)])
    lines(newer / "train_test_split.txt", [f"{i} {int(p in TRAIN)}" for i, p in enumerate(PLACES, 1)])
    lines(newer / "bounding_boxes.txt", [f"{i} 5.0 4.0 10.0 6.0" for i, _ in enumerate(PLACES, 1)])
    for path in (older / "lists", newer):
        numbered = [f"{i:03d}.{name.replace(' ', '_')}" for i, name in enumerate(BIRD_CLASSES, 1)]
        before = "" if path == older / "lists" else "{} "
        lines(path / "classes.txt", [before.format(i) + name for i, name in enumerate(numbered, 1)])
    return tmp_path


def ready(root: Path, **settings: Any) -> Birds:
    given = {"root": root, "store": root / "store", "verify": False, "size": 8, "classes": NAMES, **settings}
    data = Birds(**given)
    data.prepare_data()
    data.setup()
    return data


def test_there_are_200_classes() -> None:
    assert len(set(BIRD_CLASSES)) == 200
    assert Birds().spec.outputs == 200
    assert Birds().spec.input_shape == (3, 224, 224)


@pytest.mark.parametrize("version", [2010, 2011])
def test_the_official_split_is_used_whole(root: Path, version: Any) -> None:
    data = ready(root, version=version, validation=3, stratify=True)
    assert data.counts() == {"train": 9, "val": 3, "test": 6}
    assert data.splits.test.stored == "test"
    assert data.targets("train").tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.targets("test").tolist() == [0, 0, 1, 1, 2, 2]
    images = data.samples("test").images
    for row, place in enumerate(place for place in PLACES if place not in TRAIN):
        with Image.open(root / f"CUB_200_{version}" / "images" / place) as image:
            expected = image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(images[row], expected)


def test_releases_do_not_share_a_store(root: Path) -> None:
    paths = {ready(root, version=version).store_path for version in (2010, 2011)}
    assert len(paths | {ready(root, crop=True).store_path}) == 3


def test_chosen_classes(root: Path) -> None:
    (root / "CUB_200_2011" / "images" / PLACES[0]).unlink()
    data = ready(root, classes=["Common Yellowthroat", "Laysan Albatross"])
    assert data.targets("train").tolist() == [1] * 4 + [0] * 4
    assert data.spec.class_names == ("Common Yellowthroat", "Laysan Albatross")


def test_a_picture_is_cut_to_its_box(root: Path) -> None:
    [first, *_] = list_birds(root, 2011, tuple(NAMES), crop=True, verify=False)["train"]
    assert first.box == (5.0, 4.0, 15.0, 10.0)
    with Image.open(first.path) as image:
        expected = image.crop((5, 4, 15, 10)).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(ready(root, crop=True).samples("train").images[0], expected)
    with pytest.raises(UserError, match=r"data\.crop=true: only data\.version=2011"):
        Birds(version=2010, crop=True)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["Black_footed_Albatross", "Bobolink"], "did you mean Black footed Albatross"),
        (["bobolink", "Cardinal"], "did you mean Bobolink"),
        (201, "data.classes=201: the data set has 200 classes"),
    ],
)
def test_wrong_choices(classes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Birds(classes=classes)


def refusal(root: Path, version: Any, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        ready(root, version=version, **settings)
    assert not list(root.glob("store/*.h5"))
    return str(caught.value)


def replaced(path: Path, number: int, line: str) -> None:
    """Put another line in place of one that is counted from 1."""
    found = path.read_text().splitlines()
    found[number - 1 : number] = [line] if line else []
    path.write_text("\n".join(found))


@pytest.mark.parametrize(
    ("file", "number", "line", "message"),
    [
        ("lists/train.txt", 3, TRAIN[0], f"train.txt, line 3: {TRAIN[0]} has a line already, "),
        ("lists/test.txt", 2, TRAIN[0], f"test.txt, line 2: {TRAIN[0]} has a line already, "),
        ("lists/train.txt", 2, f"{FOLDERS[0]}/none.jpg", "train.txt, line 2: the picture "),
        ("lists/train.txt", 2, "bird_1.jpg", "train.txt, line 2: 'bird_1.jpg' is not a picture in a folder"),
        ("lists/train.txt", 2, "201.Dodo/1.jpg", "line 2: '201.Dodo/1.jpg' is not a picture in a folder"),
        ("lists/train.txt", 2, "001.x/../../1.jpg", "line 2: '001.x/../../1.jpg' is not a picture"),
    ],
)
def test_wrong_lists_of_2010(root: Path, file: str, number: int, line: str, message: str) -> None:
    replaced(root / "CUB_200_2010" / file, number, line)
    assert message in refusal(root, 2010)


@pytest.mark.parametrize(
    ("file", "number", "line", "message"),
    [
        ("images.txt", 3, f"2 {PLACES[2]}", "images.txt, line 3: picture 2 has a line already, "),
        ("images.txt", 3, f"3 {PLACES[0]}", f"images.txt, line 3: {PLACES[0]} has a line already, "),
        ("images.txt", 3, f"3 {FOLDERS[0]}/none.jpg", "images.txt, line 3: the picture "),
        ("images.txt", 3, "three", "images.txt, line 3: 'three' is not a picture's number and a word."),
        ("image_class_labels.txt", 3, "", "image_class_labels.txt has no line for picture 3 of "),
        (
            "image_class_labels.txt",
            3,
            "99 1",
            "image_class_labels.txt, line 3: images.txt names no picture 99.",
        ),
        (
            "image_class_labels.txt",
            3,
            "3 2",
            f"class_labels.txt, line 3: class 2 does not fit {PLACES[2]} in",
        ),
        (
            "train_test_split.txt",
            3,
            "3 2",
            "split.txt, line 3: 2 is neither 1, for training, nor 0, for test.",
        ),
        ("train_test_split.txt", 3, "2 1", "split.txt, line 3: picture 2 has a line already, "),
        ("bounding_boxes.txt", 3, "3 5.0 4.0 0.0 6.0", "line 3: '5.0 4.0 0.0 6.0' is not a box of left"),
        ("bounding_boxes.txt", 3, "3 5.0 a 1.0 6.0", "line 3: '5.0 a 1.0 6.0' is not a box of left"),
        ("bounding_boxes.txt", 3, "3 5.0", "line 3: '3 5.0' is not a picture's number and 4 words."),
    ],
)
def test_wrong_lists_of_2011(root: Path, file: str, number: int, line: str, message: str) -> None:
    replaced(root / "CUB_200_2011" / file, number, line)
    assert message in refusal(root, 2011, crop=True)


def test_a_class_without_pictures(root: Path) -> None:
    assert "has no picture of Sooty Albatross for train" in refusal(root, 2011, classes=3)


@pytest.mark.parametrize("version", [2010, 2011])
def test_what_is_not_the_official_release(root: Path, version: Any) -> None:
    said = refusal(root, version, verify=True)
    assert "lists 12 pictures for train, not the official" in said
    assert said.endswith("data.verify=false to read it as it is.")
    folder = root / f"CUB_200_{version}"
    classes = folder / ("lists/classes.txt" if version == 2010 else "classes.txt")
    replaced(classes, 4, "004.Dodo" if version == 2010 else "4 004.Dodo")
    assert "is not the official class 004.Groove_billed_Ani" in refusal(root, version, verify=True)
    replaced(classes, 4, "")
    assert "names 199 classes, not the official 200" in refusal(root, version, verify=True)


@pytest.mark.parametrize(("version", "missing"), [(2010, "lists/train.txt"), (2011, "images.txt")])
def test_missing_data(root: Path, version: Any, missing: str) -> None:
    said = refusal(root / "nowhere", version)
    assert said.startswith(f"no birds of {version}: {root}/nowhere/CUB_200_{version}/{missing} is not there")
    assert "https://www.vision.caltech.edu" in said


def test_a_list_that_is_no_text(root: Path) -> None:
    (root / "CUB_200_2011" / "images.txt").write_bytes(b"\xff\xfe1")
    assert "images.txt cannot be read" in refusal(root, 2011)
    (root / "CUB_200_2011" / "train_test_split.txt").unlink()
    (root / "CUB_200_2011" / "images.txt").write_text(f"1 {PLACES[0]}")
    (root / "CUB_200_2011" / "image_class_labels.txt").write_text("1 1")
    assert "train_test_split.txt cannot be read: No such file" in refusal(root, 2011)
