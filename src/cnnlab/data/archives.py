"""Archives of strangers: read in place, within limits, and nothing of them is ever written."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from cnnlab.errors import UserError, reason

_LARGEST = 1 << 30  # bytes, decompressed: IMDB's tar has 0.4 GB, CIFAR's 0.2; a bomb would have no end
_AT_ONCE = 1 << 14  # bytes: tarfile reads a header whole, and takes the square of its length to understand it


class _Limited(io.RawIOBase):
    """A stream that refuses to go far, or to give much at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or offset > _LARGEST:
            raise tarfile.ReadError(f"it declares more than {_LARGEST} bytes")
        return self._stream.seek(offset)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _AT_ONCE:
            raise tarfile.ReadError(f"a header in it declares {size} bytes")
        if self._stream.tell() + size > _LARGEST:
            raise tarfile.ReadError(f"it holds more than {_LARGEST} bytes")
        return self._stream.read(size)


def read_members(archive: Path, wanted: Callable[[str], bool], largest: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the wanted members of a tar archive, compressed if its name ends in ``.gz``.

    Names are compared, never used as places: a member called ``../x`` is one that nobody wants.

    Args:
        archive: the file.
        wanted: says by the name whether a member is wanted.
        largest: bytes that one of them may have.

    Raises:
        UserError: if the archive is damaged or cut short, decompresses to more than a data set has, or a
            wanted member is too large, or is a link, a folder or a device.
    """
    try:
        with (
            gzip.open(archive) if archive.suffix == ".gz" else archive.open("rb") as stream,
            tarfile.open(fileobj=_Limited(cast(BinaryIO, stream)), mode="r:") as tar,
        ):
            for member in tar:
                if not wanted(member.name):
                    continue
                if member.size > largest:
                    raise UserError(
                        f"{archive} is damaged: {member.name} declares {member.size} bytes; fetch it anew"
                    )
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UserError(f"{archive}: {member.name} is not a plain file")
                with content:
                    yield member.name, b"".join(_pieces(content))
            if not _ends_in_zeros(cast(BinaryIO, stream)):
                raise UserError(f"{archive} is damaged: it ends too early; fetch it anew")
    # Damage can make tarfile itself stumble over a number or a text in a header.
    except (
        tarfile.TarError,
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        OverflowError,
        RecursionError,
    ) as error:
        raise UserError(f"{archive} cannot be read ({reason(error)}); fetch it anew") from error


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(_AT_ONCE):
        yield piece


def _ends_in_zeros(stream: BinaryIO) -> bool:
    # Two blocks of zeros end an archive. tarfile takes any header that it cannot read for the first of them.
    second = False
    for block in _pieces(stream):
        if block.strip(b"\0") or stream.tell() > _LARGEST:
            return False
        second = True
    return second
