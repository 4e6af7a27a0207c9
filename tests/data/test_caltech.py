"""Caltech-101: what torchvision reads, of the classes that are asked for, and what is wrong in a copy."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from cnnlab.data.caltech import CALTECH101_CLASSES, Caltech101, list_caltech101
from cnnlab.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CATEGORIES = "101_ObjectCategories"


@pytest.fixture
def root(tmp_path: Path, write_picture: Callable[..., None]) -> Path:
    """The release with four classes, their names in capitals first as in it, and what lies beside them."""
    folder = tmp_path / "raw" / "caltech101" / CATEGORIES
    for name, count in {
        "BACKGROUND_Google": 2,
        "airplanes": 8,
        "Faces": 6,
        "ant": 5,
        "Motorbikes": 7,
    }.items():
        for number in range(1, count + 1):
            mode = "L" if number % 3 == 0 else "RGB"
            write_picture(folder / name / f"image_{number:04d}.jpg", mode, (20 + number, 30))
    return tmp_path / "raw"


def stray(root: Path) -> None:
    folder = root / "caltech101" / CATEGORIES
    (folder / "notes.txt").write_text("no class")
    for name in ("tmp", ".DS_Store", "Thumbs.db", "image_0001.jpg~", "._image_0001.jpg", "copy.jpg"):
        (folder / "airplanes" / name).write_text("no picture")
    (folder / "airplanes" / "image_9999.jpg").mkdir()


def ready(root: Path, **settings: Any) -> Caltech101:
    data = Caltech101(**{"root": root, "store": root / "store", "verify": False, "size": 8, **settings})
    data.prepare_data()
    data.setup()
    return data


FOUR = ["Faces", "Motorbikes", "airplanes", "ant"]


def test_classes_are_in_the_order_of_a_sorted_folder() -> None:
    assert len(set(CALTECH101_CLASSES)) == 101
    assert list(CALTECH101_CLASSES) == sorted(CALTECH101_CLASSES)
    assert "BACKGROUND_Google" not in CALTECH101_CLASSES


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
def test_as_torchvision_reads_it(root: Path, channels: int, mode: str) -> None:
    theirs = torchvision.datasets.Caltech101(root)
    assert theirs.categories == FOUR
    expected = [
        np.asarray(image.convert(mode).resize((8, 8), Image.Resampling.BILINEAR)) for image, _ in theirs
    ]
    stray(root)
    data = ready(root, classes=FOUR, channels=channels)
    samples = data.samples("train")
    np.testing.assert_array_equal(samples.images, np.stack(expected).reshape(-1, 8, 8, channels))
    assert samples.targets.tolist() == theirs.y
    assert data.spec.input_shape == (channels, 8, 8)


def test_chosen_classes_have_the_numbers_of_their_order(root: Path) -> None:
    data = ready(root, classes=["airplanes", "Motorbikes"])
    assert data.spec.class_names == ("airplanes", "Motorbikes")
    assert np.bincount(data.samples("train").targets).tolist() == [8, 7]
    turned = ready(root, classes=["Motorbikes", "airplanes"])
    assert turned.store_path == data.store_path
    assert np.bincount(turned.samples("train").targets).tolist() == [7, 8]


def test_only_chosen_classes_are_decoded(root: Path) -> None:
    (root / "caltech101" / CATEGORIES / "Faces" / "image_0001.jpg").write_text("damaged")
    assert sum(ready(root, classes=["airplanes", "ant"]).counts().values()) == 13


def test_each_class_gives_its_share_to_the_test(root: Path, write_picture: Callable[..., None]) -> None:
    for name, count in {"airplanes": 40, "ant": 20}.items():
        for number in range(1, count + 1):
            write_picture(root / "caltech101" / CATEGORIES / name / f"image_{number:04d}.jpg")
    settings = {"classes": ["airplanes", "ant"], "test": 0.25, "validation": 0.2, "stratify": True}
    data = ready(root, **settings)
    assert data.counts() == {"train": 36, "val": 9, "test": 15}
    targets = data.samples("train").targets
    assert np.bincount(targets[data.splits.test.rows]).tolist() == [10, 5]
    again, other = ready(root, **settings), ready(root, split_seed=1, **settings)
    assert np.array_equal(again.splits.test.rows, data.splits.test.rows)
    assert not np.array_equal(other.splits.test.rows, data.splits.test.rows)


def test_the_folder_that_the_archive_unpacks_to(root: Path) -> None:
    (root / "caltech101").rename(root / "caltech-101")
    assert len(list_caltech101(root, ("ant",), verify=False)) == 5


def test_a_store_needs_no_raw_files(root: Path) -> None:
    data = ready(root, classes=FOUR)
    (root / "caltech101").rename(root / "elsewhere")
    assert ready(root, classes=FOUR).fingerprint() == data.fingerprint()


def test_a_damaged_picture(root: Path) -> None:
    path = root / "caltech101" / CATEGORIES / "ant" / "image_0002.jpg"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"ant/image_0002\.jpg cannot be read as a picture"):
        ready(root, classes=FOUR)
    data = ready(root, classes=FOUR, on_bad_image="skip")
    assert data.skipped == (str(path),)
    assert sum(data.counts().values()) == 25


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["airplane", "ant"], "no class is called airplane; did you mean airplanes"),
        (["Airplanes", "ant"], "no class is called Airplanes; did you mean airplanes"),
        (["MOTORBIKES", "ant"], "no class is called MOTORBIKES; did you mean Motorbikes"),
        (["BACKGROUND_Google", "ant"], "no class is called BACKGROUND_Google"),
        (102, "data.classes=102: the data set has 101 classes"),
        (["ant"], "two different names"),
    ],
)
def test_wrong_choices(classes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Caltech101(classes=classes)


def test_wrong_copies(root: Path) -> None:
    folder = root / "caltech101" / CATEGORIES
    with pytest.raises(UserError) as caught:
        ready(root)
    for part in (
        "holds 4 of the 101 classes",
        "Faces_easy is not",
        "classes=[Faces,Motorbikes,airplanes,ant]",
    ):
        assert part in str(caught.value)
    with pytest.raises(
        UserError, match=r"Faces holds 6 pictures, not the official 435; .*data\.verify=false"
    ):
        ready(root, classes=["ant", "Faces"], verify=True)
    (folder / "anchor").mkdir()
    with pytest.raises(UserError, match="anchor holds no picture"):
        ready(root, classes=["anchor", "ant"])
    with pytest.raises(
        UserError, match=r"no Caltech-101 data: .*nowhere/caltech101.*https://data\.caltech\.edu"
    ):
        ready(root / "nowhere")


@pytest.mark.shared
@pytest.mark.skipif(not (SHARED / "unpack.py").exists(), reason="the real data sets are not there")
def test_the_real_airplanes_and_motorbikes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SHARED / "unpack.py"), str(tmp_path), "caltech101"], check=True)
    data = ready(tmp_path, classes=["airplanes", "Motorbikes"], size=28, channels=1, verify=True)
    assert np.bincount(data.samples("train").targets).tolist() == [800, 798]
    with pytest.raises(UserError, match=r"data\.classes=\[Motorbikes,airplanes\]"):
        ready(tmp_path, verify=True)
