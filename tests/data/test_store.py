"""Stores: what is written comes back, whole or not at all, and a damaged or devious file is refused."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from cnnlab.data.store import FORMAT_VERSION, open_store
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import UserError
from cnnlab.sealed import open_sealed, seal

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 2], np.int64)


def writer(path: Path, **changes: Any) -> StoreWriter:
    return StoreWriter(
        path,
        **{
            "class_names": "abc",
            "source": "here",
            "verified": True,
            "options": {"size": 5, "x": 0.5},
            **changes,
        },
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "store.h5"
    with writer(path) as target:
        target.add("train", IMAGES, LABELS)
        target.add("test", IMAGES[:2], LABELS[:2])
    return path


def test_what_is_written_comes_back(stored: Path) -> None:
    store = open_store(stored)
    assert store is not None
    assert store.class_names == ("a", "b", "c")
    assert (store.source, store.verified, store.skipped) == ("here", True, ())
    assert store.options == {"size": 5, "x": 0.5}
    assert list(store.splits) == ["train", "test"]
    assert store.splits["train"].shape == (7, 5, 4, 3)
    assert np.array_equal(store.splits["train"].labels(), LABELS)
    assert store.splits["train"].labels().dtype == np.int64
    for mapped in (False, True):
        images = store.splits["train"].images(mapped)
        assert images.dtype == torch.uint8
        assert np.array_equal(images.numpy(), IMAGES)
        assert np.array_equal(store.splits["test"].images(mapped).numpy(), IMAGES[:2])
    assert os.listdir(stored.parent) == ["store.h5"]


@pytest.mark.parametrize("mapped", [False, True])
def test_changing_the_images_leaves_the_file(stored: Path, mapped: bool) -> None:
    before = stored.read_bytes()
    store = open_store(stored)
    assert store is not None
    store.splits["train"].images(mapped).fill_(9)
    assert stored.read_bytes() == before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_neither_appending_nor_mapping_takes_memory_by_the_set(tmp_path: Path) -> None:
    program = """
import sys, pathlib, numpy as np
def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
from cnnlab.data.store import open_store
from cnnlab.data.store_writer import StoreWriter
path = pathlib.Path(sys.argv[1])
start = peak()
with StoreWriter(path, class_names=["a"], source="", verified=False, options={}) as writer:
    split = writer.create("train", (512, 512, 1))
    for _ in range(1600):
        split.append(np.full((512, 512, 1), 7, np.uint8), 0)
images = open_store(path).splits["train"].images(mapped=True)
assert int(images[[3, 790]].sum()) == 7 * 2 * 512 * 512
print(peak() - start)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s.h5")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150_000  # KiB, for 64 MiB at a time; the images are 400 MiB


def test_appended_images_and_skipped_names(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    many = RNG.integers(0, 256, (600, 3, 2, 1), dtype=np.uint8)
    with writer(path) as target:
        split = target.create("val", (3, 2, 1))
        target.add("train", IMAGES, LABELS)
        for number, image in enumerate(many):
            split.append(image, number % 3)
        target.skipped.extend(f"a very long name of a file {i:060d}" for i in range(3000))
        target.class_names = ("x", "y", "z")
    store = open_store(path)
    assert store is not None
    assert np.array_equal(store.splits["val"].images().numpy(), many)
    assert np.array_equal(store.splits["val"].images(mapped=True).numpy(), many)
    assert store.splits["val"].labels().tolist() == [n % 3 for n in range(600)]
    assert len(store.skipped) == 3000
    assert store.class_names == ("x", "y", "z")
    assert os.listdir(tmp_path) == ["store.h5"]


def test_the_checksum_is_of_the_arrays_alone(tmp_path: Path, stored: Path) -> None:
    digest = hashlib.sha256()
    written = {"train": (IMAGES, LABELS), "test": (IMAGES[:2], LABELS[:2])}
    arrays = {
        f"{split}/{part}": array
        for split, pair in written.items()
        for part, array in zip(("images", "labels"), pair, strict=True)
    }
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode() + array.tobytes())
    first = open_store(stored)
    assert first is not None
    assert first.checksum == digest.hexdigest()
    with writer(tmp_path / "other.h5", source="there", verified=False) as target:
        target.add("test", IMAGES[:2], LABELS[:2])
        split = target.create("train", (5, 4, 3))
        for image, label in zip(IMAGES, LABELS, strict=True):
            split.append(image, int(label))
    second = open_store(tmp_path / "other.h5")
    assert second is not None
    assert second.checksum == first.checksum
    changed = IMAGES.copy()
    changed[6, 4, 3, 2] ^= 1
    with writer(tmp_path / "third.h5") as target:
        target.add("train", changed, LABELS)
        target.add("test", IMAGES[:2], LABELS[:2])
    third = open_store(tmp_path / "third.h5")
    assert third is not None
    assert third.checksum != first.checksum


