"""Folders of pictures: torchvision's order and pixels, and a sentence for whatever can be wrong in one."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnnlab.data import folder
from cnnlab.data.folder import IMAGE_SUFFIXES, decode_into, scan_folder
from cnnlab.data.store import Store, open_store
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import UserError

RNG = np.random.default_rng(0)


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (20, 14)) -> None:
    """A picture of blocks, so that lossy formats and resizing keep something to compare."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = Image.fromarray(RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize(size)
    noise.convert(mode).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for number in range(12):
        picture(root / "bee" / f"{number}.png")
    picture(root / "ant" / "deep" / "er" / "x.JPG")
    for number in (7, 3, 9, 1, 5, 8, 2, 6):
        picture(root / "ant" / f"part{number}" / "x.png")
    picture(root / "ant" / "a.jpeg", "L", (9, 30))
    picture(root / "ant" / "b.bmp")
    picture(root / "ant" / "c.tiff")
    picture(root / "ant" / "d.webp")
    picture(root / "ant" / "e.ppm")
    picture(root / "cat" / "palette.png", "P")
    picture(root / "cat" / "alpha.png", "RGBA")
    picture(root / "cat" / "cmyk.jpg", "CMYK")
    (root / "cat" / "notes.txt").write_text("not a picture")
    return root


def decode(
    path: Path, target: Path, size: int = 8, channels: Any = 3, on_bad_image: Any = "raise"
) -> tuple[Store, int]:
    listing = scan_folder(path)
    with StoreWriter(
        target, class_names=listing.class_names, source=str(path), verified=False, options={}
    ) as writer:
        skipped = decode_into(writer, listing, size, channels, on_bad_image)
    store = open_store(target)
    assert store is not None
    return store, skipped


def test_suffixes_are_torchvisions() -> None:
    assert IMAGE_SUFFIXES == IMG_EXTENSIONS


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (1, "L")])
@pytest.mark.parametrize("size", [8, 33])
def test_as_torchvision_reads_it(pictures: Path, tmp_path: Path, channels: int, mode: str, size: int) -> None:
    store, skipped = decode(pictures, tmp_path / "s.h5", size, channels)
    assert skipped == 0
    theirs = torchvision.datasets.ImageFolder(
        pictures,
        loader=lambda path: Image.open(path).convert(mode).resize((size, size), Image.Resampling.BILINEAR),
    )
    assert list(store.class_names) == theirs.classes
    assert store.splits["train"].labels().tolist() == theirs.targets
    expected = np.stack([np.asarray(image).reshape(size, size, channels) for image, _ in theirs])
    assert np.array_equal(store.splits["train"].images().numpy(), expected)


