"""Folders of pictures: torchvision's order and pixels, and a sentence for whatever can be wrong in one."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnnlab.data.folder import IMAGE_SUFFIXES, ImageFolder, scan_folder
from cnnlab.data.store import open_store
from cnnlab.errors import UserError


@pytest.fixture
def pictures(tmp_path: Path, write_picture: Callable[..., None]) -> Path:
    root = tmp_path / "pictures"
    for number in range(12):
        write_picture(root / "bee" / f"{number}.png")
    write_picture(root / "ant" / "deep" / "er" / "x.JPG")
    for number in (7, 3, 9, 1, 5, 8, 2, 6):
        write_picture(root / "ant" / f"part{number}" / "x.png")
    write_picture(root / "ant" / "a.jpeg", "L", (9, 30))
    write_picture(root / "ant" / "b.bmp")
    write_picture(root / "ant" / "c.tiff")
    write_picture(root / "ant" / "d.webp")
    write_picture(root / "ant" / "e.ppm")
    write_picture(root / "cat" / "palette.png", "P")
    write_picture(root / "cat" / "alpha.png", "RGBA")
    write_picture(root / "cat" / "cmyk.jpg", "CMYK")
    (root / "cat" / "notes.txt").write_text("not a picture")
    return root


def test_suffixes_are_torchvisions() -> None:
    assert IMAGE_SUFFIXES == IMG_EXTENSIONS


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
@pytest.mark.parametrize("size", [8, 33])
def test_as_torchvision_reads_it(pictures: Path, tmp_path: Path, channels: int, mode: str, size: int) -> None:
    data = ImageFolder(path=pictures, store=tmp_path / "store", size=size, channels=channels)
    data.prepare_data()
    store = open_store(data.store_path)
    theirs = torchvision.datasets.ImageFolder(
        pictures,
        loader=lambda path: Image.open(path).convert(mode).resize((size, size), Image.Resampling.BILINEAR),
    )
    assert store is not None
    assert list(store.class_names) == list(data.spec.class_names) == theirs.classes
    assert store.splits["train"].labels().tolist() == theirs.targets
    expected = np.stack([np.asarray(image).reshape(size, size, channels) for image, _ in theirs])
    assert np.array_equal(store.splits["train"].images().numpy(), expected)


def test_folders_of_splits(tmp_path: Path, write_picture: Callable[..., None]) -> None:
    root = tmp_path / "pictures"
    for name in ("train/ant/1", "train/bee/2", "train/cat/3", "test/cat/4", "test/ant/5", "val/bee/6"):
        write_picture(root / f"{name}.png")
    write_picture(root / ".hidden" / "x.png")
    write_picture(root / "train" / "__MACOSX" / "x.png")
    write_picture(root / "train" / "ant" / "._1.png")
    listing = scan_folder(root)
    assert listing.class_names == ("ant", "bee", "cat")
    assert list(listing.files) == ["train", "val", "test"]
    assert [(file.path.name, file.label) for file in listing.files["train"]] == [
        ("1.png", 0),
        ("2.png", 1),
        ("3.png", 2),
    ]
    assert [(file.path.name, file.label) for file in listing.files["test"]] == [("5.png", 0), ("4.png", 2)]
    assert listing.files["val"] == ((root / "val/bee/6.png", 1, None),)
    data = ImageFolder(path=root, store=tmp_path / "store", size=8)
    data.prepare_data()
    data.setup()
    assert data.counts() == {"train": 3, "val": 1, "test": 2}
    assert data.targets("test").tolist() == [0, 2]


def test_a_class_may_be_called_train(tmp_path: Path, write_picture: Callable[..., None]) -> None:
    for name in ("car", "train"):
        write_picture(tmp_path / name / "1.png")
    assert scan_folder(tmp_path).class_names == ("car", "train")


def test_a_changed_folder_is_prepared_anew(pictures: Path, tmp_path: Path) -> None:
    settings = {"path": pictures, "store": tmp_path / "store", "size": 8, "test": 4, "validation": 4}
    data = ImageFolder(**settings)
    data.prepare_data()
    assert ImageFolder(**settings).store_path == data.store_path
    (pictures / "bee" / "3.png").unlink()
    fewer = ImageFolder(**settings)
    fewer.prepare_data()
    fewer.setup()
    assert sum(fewer.counts().values()) == 28


@pytest.mark.parametrize("broken", [False, True])
def test_a_file_may_have_a_name_that_is_not_utf8(
    tmp_path: Path, write_picture: Callable[..., None], broken: bool
) -> None:
    named = tmp_path / "pictures" / "ant" / os.fsdecode(b"caf\xe9.png")
    for path in (named, named.with_name("2.png"), tmp_path / "pictures" / "bee" / "1.png"):
        write_picture(path)
    if broken:
        named.write_bytes(b"no picture")
    data = ImageFolder(path=tmp_path / "pictures", store=tmp_path / "store", size=8, on_bad_image="skip")
    data.prepare_data()
    assert len(data.opened.splits["train"].labels()) == 3 - broken
    assert [name.encode() for name in data.skipped] == [rb"%b/caf\udce9.png" % bytes(named.parent)] * broken


def test_a_class_has_a_name_in_utf8(tmp_path: Path, write_picture: Callable[..., None]) -> None:
    for name in (b"ant", b"caf\xe9", "café".encode()):
        write_picture(tmp_path / os.fsdecode(name) / "1.png")
    with pytest.raises(
        UserError, match=r"caf\\udce9: the name of this class is not UTF-8; rename the folder"
    ):
        scan_folder(tmp_path)
    (tmp_path / os.fsdecode(b"caf\xe9")).rename(tmp_path / "tea")
    assert scan_folder(tmp_path).class_names == ("ant", "café", "tea")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "there is no folder"),
        (["a.png"], "holds 0 class folders"),
        (["ant/a.png"], "holds 1 class folders"),
        (["ant/a.png", "bee/b.txt"], r"pictures/bee holds no picture"),
        (["train/ant/a.png", "train/bee/b.png", "test/cow/c.png"], r"test/cow: train has no class 'cow'"),
        (["train/ant/a.png", "train/bee/b.png", "val/ant/c.txt"], r"val/ant holds no picture"),
        (
            ["train/ant/a.png", "train/bee/b.png", "valid/ant/c.png"],
            r"pictures/valid is beside .*train, val, test",
        ),
        (["train/ant/a.png", "test/ant/b.png"], r"pictures/train holds 1 class folders"),
    ],
)
def test_wrong_folders(tmp_path: Path, files: list[str], message: str) -> None:
    root = tmp_path / "pictures"
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    with pytest.raises(UserError, match=message):
        scan_folder(root)
