"""HDF5 files that are read without HDF5: a seal says where each array lies, and the checksum of each byte.

HDF5's library trusts what it reads: damage can crash the program, and a stranger's file can have it open
other files. So what cnnlab writes to read again carries a seal: a header in HDF5's user block, an index
behind HDF5's end. Other programs see a plain HDF5 file.
"""

import hashlib
import itertools
import json
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

USER_BLOCK = 512  # bytes before HDF5's own; HDF5 allows no fewer
_MAGIC = b"cnnlab sealed 1\n"
# Magic, the index's place, length and SHA-256, and the CRC-32 of all that is neither header, index nor array.
_HEADER = struct.Struct("<16sQQ32sI")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PLAIN = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
_LARGEST_INDEX = 1 << 26
_LARGEST_REST = 1 << 26  # HDF5 takes some kilobytes for itself; a hostile file could be all holes
_MOST_DIMENSIONS, _MOST_BYTES = 8, 1 << 62
_BLOCK = 1 << 22


class BrokenSeal(ValueError):
    """A file that is not as it was sealed."""


@dataclass(frozen=True)
class SealedArray:
    """One array of a sealed file: read when it is asked for.

    Args:
        file: the sealed file.
        name: its HDF5 path, such as ``train/images``.
        dtype: a plain number's.
        shape: may hold zeros.
        offset: in bytes from the file's begin.
        crc32: of its bytes.
    """

    file: "SealedFile"
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    crc32: int

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> NDArray[Any]:
        """Read it into memory.

        Raises:
            BrokenSeal: if a byte of it is not as it was written.
        """
        self.file.require_unchanged()
        array = np.empty(self.shape, self.dtype)
        into = array.reshape(-1).view(np.uint8).data
        with self.file.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            done = 0
            while done < len(into):  # one call reads 2 GiB at most
                count = file.readinto(into[done:])
                if not count:
                    raise BrokenSeal(f"{self.name} ends too early")
                done += count
        if zlib.crc32(into) != self.crc32:
            raise BrokenSeal(f"{self.name} is damaged: its checksum is another")
        return array

    def map(self) -> NDArray[Any]:
        """Leave it in its file, without comparing its checksum; changes stay in memory.

        Raises:
            BrokenSeal: if the file is another one by now.
        """
        self.file.require_unchanged()
        return np.memmap(self.file.path, self.dtype, "c", self.offset, self.shape)


@dataclass(frozen=True)
class SealedFile:
    """What a sealed file holds.

    Args:
        path: the file.
        about: what was written beside the arrays.
        arrays: by their HDF5 paths.
        state: what the file system said of the file.
    """

    path: Path
    about: dict[str, Any]
    arrays: dict[str, SealedArray]
    state: tuple[int, ...]

    def require_unchanged(self) -> None:
        """Refuse a file that was replaced since it was opened.

        Raises:
            BrokenSeal: if it is another one by now.
        """
        if _state(self.path.stat()) != self.state:
            raise BrokenSeal("it changed while it was in use")


def create(path: Path) -> h5py.File:
    """Create an HDF5 file that can be sealed; it must not be there yet."""
    return h5py.File(path, "x", userblock_size=USER_BLOCK)


def seal(path: Path, about: Mapping[str, Any]) -> None:
    """Seal a file that :func:`create` made and that is closed.

    Args:
        path: the file; each of its data sets of plain numbers is stored in one piece.
        about: values that JSON has; kept in the index, and as attributes for other programs.

    Raises:
        ValueError: if a data set is not stored in one piece.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers.h5"
        >>> with create(path) as file:
        ...     file["primes"] = np.array([2, 3, 5])
        >>> seal(path, {"source": "Euclid"})
        >>> opened = open_sealed(path)
        >>> opened.about, opened.arrays["primes"].read()
        ({'source': 'Euclid'}, array([2, 3, 5]))
    """
    with h5py.File(path, "r+") as hdf5:
        for name, value in about.items():
            hdf5.attrs[name] = value if isinstance(value, (str, int, float)) else json.dumps(value)
        places = _places(hdf5)
    with path.open("rb+") as file:
        listed = [
            place | {"crc32": _crc32(file, [(place["offset"], place["offset"] + nbytes)])}
            for place, nbytes in places
        ]
        index = json.dumps({"about": about, "arrays": listed}).encode()
        start = file.seek(0, os.SEEK_END)
        stop = start + file.write(index)
        file.flush()
        arrays = [(place["offset"], place["offset"] + nbytes) for place, nbytes in places]
        rest = _crc32(file, _gaps([*arrays, (start, stop)], stop))
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, start, len(index), hashlib.sha256(index).digest(), rest))