def test_an_exception_leaves_nothing_and_keeps_the_older_store(stored: Path) -> None:
    before = stored.read_bytes()
    with pytest.raises(KeyboardInterrupt), writer(stored) as target:  # noqa: PT012
        target.add("train", IMAGES[:1], LABELS[:1])
        target.create("val", (1, 1, 1))
        raise KeyboardInterrupt
    assert stored.read_bytes() == before
    assert os.listdir(stored.parent) == ["store.h5"]


def test_a_failure_while_finishing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"), writer(tmp_path / "s.h5") as target:
        target.add("train", IMAGES, LABELS)
    assert os.listdir(tmp_path) == []


def test_a_killed_writer_leaves_no_store(tmp_path: Path) -> None:
    program = """
import sys, time, pathlib, numpy as np
from cnnlab.data.store_writer import StoreWriter
path = pathlib.Path(sys.argv[1])
with StoreWriter(path, class_names=["a"], source="", verified=False, options={}) as writer:
    writer.add("train", np.ones((50, 8, 8, 1), np.uint8), np.zeros(50, np.int64))
    print("writing", flush=True)
    time.sleep(60)
"""
    target = tmp_path / "s.h5"
    with subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert not target.exists()
    assert open_store(target) is None
    with writer(target) as again:
        again.add("train", IMAGES, LABELS)
    assert open_store(target) is not None


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, "not uint8"),
        (IMAGES[0], LABELS, "not uint8"),
        (IMAGES, LABELS[:3], "for 7 images"),
        (IMAGES, LABELS.astype(np.int32), "int32"),
        (IMAGES, LABELS + 1, "labels 1..3 for 3 classes"),
        (IMAGES, LABELS - 1, "labels -1..1"),
        (IMAGES[:0], LABELS[:0], "train holds no sample"),
    ],
)
def test_wrong_arrays_are_not_written(tmp_path: Path, images: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message), writer(tmp_path / "s.h5") as target:
        target.add("train", images, labels)
    assert os.listdir(tmp_path) == []


def test_wrong_appends_and_splits_are_refused(tmp_path: Path) -> None:
    with writer(tmp_path / "s.h5") as target:
        split = target.create("train", (2, 2, 1))
        with pytest.raises(ValueError, match="the split holds uint8"):
            split.append(np.zeros((2, 3, 1), np.uint8), 0)
        with pytest.raises(ValueError, match="the split holds uint8"):
            split.append(np.zeros((2, 2, 1), np.int16), 0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="already exists"):
            target.add("train", IMAGES, LABELS)
        with pytest.raises(ValueError, match="no split is called valid"):
            target.add("valid", IMAGES, LABELS)
        split.append(np.zeros((2, 2, 1), np.uint8), 2)
    store = open_store(tmp_path / "s.h5")
    assert store is not None
    assert store.splits["train"].shape == (1, 2, 2, 1)


def test_a_folder_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written there"), writer(tmp_path / "file" / "s.h5"):
        pass


def test_absent_and_other_versions_are_none(stored: Path) -> None:
    assert open_store(stored.with_name("absent.h5")) is None
    reseal(stored, about={"format_version": FORMAT_VERSION + 1})
    assert open_store(stored) is None
    with h5py.File(stored.with_name("before.h5"), "w") as file:  # before there were seals
        file.attrs["format_version"] = 2
    assert open_store(stored.with_name("before.h5")) is None


def reseal(path: Path, change: Callable[[h5py.File], None] = lambda _: None, about: Any = None) -> None:
    """Change a store and seal it again, as a stranger would."""
    before = open_sealed(path).about
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path, before | (about or {}))


def outer(file: h5py.File, name: str, make: Callable[[Path], object]) -> None:
    """Replace a node by something that reads another store."""
    other = Path(file.filename).with_name("other.h5")
    with writer(other) as target:
        target.add("train", IMAGES, LABELS)
    del file[name]
    file[name] = make(other)


def external_storage(name: str, data: Any) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        raw = Path(file.filename).with_name("raw")
        raw.write_bytes(data.tobytes())
        del file[name]
        file.create_dataset(name, data.shape, data.dtype, external=[(str(raw), 0, data.nbytes)])

    return damage


def virtual(name: str, data: Any) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        other = Path(file.filename).with_name("other.h5")
        with h5py.File(other, "w") as source:
            source[name] = data
        layout = h5py.VirtualLayout(data.shape, data.dtype)
        layout[...] = h5py.VirtualSource(str(other), name, data.shape)
        del file[name]
        file.create_virtual_dataset(name, layout)

    return damage


def replaced(name: str, data: Any, **how: Any) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=data, **how)

    return damage