def test_folders_of_splits(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for name in ("train/ant/1", "train/bee/2", "train/cat/3", "test/cat/4", "test/ant/5", "val/bee/6"):
        picture(root / f"{name}.png")
    picture(root / ".hidden" / "x.png")
    picture(root / "train" / "__MACOSX" / "x.png")
    picture(root / "train" / "ant" / "._1.png")
    listing = scan_folder(root)
    assert listing.class_names == ("ant", "bee", "cat")
    assert list(listing.files) == ["train", "val", "test"]
    assert [(path.name, label) for path, label in listing.files["train"]] == [
        ("1.png", 0),
        ("2.png", 1),
        ("3.png", 2),
    ]
    assert [(path.name, label) for path, label in listing.files["test"]] == [("5.png", 0), ("4.png", 2)]
    assert listing.files["val"] == ((root / "val/bee/6.png", 1),)
    store, _ = decode(root, tmp_path / "s.h5")
    assert {name: split.shape[0] for name, split in store.splits.items()} == {"train": 3, "val": 1, "test": 2}
    assert store.splits["test"].labels().tolist() == [0, 2]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("car", "train"):
        picture(tmp_path / name / "1.png")
    assert scan_folder(tmp_path).class_names == ("car", "train")


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


def huge_png(path: Path) -> None:
    """A picture whose header alone says 60000 x 60000."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def postscript(path: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")


def floats(path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)


BAD = {
    "truncated.jpg": lambda path: (picture(path), path.write_bytes(path.read_bytes()[:-200])),
    "truncated.png": lambda path: (picture(path), path.write_bytes(path.read_bytes()[:60])),
    "empty.png": lambda path: path.touch(),
    "text.jpg": lambda path: path.write_text("hello"),
    "huge.png": huge_png,
    "postscript.jpg": postscript,
    "floats.tiff": floats,
}


@pytest.mark.parametrize("name", BAD)
def test_an_unreadable_picture(pictures: Path, tmp_path: Path, name: str) -> None:
    good, _ = decode(pictures, tmp_path / "good.h5")
    bad = pictures / "bee" / name
    BAD[name](bad)
    with pytest.raises(UserError, match=rf"bee/{name} cannot be read as a picture .*data\.on_bad_image=skip"):
        decode(pictures, tmp_path / "s.h5")
    assert not list(tmp_path.glob("*s.h5*"))
    store, skipped = decode(pictures, tmp_path / "s.h5", on_bad_image="skip")
    assert skipped == 1
    assert store.skipped == (str(bad),)
    assert store.checksum == good.checksum


def test_no_decoder_that_runs_another_program_is_asked(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "p" / name).mkdir(parents=True)
        postscript(tmp_path / "p" / name / "1.jpg")
    with pytest.raises(UserError, match="cannot identify image file"):
        decode(tmp_path / "p", tmp_path / "s.h5")


def test_only_a_few_pictures_are_decoded_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ant", "bee"):
        for number in range(50):
            picture(tmp_path / "p" / name / f"{number:02d}.png")
    (tmp_path / "p" / "ant" / "00.png").write_text("bad")
    asked = []
    real = folder._decode

    def counted(path: Path, size: int, channels: int) -> np.ndarray[Any, Any]:
        asked.append(path)
        return real(path, size, channels)

    monkeypatch.setattr(folder, "_WORKERS", 2)
    monkeypatch.setattr(folder, "_decode", counted)
    with pytest.raises(UserError, match=r"ant/00\.png"):
        decode(tmp_path / "p", tmp_path / "s.h5")
    assert len(asked) <= 8


def test_a_picture_just_too_large_is_refused_without_a_warning(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        picture(tmp_path / "p" / name / "1.png")
    Image.new("1", (10000, 10000)).save(tmp_path / "p" / "ant" / "2.png")
    with pytest.raises(UserError, match="10000 x 10000 pixels are more than"):
        decode(tmp_path / "p", tmp_path / "s.h5")
    assert Image.MAX_IMAGE_PIXELS is not None


def test_a_split_without_a_readable_picture(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        picture(tmp_path / "p" / "train" / name / "1.png")
    (tmp_path / "p" / "test" / "ant").mkdir(parents=True)
    (tmp_path / "p" / "test" / "ant" / "1.png").touch()
    with pytest.raises(UserError, match="none of the 1 pictures of test"):
        decode(tmp_path / "p", tmp_path / "s.h5", on_bad_image="skip")
    assert not (tmp_path / "s.h5").exists()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = np.array([[0, 256, 32768, 65535]] * 4, np.uint16)
    for name in ("ant", "bee"):
        (tmp_path / "p" / name).mkdir(parents=True)
        Image.fromarray(deep).save(tmp_path / "p" / name / "1.png")
    for channels in (1, 3):
        store, _ = decode(tmp_path / "p", tmp_path / f"{channels}.h5", 4, channels)
        assert store.splits["train"].images()[0, 0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_palette_with_transparency_gives_its_colours(tmp_path: Path) -> None:
    colours = Image.new("P", (4, 4), 1)
    colours.putpalette([0, 0, 0, 200, 100, 50])
    for name in ("ant", "bee"):
        (tmp_path / "p" / name).mkdir(parents=True)
        colours.save(tmp_path / "p" / name / "1.png", transparency=b"\xff\x80")
    store, _ = decode(tmp_path / "p", tmp_path / "s.h5", 4)
    assert store.splits["train"].images()[1, 2, 2].tolist() == [200, 100, 50]


def test_nothing_is_drawn_where_there_is_no_terminal(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    decode(pictures, tmp_path / "s.h5")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