def is_unsealed_hdf5(path: Path) -> bool:
    """Whether a file is HDF5 that was never sealed."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def open_sealed(path: Path) -> SealedFile:
    """Read a file's index and compare all but its arrays with their checksum.

    Raises:
        BrokenSeal: if the file is not as it was sealed, or was never sealed.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        index, start, rest = _index(file, size)
        try:
            plain = json.loads(index)
            sealed = SealedFile(path, dict(plain["about"]), {}, _state(os.fstat(file.fileno())))
            for entry in plain["arrays"]:
                sealed.arrays[entry["name"]] = _array(sealed, entry, size)
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError, OverflowError) as error:
            raise BrokenSeal(f"its index cannot be read: {error}") from error
        taken = [(array.offset, array.offset + array.nbytes) for array in sealed.arrays.values()]
        _require_apart(taken, size)
        gaps = _gaps([*taken, (start, start + len(index))], size)
        if sum(stop - begin for begin, stop in gaps) > _LARGEST_REST or _crc32(file, gaps) != rest:
            raise BrokenSeal("it is damaged: its checksum is another")
    return sealed


def _places(hdf5: h5py.File) -> list[tuple[dict[str, Any], int]]:
    """Where each data set of plain numbers lies, as the index says it, and its size in bytes."""
    found: list[tuple[dict[str, Any], int]] = []
    for name, node in _data_sets(hdf5, ""):
        if node.dtype.str not in _PLAIN:
            continue
        offset = node.id.get_offset() if node.size else USER_BLOCK
        if offset is None or node.chunks or node.external or node.is_virtual:
            raise ValueError(f"{name} is not stored in one piece inside the file")
        place = {"name": name, "dtype": node.dtype.str, "shape": node.shape, "offset": offset}
        found.append((place, node.nbytes))
    return found


def _data_sets(group: h5py.Group, place: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield each data set by each of its names, of which h5py's own walk gives one only."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        node = group[name]
        if isinstance(node, h5py.Dataset):
            yield f"{place}{name}", node
        elif isinstance(node, h5py.Group):
            yield from _data_sets(node, f"{place}{name}/")


def _index(file: BinaryIO, size: int) -> tuple[bytes, int, int]:
    """Read the index; return its bytes and its place, and the checksum of the rest."""
    file.seek(0)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise BrokenSeal("it does not begin as such a file does")
    _, start, length, digest, rest = _HEADER.unpack(header)
    if length > _LARGEST_INDEX or not USER_BLOCK <= start <= start + length <= size:
        raise BrokenSeal("it ends too early")
    file.seek(start)
    index = file.read(length)
    if hashlib.sha256(index).digest() != digest:
        raise BrokenSeal("its index is damaged: its checksum is another")
    return index, start, rest


def _array(sealed: SealedFile, entry: Mapping[str, Any], size: int) -> SealedArray:
    """Believe an entry of the index if it lies inside the file."""
    name, dtype, shape, offset = entry["name"], entry["dtype"], entry["shape"], entry["offset"]
    crc32 = entry["crc32"]
    if not isinstance(name, str) or type(crc32) is not int:
        raise BrokenSeal(f"{name} has no name or no checksum")
    if dtype not in _PLAIN or not isinstance(shape, list) or len(shape) > _MOST_DIMENSIONS:
        raise BrokenSeal(f"{name} is no array of numbers")
    if not all(type(length) is int and length >= 0 for length in [*shape, offset]):
        raise BrokenSeal(f"{name} is an array of shape {shape}")
    # numpy multiplies the lengths of an empty array, too.
    if math.prod(length or 1 for length in shape) * np.dtype(dtype).itemsize > _MOST_BYTES:
        raise BrokenSeal(f"{name} is an array of shape {shape}")
    array = SealedArray(sealed, name, np.dtype(dtype), tuple(shape), offset, crc32)
    if offset < USER_BLOCK or offset + array.nbytes > size:
        raise BrokenSeal(f"{name} of shape {shape} lies beyond the end of the file")
    return array


def _require_apart(taken: Sequence[tuple[int, int]], size: int) -> None:
    """Refuse arrays that share bytes, but for one that has two names."""
    if sum(stop - start for start, stop in taken) > 2 * size:
        raise BrokenSeal("its arrays hold more bytes than the file")
    places = sorted({(start, stop) for start, stop in taken if start < stop})
    if any(after[0] < before[1] for before, after in itertools.pairwise(places)):
        raise BrokenSeal("two of its arrays lie over each other")


def _gaps(taken: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """What lies between the taken parts, from behind the header on."""
    gaps, end = [], _HEADER.size
    for start, stop in sorted(taken):
        if start > end:
            gaps.append((end, start))
        end = max(end, stop)
    return [*gaps, (end, size)]


def _crc32(file: BinaryIO, parts: Sequence[tuple[int, int]]) -> int:
    found = 0
    for start, stop in parts:
        file.seek(start)
        for begin in range(start, stop, _BLOCK):
            found = zlib.crc32(file.read(min(_BLOCK, stop - begin)), found)
    return found


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns
