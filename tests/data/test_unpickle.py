"""Pickles: arrays and containers come back, everything else is refused and never run."""

import builtins
import collections
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.data.unpickle import load_pickle
from cnnlab.errors import UserError

BATCH = {
    b"data": np.arange(12, dtype=np.uint8).reshape(3, 4),
    b"fortran": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
    b"labels": [1, 2, 3],
    b"more": (np.float32(0.5), np.int64(-3), {b"": ["text", 1.5, None, True, 2**70]}, b"\xff\x00"),
}


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_come_back(protocol: int) -> None:
    if protocol < 2:  # bytes need _codecs.encode or bytes; the arrays' protocol 0 and 1 use the same names
        assert load_pickle(pickle.dumps([1, "a", {2: 3}], protocol), "x") == [1, "a", {2: 3}]
        return
    loaded: Any = load_pickle(pickle.dumps(BATCH, protocol), "x")
    assert loaded.keys() == BATCH.keys()
    for key in (b"data", b"fortran"):
        assert isinstance(loaded[key], np.ndarray)
        assert loaded[key].dtype.str[1:] == BATCH[key].dtype.str[1:]  # type: ignore[attr-defined]
        assert np.array_equal(loaded[key], BATCH[key])  # type: ignore[arg-type]
    assert loaded[b"labels"] == [1, 2, 3]
    assert loaded[b"more"] == BATCH[b"more"]


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_old_and_new_module_names(core: bytes) -> None:
    data = pickle.dumps(BATCH[b"data"], 2).replace(b"numpy._core", core).replace(b"numpy.core", core)
    assert np.array_equal(load_pickle(data, "x"), BATCH[b"data"])  # type: ignore[arg-type]


def test_an_array_of_python_2() -> None:
    # As numpy wrote it under Python 2, in the official batches: byte strings throughout.
    data = (
        b"\x80\x02}q\x01U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x06\x01\x02\x03\x04\x05\xfetbs."
    )
    expected = pickle.loads(data, encoding="bytes")
    loaded: Any = load_pickle(io.BytesIO(data), "x")
    assert list(loaded) == [b"data"]
    assert loaded[b"data"].tolist() == expected[b"data"].tolist() == [[1, 2, 3], [4, 5, 254]]


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.parts = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.parts


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["system", "eval", "getattr", "open", "inside"])
def test_a_poisoned_pickle_does_not_run(tmp_path: Path, kind: str, protocol: int) -> None:
    trap = tmp_path / "trap"
    code = f"open({str(trap)!r}, 'w').close()"
    poison: object = {
        "system": Call(os.system, f"touch '{trap}'"),
        "eval": Call(builtins.eval, code),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "open": Call(open, str(trap), "w"),
        "inside": {b"data": [1, {b"x": Call(builtins.exec, code)}]},
    }[kind]
    data = pickle.dumps(poison, protocol)
    with pytest.raises(UserError, match=r"^batch asks to run [\w.]+\.\w+; not read$"):
        load_pickle(data, "batch")
    assert not trap.exists()
    if kind != "getattr":
        opened = pickle.loads(data)
        if kind == "open":
            opened.close()
        assert trap.exists(), "the trap itself does not work"


