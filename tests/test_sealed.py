"""Sealed files: HDF5 to others, and read here only where the seal and each byte are what was written."""

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cnnlab.sealed import BrokenSeal, create, is_unsealed_hdf5, open_sealed, seal

DRAWS = np.random.default_rng(0)
ARRAYS = {
    "bytes": DRAWS.integers(0, 256, (5, 3), np.uint8),
    "deep/wide": DRAWS.normal(size=(4, 2, 3)),
    "deep/one": np.array(7, np.int32),
    "none": np.empty((0, 4), np.float32),
    "flags": np.array([True, False]),
}
ABOUT = {"text": "a", "list": [1, "b"], "number": 0.5, "truth": True, "nothing": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.h5"
    with create(path) as file:
        for name, array in ARRAYS.items():
            file[name] = array
        file["again"] = file["deep"]
        file["words"] = np.array(["x", "yy"], h5py.string_dtype())
    seal(path, ABOUT)
    return path


def test_what_is_sealed_comes_back(path: Path) -> None:
    opened = open_sealed(path)
    assert opened.about == ABOUT
    assert opened.arrays.keys() == ARRAYS.keys() | {"again/wide", "again/one"}
    np.testing.assert_array_equal(opened.arrays["again/wide"].read(), ARRAYS["deep/wide"])
    for name, array in ARRAYS.items():
        read = opened.arrays[name].read()
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read, array)
    np.testing.assert_array_equal(opened.arrays["deep/wide"].map(), ARRAYS["deep/wide"])


def test_other_programs_see_a_plain_hdf5_file(path: Path) -> None:
    with h5py.File(path) as file:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file[name][...], array)
        assert file["words"].asstr()[...].tolist() == ["x", "yy"]
        assert (file.attrs["text"], json.loads(file.attrs["list"])) == ("a", [1, "b"])


@pytest.mark.parametrize("options", [{"chunks": (1, 3)}, {"compression": "gzip"}, {"external": True}])
def test_only_arrays_in_one_piece_are_sealed(tmp_path: Path, options: dict[str, Any]) -> None:
    if "external" in options:
        options = {"external": [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]}
    with create(tmp_path / "x.h5") as file:
        file.create_dataset("a", data=ARRAYS["bytes"], **options)
    with pytest.raises(ValueError, match="a is not stored in one piece"):
        seal(tmp_path / "x.h5", {})


def test_every_byte_is_under_the_seal(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(BrokenSeal):
            [array.read() for array in open_sealed(path).arrays.values()]


@pytest.mark.parametrize("length", [0, 7, 60, 511, 3000, -1])
def test_a_cut_or_longer_file_is_refused(path: Path, length: int) -> None:
    whole = path.read_bytes()
    for content in (whole[:length], whole + b"x"):
        path.write_bytes(content)
        with pytest.raises(BrokenSeal):
            open_sealed(path)


def test_a_file_without_a_seal_is_told_apart(path: Path) -> None:
    assert not is_unsealed_hdf5(path)
    with h5py.File(path.with_name("plain.h5"), "w") as file:
        file["a"] = 1
    assert is_unsealed_hdf5(path.with_name("plain.h5"))
    with pytest.raises(BrokenSeal, match="does not begin"):
        open_sealed(path.with_name("plain.h5"))


def test_a_file_that_is_replaced_in_use_is_noticed(path: Path) -> None:
    array = open_sealed(path).arrays["bytes"]
    other = path.with_name("other.h5")
    other.write_bytes(path.read_bytes())
    other.replace(path)
    for read in (array.read, array.map):
        with pytest.raises(BrokenSeal, match="changed while it was in use"):
            read()


def forge(path: Path, index: object) -> None:
    """Write a file whose seal is right and whose index says what a stranger likes."""
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    body = bytes(range(256)) * 2
    header = struct.pack("<16sQQ32s", b"cnnlab sealed 1\n", 1024, len(text), hashlib.sha256(text).digest())
    rest = zlib.crc32(body + body[: 512 - len(header) - 4])
    path.write_bytes(header + struct.pack("<I", rest) + body[: 512 - len(header) - 4] + body + text)


LIES = r"index cannot|no array|array of shape|lies beyond|no name|over each|more bytes"


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "dtype": "|u1", "shape": [4], "offset": 512, "crc32": 0} | changes


@pytest.mark.parametrize(
    "index",
    [
        {"about": {}, "arrays": [entry(shape=[10**12])]},
        {"about": {}, "arrays": [entry(shape=[2**40, 2**40, 2**40])]},
        {"about": {}, "arrays": [entry(shape=[0, 2**62, 2**62])]},
        {"about": {}, "arrays": [entry(shape=[0, 2**70])]},
        {"about": {}, "arrays": [entry(shape=[-1])]},
        {"about": {}, "arrays": [entry(shape=[4.0])]},
        {"about": {}, "arrays": [entry(shape="4")]},
        {"about": {}, "arrays": [entry(shape=[1] * 40)]},
        {"about": {}, "arrays": [entry(dtype="|O")]},
        {"about": {}, "arrays": [entry(dtype=["|u1"])]},
        {"about": {}, "arrays": [entry(offset=0)]},
        {"about": {}, "arrays": [entry(offset=-600)]},
        {"about": {}, "arrays": [entry(offset=10**15)]},
        {"about": {}, "arrays": [entry(offset=True)]},
        {"about": {}, "arrays": [entry(crc32=True)]},
        {"about": {}, "arrays": [entry(name=3)]},
        json.dumps({"about": {}, "arrays": [entry(crc32=2)]}).replace("2}", "1e999}").encode(),
        {"about": {}, "arrays": [entry(), entry(name="b", offset=514)]},
        {"about": {}, "arrays": [entry(name=str(i), shape=[512]) for i in range(20)]},
        {"about": {}, "arrays": [{}]},
        {"about": {}, "arrays": [3]},
        {"about": [1], "arrays": []},
        {"arrays": []},
        [],
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_index_that_lies_is_refused(tmp_path: Path, index: object) -> None:
    forge(tmp_path / "x.h5", index)
    with pytest.raises(BrokenSeal, match=LIES):
        open_sealed(tmp_path / "x.h5")
