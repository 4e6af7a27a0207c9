"""Pickles from strangers: containers, text, numbers and plain arrays; no other name is ever looked up."""

import io
import math
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import UserError
from cnnlab.nesting import require_shallow

_PLAIN_KINDS = "biuf"  # of dtypes: truth values, integers, floats; objects and structures are refused


class _Dtype:
    """Stands in for ``numpy.dtype``, whose own ``__setstate__`` believes whatever it is given."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        self.plain = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
        if self.plain.kind not in _PLAIN_KINDS:
            raise ValueError(f"an array of {self.plain}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in (">", b">"):
            self.plain = self.plain.newbyteorder(">")
        elif state[1] not in ("<", b"<", "|", b"|", "=", b"="):
            raise ValueError(f"a dtype of byte order {state[1]!r}")


class _Array(np.ndarray[Any, Any]):
    """An array that compares what its pickle declares with what it brings before memory is taken."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        super().__setstate__((1, shape, _checked(dtype, shape, raw), fortran, raw))


def _checked(dtype: object, shape: object, raw: object) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype) or not isinstance(raw, bytes | bytearray):
        raise ValueError("an array without a plain dtype and bytes")
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"an array of shape {shape}")
    if math.prod(shape) * dtype.plain.itemsize != len(raw):
        raise ValueError(f"an array of shape {shape} and {dtype.plain} in {len(raw)} bytes")
    return dtype.plain


_NDARRAY = object()  # what numpy.ndarray is to a pickle: a name to hand to `_reconstruct`, nothing to call


def _reconstruct(*_: object) -> NDArray[Any]:
    return _Array((0,), np.uint8)


def _scalar(dtype: object, raw: bytes) -> object:
    return np.frombuffer(raw, _checked(dtype, (), raw))[0]


def _frombuffer(raw: bytes, dtype: object, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    flat = np.frombuffer(raw, _checked(dtype, shape, raw))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str) -> bytes:
    # How protocol 2 writes bytes; other codecs would be imported by their name.
    if encoding != "latin1":
        raise ValueError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    return b""


class _Global:
    """A callable that a pickle can only call: on a bare function it could set attributes, for good."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise ValueError("a name that is given a state")


_ALLOWED: dict[tuple[str, str], object] = {
    ("_codecs", "encode"): _Global(_encode),
    ("numpy", "dtype"): _Global(_Dtype),
    ("numpy", "ndarray"): _NDARRAY,
    **{(builtins, "bytes"): _Global(_empty_bytes) for builtins in ("builtins", "__builtin__")},
    **{
        (f"numpy.{core}.{module}", name): _Global(substitute)
        for core in ("core", "_core")
        for module, name, substitute in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _WholeReads(io.BytesIO):
    """Bytes that end in an error, where the unpickler would take half a name for a name."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if size is not None and len(found) < size:
            raise EOFError("it ends too early")
        return found

    def readline(self, size: int | None = -1, /) -> bytes:
        found = super().readline(size)
        if not found.endswith(b"\n"):
            raise EOFError("it ends too early")
        return found


class _Refused(Exception):
    """A global that is not on the list."""


class _Unpickler(pickle._Unpickler):
    # The one written in C takes memory by the largest memo number, which damage makes huge.

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401 -- as in the base class
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def load_pickle(data: bytes | BinaryIO, name: str) -> object:
    r"""Return what a pickle holds, where it holds only containers, text, bytes, numbers and arrays.

    Text of Python 2 comes as bytes, as with ``pickle.load(file, encoding="bytes")``.

    Args:
        data: the pickle, or an open binary file.
        name: the file's name, for messages.

    Raises:
        UserError: if the pickle asks for anything else (which is not run), or is damaged.

    Examples:
        >>> load_pickle(pickle.dumps({b"labels": [1, 2]}, protocol=2), "batch")
        {b'labels': [1, 2]}
        >>> load_pickle(b"cposix\nsystem\n(S'true'\ntR.", "batch")
        Traceback (most recent call last):
        cnnlab.errors.UserError: batch asks to run posix.system; not read
    """
    content = data if isinstance(data, bytes) else data.read()
    stream = _WholeReads(content)
    try:
        require_shallow(io.BytesIO(content))
        return _Unpickler(stream, encoding="bytes").load()
    except _Refused as refused:
        raise UserError(f"{name} asks to run {refused}; not read") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(
            f"{name} is damaged or no pickle of arrays: {error or type(error).__name__}"
        ) from error