def test_the_refused_name_is_told() -> None:
    for data, name in (
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__reduce__\x93.", r"numpy\.ndarray\.__reduce__"),
        (pickle.dumps(collections.OrderedDict(a=1)), "collections.OrderedDict"),
        (b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR.", "numpy.fromfile"),
        (b"cnumpy._core.multiarray\nfrombuffer\n.", "numpy._core.multiarray.frombuffer"),
    ):
        with pytest.raises(UserError, match=f"batch asks to run {name}; not read"):
            load_pickle(data, "batch")


@pytest.mark.parametrize("step", [1, 7])
def test_a_truncated_pickle(step: int) -> None:
    whole = pickle.dumps(BATCH, 2)
    for length in range(0, len(whole), step):
        with pytest.raises(UserError, match="batch is damaged"):
            load_pickle(whole[:length], "batch")


def test_garbage_ends_in_an_error_or_in_plain_things() -> None:
    rng = np.random.default_rng(0)
    whole = bytearray(pickle.dumps(BATCH, 2))
    refused = 0
    for _ in range(1000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(0, 256)
        try:
            load_pickle(bytes(damaged), "batch")
        except UserError:
            refused += 1
    assert refused > 500


def array_pickle(dtype: str, shape: tuple[int, ...], raw: bytes) -> bytes:
    """A pickle of an array that declares what it likes."""
    sizes = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in shape) + b"t"
    name = b"U" + bytes([len(dtype)]) + dtype.encode()
    made = b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n(K\x00tU\x01b\x87R"
    order = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t"
    content = b"T" + struct.pack("<i", len(raw)) + raw
    return (
        b"\x80\x02" + made + b"(K\x01" + sizes
        + b"cnumpy\ndtype\n" + name + b"\x89\x88\x87R" + order + b"b\x89" + content + b"tb."
    )  # fmt: skip


def test_a_declared_array() -> None:
    assert np.array_equal(load_pickle(array_pickle("u1", (2, 1), b"\x05\x06"), "x"), [[5], [6]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dtype", "shape", "raw"),
    [
        ("u1", (2**62, 4), b"abc"),
        ("u1", (2**40,), b"abc"),
        ("u1", (4,), b"abc"),
        ("u1", (2,), b"abc"),
        ("u1", (-1,), b"abc"),
        ("u1", (-1, -3), b"abc"),
        ("i8", (3,), b"abc"),
        ("O", (1,), b"\x00" * 8),
        ("O8", (1,), b"\x00" * 8),
        ("V8", (1,), b"\x00" * 8),
        ("S3", (1,), b"abc"),
        ("M8[s]", (1,), b"\x00" * 8),
        ("i4,O", (1,), b"\x00" * 12),
    ],
)
def test_an_array_that_declares_other_than_it_brings(dtype: str, shape: tuple[int, ...], raw: bytes) -> None:
    with pytest.raises(UserError, match="batch is damaged"):
        load_pickle(array_pickle(dtype, shape, raw), "batch")


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(np.array([{}, "x"], object), 2),
        pickle.dumps(np.zeros(2, [("a", "i4"), ("b", "O")]), 2),
        b"cnumpy\nndarray\n(I1000000000000\ntR.",
        b"\x80\x02cnumpy\nndarray\nI1000000000000\n\x85\x81.",
        b"c_codecs\nencode\n(Vx\nVzlib\ntR.",
        b"c__builtin__\nbytes\n(I1000000000000\ntR.",
        b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(S'i8'\ntRS'abc'\ntR.",
        b"cnumpy._core.numeric\n_frombuffer\n(S'abc'\ncnumpy\ndtype\n(S'i8'\ntR(I1\ntS'C'\ntR.",
        b"\x80\x02P1\n.",
        b"\x80\x02c_codecs\nencode\nN}U\x0c__defaults__K\x01\x85s\x86b.",
        b"\x80\x02c_codecs\nencode\n}U\x01aK\x01sb.",
        b"\x80\x02cnumpy\ndtype\n)\x81.",
        b"\x80\x02cnumpy\nndarray\n}U\x01aK\x01sb.",
        b"",
        b"hello",
    ],
)
def test_other_abuses_end_in_an_error(data: bytes) -> None:
    with pytest.raises(UserError, match=r"^batch "):
        load_pickle(data, "batch")


def test_a_huge_memo_number_takes_no_memory() -> None:
    assert load_pickle(b"\x80\x02K\x05r\xff\xff\xff\xff.", "batch") == 5


@pytest.mark.parametrize("wrap", [b"\x85", b"K\x01\x86", b"K\x01K\x01\x87", b"q\x000h\x00\x85"])
def test_tuples_within_tuples_do_not_end_the_program(wrap: bytes) -> None:
    # as the key of a dict, which is hashed
    with pytest.raises(UserError, match="nest deeper than 200"):
        load_pickle(b"\x80\x04})" + wrap * 100_000 + b"Ns.", "batch")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_long_containers_are_not_deep(protocol: int) -> None:
    content = {"lists": [[i] for i in range(3000)], "texts": {str(i): (i, None) for i in range(3000)}}
    assert load_pickle(pickle.dumps(content, protocol), "batch") in (
        content,
        {key.encode(): value for key, value in content.items()},
    )
