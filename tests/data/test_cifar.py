"""CIFAR batches: what torchvision reads, from folder and archive, and an error for every damage."""

import hashlib
import io
import os
import pickle
import re
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torchvision.datasets

from cnnlab.data.cifar import CIFAR10_CLASSES, CIFAR100_CLASSES, choose_classes, read_cifar
from cnnlab.errors import UserError

RNG = np.random.default_rng(0)
VARIANTS = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()  # noqa: S324


class Python2Pickler(pickle._Pickler):
    """Writes byte strings as Python 2 did, which is how the official batches are written."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, text: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(text)) + text)  # type: ignore[attr-defined]

    dispatch[bytes] = save_bytes


def python2_pickle(entry: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(entry)
    return stream.getvalue()


def files_of(variant: str, classes: int) -> dict[str, bytes]:
    """Small batches in the official layout, with different lengths so that their order shows."""
    layout = VARIANTS[variant]
    key = b"labels" if variant == "cifar10" else b"fine_labels"
    names = (CIFAR10_CLASSES if variant == "cifar10" else CIFAR100_CLASSES)[:classes]
    files = {}
    for number, (name, _) in enumerate([*layout.train_list, *layout.test_list], start=3):
        labels = [int(label) for label in RNG.integers(0, classes, number)]
        labels[0] = classes - 1
        batch = {
            b"batch_label": b"some batch",
            b"data": RNG.integers(0, 256, (number, 3072), dtype=np.uint8),
            key: labels,
            b"filenames": [b"a.png"] * number,
        }
        if variant == "cifar100":
            batch[b"coarse_labels"] = [0] * number
        files[name] = python2_pickle(batch)
    meta = {layout.meta["key"].encode(): [name.encode() for name in names], b"num_vis": 3072}
    files[layout.meta["filename"]] = python2_pickle(meta)
    return files


def write_folder(root: Path, variant: str, files: dict[str, bytes]) -> Path:
    folder = root / VARIANTS[variant].base_folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(root: Path, variant: str, files: dict[str, bytes], prefix: str = "") -> Path:
    layout = VARIANTS[variant]
    path = root / layout.filename
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{prefix}{layout.base_folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def make_official(monkeypatch: pytest.MonkeyPatch, variant: str, files: dict[str, bytes]) -> None:
    """Have torchvision take these files for the official ones."""
    layout = VARIANTS[variant]
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(layout, part, [[name, md5(files[name])] for name, _ in getattr(layout, part)])
    monkeypatch.setattr(layout, "meta", {**layout.meta, "md5": md5(files[layout.meta["filename"]])})


@pytest.mark.parametrize(("variant", "classes"), [("cifar10", 10), ("cifar100", 100), ("cifar100", 25)])
@pytest.mark.parametrize("packed", [False, True])
def test_as_torchvision_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: Any, classes: int, packed: bool
) -> None:
    files = files_of(variant, classes)
    make_official(monkeypatch, variant, files)
    write_folder(tmp_path / "theirs", variant, files)
    if packed:
        archive = write_archive(tmp_path, variant, dict(reversed(files.items())), "./")
        monkeypatch.setattr(VARIANTS[variant], "tgz_md5", md5(archive.read_bytes()))
    arrays, names = read_cifar(tmp_path if packed else tmp_path / "theirs", variant, verify=True)
    assert list(arrays) == ["train", "test"]
    for split, (images, labels) in arrays.items():
        theirs = VARIANTS[variant](tmp_path / "theirs", train=split == "train")
        assert type(images) is np.ndarray
        assert images.dtype == np.uint8
        assert images.flags.c_contiguous
        assert np.array_equal(images, theirs.data)
        assert labels.dtype == np.int64
        assert labels.tolist() == theirs.targets
        assert list(names) == theirs.classes
    if packed:
        assert sorted(os.listdir(tmp_path)) == sorted([archive.name, "theirs"])


def test_class_names() -> None:
    assert len(set(CIFAR100_CLASSES)) == 100
    assert list(CIFAR100_CLASSES) == sorted(CIFAR100_CLASSES)
    assert CIFAR10_CLASSES[3] == "cat"


def test_keys_as_text_are_read_too(tmp_path: Path) -> None:
    files = files_of("cifar10", 10)
    as_text = {
        name: pickle.dumps(pickle.loads(content, encoding="bytes"), 5) for name, content in files.items()
    }
    for name, content in files.items():
        entry = pickle.loads(content, encoding="bytes")
        as_text[name] = pickle.dumps({key.decode(): value for key, value in entry.items()}, 5)
    write_folder(tmp_path, "cifar10", as_text)
    arrays, names = read_cifar(tmp_path, "cifar10", verify=False)
    assert names == CIFAR10_CLASSES
    assert len(arrays["train"][0]) == 3 + 4 + 5 + 6 + 7


def test_verification_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of("cifar10", 10)
    make_official(monkeypatch, "cifar10", files)
    for name in files:
        write_folder(
            tmp_path, "cifar10", {**files, name: files[name].replace(b"some batch", b"same batch") + b"x"}
        )
        with pytest.raises(UserError, match=rf"{name} is not the official file.*data\.verify=false"):
            read_cifar(tmp_path, "cifar10", verify=True)
        read_cifar(tmp_path, "cifar10", verify=False)
    archive = write_archive(tmp_path / "cifar-10-batches-py", "cifar10", files)
    with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz is not the official file"):
        read_cifar(archive.parent, "cifar10", verify=True)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    files = files_of("cifar10", 10)
    del files[name]
    write_folder(tmp_path / "a", "cifar10", files)
    with pytest.raises(UserError, match=f"{name} cannot be read: No such file"):
        read_cifar(tmp_path / "a", "cifar10", verify=False)
    write_archive(tmp_path, "cifar10", files)
    with pytest.raises(UserError, match=f"cifar-10-python.tar.gz holds no cifar-10-batches-py/{name}"):
        read_cifar(tmp_path, "cifar10", verify=False)


def test_every_truncation_of_the_archive_is_noticed(tmp_path: Path) -> None:
    path = write_archive(tmp_path, "cifar10", files_of("cifar10", 10))
    whole = path.read_bytes()
    for length in [*range(0, 60, 7), *range(60, len(whole) - 8, len(whole) // 40)]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz"):
            read_cifar(tmp_path, "cifar10", verify=False)


def test_a_link_in_the_archive_is_not_followed(tmp_path: Path) -> None:
    files = files_of("cifar10", 10)
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            if name == "test_batch":
                member.size, member.type, member.linkname = 0, tarfile.SYMTYPE, "data_batch_1"
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(UserError, match="test_batch is not a plain file"):
        read_cifar(tmp_path, "cifar10", verify=False)


def changed(key: bytes, value: Any) -> Callable[[dict[bytes, Any]], dict[bytes, Any]]:
    return lambda entry: {**entry, key: value}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data_batch_2", changed(b"data", np.zeros((4, 3071), np.uint8)), "data is not a uint8 array"),
        ("data_batch_2", changed(b"data", np.zeros((4, 3072), np.int8)), "data is not a uint8 array"),
        ("data_batch_2", changed(b"data", [[0] * 3072] * 4), "data is not a uint8 array"),
        ("data_batch_2", changed(b"data", np.zeros((5, 3072), np.uint8)), "not a list of 5 whole numbers"),
        ("data_batch_2", changed(b"labels", [0, 1, 2, 3.5]), "not a list of 4 whole numbers"),
        ("data_batch_2", changed(b"labels", [0, 1, 2, 10]), "train labels go beyond the 10 classes"),
        ("test_batch", changed(b"labels", [0, 1, 2, 3, 4, 5, 6, -1]), "test labels go beyond the 10 classes"),
        ("data_batch_2", lambda entry: {b"data": entry[b"data"]}, "holds no labels"),
        ("data_batch_2", lambda entry: [], "holds no data"),
        ("batches.meta", lambda entry: {}, "holds no label_names"),
        ("batches.meta", changed(b"label_names", "cat"), "label_names is not a list of names"),
        ("batches.meta", changed(b"label_names", []), "label_names is not a list of names"),
        ("batches.meta", changed(b"label_names", [b"cat"] * 9), "go beyond the 9 classes"),
    ],
)
def test_wrong_contents(tmp_path: Path, name: str, change: Callable[[Any], Any], message: str) -> None:
    files = files_of("cifar10", 10)
    files[name] = pickle.dumps(change(pickle.loads(files[name], encoding="bytes")), 2)
    write_folder(tmp_path, "cifar10", files)
    with pytest.raises(UserError, match=message):
        read_cifar(tmp_path, "cifar10", verify=False)


class Touch:
    """Makes a file when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_poisoned_batch_does_not_run(tmp_path: Path, name: str, packed: bool) -> None:
    files = files_of("cifar10", 10)
    entry = pickle.loads(files[name], encoding="bytes")
    files[name] = pickle.dumps({b"first": Touch(tmp_path / "trap"), **entry}, 2)
    (write_archive if packed else write_folder)(tmp_path, "cifar10", files)
    with pytest.raises(UserError, match=rf"{name} asks to run posix\.system; not read"):
        read_cifar(tmp_path, "cifar10", verify=False)
    assert not (tmp_path / "trap").exists()


def test_missing_data_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    layout = VARIANTS["cifar100"]
    monkeypatch.setattr(layout, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")
    with pytest.raises(UserError) as caught:
        read_cifar(tmp_path, "cifar100", verify=False)
    for part in ("no CIFAR100 data: put cifar-100-python.tar.gz", layout.tgz_md5, str(tmp_path), ":9/cifar"):
        assert part in str(caught.value)
    assert os.listdir(tmp_path) == []


NAMES = ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(
    ("classes", "kept"),
    [
        (None, NAMES),
        (2, ("ant", "bee")),
        (4, NAMES),
        (["dog", "bee"], ("dog", "bee")),
        (("bee", "ant", "dog", "cat"), ("bee", "ant", "dog", "cat")),
    ],
)
def test_choose_classes(classes: Any, kept: tuple[str, ...]) -> None:
    assert choose_classes(NAMES, classes) == kept


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (5, "data.classes=5: the data set has 4 classes"),
        (1, "2 are least"),
        (0, "2 are least"),
        (-1, "2 are least"),
        (["cat", "dig"], "no class is called dig; did you mean dog?"),
        (["cat", "cat"], "two different names"),
        (["cat", "dog", "cat"], "two different names"),
        (["cat"], "two different names"),
        ([], "two different names"),
    ],
)
def test_choose_classes_refuses(classes: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        choose_classes(NAMES, classes)