def a_group(file: h5py.File) -> None:
    del file["train/images"]
    file.create_group("train/images")


def no_image(file: h5py.File) -> None:
    replaced("train/images", IMAGES[:0])(file)
    replaced("train/labels", LABELS[:0])(file)


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


FOREIGN: dict[str, Callable[[h5py.File], None]] = {
    "external link": lambda f: outer(f, "train/images", lambda p: h5py.ExternalLink(p, "train/images")),
    "external group": lambda f: outer(f, "train", lambda p: h5py.ExternalLink(p, "train")),
    "soft link": lambda f: outer(f, "train/images", lambda _: h5py.SoftLink("/test/images")),
    "external images": external_storage("train/images", IMAGES),
    "external labels": external_storage("train/labels", LABELS),
    "virtual images": virtual("train/images", IMAGES),
    "virtual labels": virtual("train/labels", LABELS),
    "chunked labels": replaced("train/labels", LABELS, chunks=(2,)),
    "compressed": replaced("train/images", IMAGES, compression="gzip"),
    "group for images": a_group,
}
WRONG: dict[str, Callable[[h5py.File], None]] = {
    "float images": replaced("train/images", IMAGES.astype(np.float32)),
    "flat images": replaced("train/images", IMAGES.reshape(7, -1)),
    "no image": no_image,
    "int32 labels": replaced("train/labels", LABELS.astype(np.int32)),
    "fewer labels": replaced("train/labels", LABELS[:6]),
    "labels beyond": replaced("train/labels", LABELS + 1),
    "labels below": replaced("test/labels", LABELS[:2] - 1),
    "no train": without("train"),
    "no labels": without("train/labels"),
    "no digests": without("train/digests"),
}
ABOUT: dict[str, Any] = {
    "names are no list": {"class_names": {"a": 1}},
    "names are numbers": {"class_names": [1, 2, 3]},
    "options are no object": {"options": []},
    "no remarks": {"counted": None},
}
REFUSAL = r"store\.h5 is not a prepared data set.*delete that file and run again"


@pytest.mark.parametrize("change", (FOREIGN | WRONG).values(), ids=(FOREIGN | WRONG).keys())
def test_a_store_that_another_program_changed_is_refused(
    stored: Path, change: Callable[[h5py.File], None]
) -> None:
    with h5py.File(stored, "r+") as file:
        change(file)
    with pytest.raises(UserError, match=REFUSAL):
        open_store(stored)


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_reads_elsewhere_is_not_even_sealed(stored: Path, change: Callable[[h5py.File], None]) -> None:
    try:
        reseal(stored, change)
    except ValueError as error:
        assert "is not stored in one piece" in str(error)  # noqa: PT017
    else:
        with pytest.raises(UserError, match=REFUSAL):
            open_store(stored)


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_sealed_store_of_wrong_content_is_refused(
    stored: Path, change: Callable[[h5py.File], None]
) -> None:
    reseal(stored, change)
    with pytest.raises(UserError, match=REFUSAL):
        open_store(stored)


@pytest.mark.parametrize("about", ABOUT.values(), ids=ABOUT.keys())
def test_a_sealed_store_that_says_wrong_things_is_refused(stored: Path, about: Any) -> None:
    reseal(stored, about=about)
    with pytest.raises(UserError, match=REFUSAL):
        open_store(stored)


def test_each_flipped_bit_is_noticed(stored: Path) -> None:
    whole = stored.read_bytes()
    with h5py.File(stored) as file:
        images, size = file["train/images"].id.get_offset(), file["train/images"].nbytes
    draws = np.random.default_rng(3)
    places = [*draws.integers(0, len(whole), 300), *draws.integers(images, images + size, 20)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(draws.integers(8))
        stored.write_bytes(damaged)
        with pytest.raises(UserError, match=REFUSAL):
            [(split.images(), split.digests()) for split in open_store(stored).splits.values()]  # type: ignore[union-attr]


@pytest.mark.parametrize("keep", [0, 5, 600, 2200])
def test_a_truncated_store_is_refused(stored: Path, keep: int) -> None:
    stored.write_bytes(stored.read_bytes()[:keep])
    with pytest.raises(UserError, match="delete that file"):
        open_store(stored)


def test_a_folder_or_a_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello" * 1000)
    for path in (tmp_path, tmp_path / "text.h5"):
        with pytest.raises(UserError, match="delete that file"):
            open_store(path)


def test_a_store_that_changes_in_use_is_noticed(stored: Path) -> None:
    store = open_store(stored)
    assert store is not None
    time.sleep(0.01)
    with writer(stored) as target:
        target.add("train", IMAGES[:3], LABELS[:3])
    with pytest.raises(UserError, match="changed while it was in use"):
        store.splits["train"].images(mapped=True)
