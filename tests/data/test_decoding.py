"""Pictures into a store: the pixels, their order, the part that is used, and every damage."""

import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import decoding
from cnnlab.data.decoding import Picture, decode_into
from cnnlab.data.store import Store, open_store
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import UserError


def decode(
    pictures: Sequence[Picture],
    target: Path,
    size: int = 8,
    channels: Any = 3,
    on_bad_image: Any = "raise",
    **others: Sequence[Picture],
) -> tuple[Store, int]:
    with StoreWriter(target, class_names=("ant", "bee"), source="here", verified=False, options={}) as writer:
        skipped = decode_into(writer, {"train": pictures, **others}, size, channels, on_bad_image)
    store = open_store(target)
    assert store is not None
    return store, skipped


@pytest.fixture
def two(tmp_path: Path, write_picture: Callable[..., None]) -> list[Picture]:
    """One picture of each class."""
    pictures = [Picture(tmp_path / "p" / name / "1.png", label) for label, name in enumerate(("ant", "bee"))]
    for picture in pictures:
        write_picture(picture.path)
    return pictures


def test_only_the_box_is_used(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[4:10, 6:16] = (255, 100, 7)
    path = tmp_path / "1.png"
    Image.fromarray(pixels).save(path)
    boxes = (None, (6.0, 4.0, 16.0, 10.0), (16.0, 10.0, 99.5, 99.0), (-3.0, -2.5, 2.0, 2.0))
    store, _ = decode([Picture(path, 0, box) for box in boxes], tmp_path / "s.h5", 5)
    whole, inside, beyond, before = store.splits["train"].images().numpy()
    assert set(map(tuple, inside.reshape(-1, 3))) == {(255, 100, 7)}
    assert not beyond.any()
    assert not before.any()
    assert np.array_equal(whole, Image.fromarray(pixels).resize((5, 5), Image.Resampling.BILINEAR))


def test_a_box_beside_the_picture(two: list[Picture], tmp_path: Path) -> None:
    beside = Picture(two[0].path, 0, (20.0, 0.0, 25.0, 5.0))
    with pytest.raises(UserError, match=r"ant/1\.png cannot .*holds nothing of its 20 x 14 pixels"):
        decode([beside], tmp_path / "s.h5")


def test_many_pictures_keep_their_order(tmp_path: Path) -> None:
    pictures = []
    for number in range(60):
        # Large ones among small ones: whoever is decoded first is not the first in order.
        side = 600 if number % 7 == 0 else 4
        Image.new("L", (side, side), number).save(tmp_path / f"{number}.png")
        pictures.append(Picture(tmp_path / f"{number}.png", number % 2))
    store, _ = decode(pictures[:50], tmp_path / "s.h5", 2, 1, test=pictures[50:])
    assert store.splits["train"].images()[:, 0, 0, 0].tolist() == list(range(50))
    assert store.splits["test"].images()[:, 1, 1, 0].tolist() == list(range(50, 60))
    assert store.splits["test"].labels().tolist() == [0, 1] * 5


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


def truncated(path: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200])


BAD = {
    "truncated.jpg": truncated,
    "truncated.png": truncated,
    "empty.png": Path.touch,
    "text.jpg": lambda path: path.write_text("hello"),
    "huge.png": huge_png,
    "postscript.jpg": postscript,
    "floats.tiff": floats,
    "missing.png": lambda path: None,
}


@pytest.mark.parametrize("name", BAD)
def test_an_unreadable_picture(two: list[Picture], tmp_path: Path, name: str) -> None:
    good, _ = decode(two, tmp_path / "good.h5")
    bad = Picture(tmp_path / "p" / "bee" / name, 1)
    BAD[name](bad.path)
    with pytest.raises(UserError, match=rf"bee/{name} cannot be read as a picture .*data\.on_bad_image=skip"):
        decode([*two, bad], tmp_path / "s.h5")
    assert not list(tmp_path.glob("*s.h5*"))
    store, skipped = decode([two[0], bad, two[1]], tmp_path / "s.h5", on_bad_image="skip")
    assert skipped == 1
    assert store.skipped == (str(bad.path),)
    assert store.checksum == good.checksum


def test_no_decoder_that_runs_another_program_is_asked(tmp_path: Path) -> None:
    postscript(tmp_path / "1.jpg")
    with pytest.raises(UserError, match="cannot identify image file"):
        decode([Picture(tmp_path / "1.jpg", 0)], tmp_path / "s.h5")


def test_only_a_few_pictures_are_decoded_ahead(
    two: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two[0].path.write_text("bad")
    asked = []
    real = decoding.decode

    def counted(*arguments: Any) -> np.ndarray[Any, Any]:
        asked.append(arguments[0])
        return real(*arguments)

    monkeypatch.setattr(decoding, "_WORKERS", 2)
    monkeypatch.setattr(decoding, "decode", counted)
    with pytest.raises(UserError, match=r"ant/1\.png"):
        decode([two[0], *[two[1]] * 100], tmp_path / "s.h5")
    assert len(asked) <= 8


def test_a_picture_just_too_large_is_refused_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (10000, 10000)).save(tmp_path / "2.png")
    with pytest.raises(UserError, match="10000 x 10000 pixels are more than"):
        decode([Picture(tmp_path / "2.png", 0)], tmp_path / "s.h5")
    assert Image.MAX_IMAGE_PIXELS is not None


def test_a_class_without_a_readable_picture(two: list[Picture], tmp_path: Path) -> None:
    bad = [Picture(tmp_path / "p" / "bee" / f"{number}.jpg", 1) for number in (2, 3)]
    for picture in bad:
        picture.path.touch()
    with pytest.raises(UserError, match="p/bee: none of the 2 pictures of bee in test can be read"):
        decode(two, tmp_path / "s.h5", on_bad_image="skip", test=[two[0], *bad])
    assert not (tmp_path / "s.h5").exists()


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 32768, 65535]] * 4, np.uint16)).save(tmp_path / "1.png")
    for channels in (1, 3):
        store, _ = decode([Picture(tmp_path / "1.png", 0)], tmp_path / f"{channels}.h5", 4, channels)
        assert store.splits["train"].images()[0, 0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_palette_with_transparency_gives_its_colours(tmp_path: Path) -> None:
    colours = Image.new("P", (4, 4), 1)
    colours.putpalette([0, 0, 0, 200, 100, 50])
    colours.save(tmp_path / "1.png", transparency=b"\xff\x80")
    store, _ = decode([Picture(tmp_path / "1.png", 0)], tmp_path / "s.h5", 4)
    assert store.splits["train"].images()[0, 2, 2].tolist() == [200, 100, 50]


def test_nothing_is_drawn_where_there_is_no_terminal(
    two: list[Picture], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    decode(two, tmp_path / "s.h5")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_one_large_picture_is_decoded_at_a_time(
    two: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, counting, resized = 0, 0, threading.Lock(), decoding._resized

    def counted(*arguments: Any) -> Image.Image:
        nonlocal at_once, most
        with counting:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)  # long enough for others to come
        with counting:
            at_once -= 1
        return resized(*arguments)

    monkeypatch.setattr(decoding, "_resized", counted)
    monkeypatch.setattr(decoding, "_WORKERS", 4)
    for limit, expected in ((two[0].path.stat().st_size * 1000, 4), (0, 1)):
        monkeypatch.setattr(decoding, "_LARGE_PIXELS", limit)
        most = 0
        decode(two * 20, tmp_path / "s.h5")
        assert most == expected
