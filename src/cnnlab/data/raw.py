"""Raw files of data sets: where they lie, whether they are the official ones, and fetching them."""

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import platformdirs
from numpy.typing import NDArray

from cnnlab.downloads import DOWNLOAD_FAILURES, network_timeout, note_download, without_secrets
from cnnlab.errors import UserError, reason

Arrays = dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]
"""Per split: images ``(N, H, W, C)`` and labels ``(N,)``."""


def default_root() -> Path:
    """Return the folder of raw files: ``$CNNLAB_DATA``, else one in the user's cache."""
    chosen = os.environ.get("CNNLAB_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("cnnlab") / "raw"


def default_store() -> Path:
    """Return the folder of prepared files, in the user's cache."""
    return platformdirs.user_cache_path("cnnlab") / "stores"


def md5_of(path: Path) -> str:
    """Return the MD5 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_md5(path: Path, expected: str, content: bytes | None = None) -> None:
    """Compare a file with its official checksum.

    Args:
        path: the file.
        expected: its official MD5.
        content: what the checksum is of, where that is not the file as it stands (decompressed content).

    Raises:
        UserError: if they differ.
    """
    found = md5_of(path) if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != expected:
        what = "is" if content is None else "of its content is"
        raise UserError(
            f"{path} is not the official file: the md5 {what} {found}, not {expected};"
            " replace it, or say data.verify=false to read a re-encoded copy"
        )


def read_plain(path: Path, largest: int) -> bytes:
    """Read a file that came out of an archive, where a link to a device could lie as well.

    Args:
        path: the file.
        largest: bytes that it may have.

    Raises:
        UserError: if it is no plain file, is larger, or cannot be read.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{path} is not a plain file")
        if state.st_size > largest:
            raise UserError(f"{path} has {state.st_size} bytes, more than the {largest} that are read")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def download(urls: Sequence[str], folder: Path, filename: str, md5: str, *, dataset: str) -> Path:
    """Fetch an official file from the first of its mirrors that has it; nothing half-fetched is left.

    Args:
        urls: the mirrors' addresses of the file, tried in order.
        folder: where the file goes; created where it is missing.
        filename: the file's name there.
        md5: its official checksum.
        dataset: name of the data set, for the message.

    Raises:
        UserError: if no mirror gave the official file or the folder cannot be written to.
    """
    advice = (
        f"no {dataset} data: put {filename} (md5 {md5}) into {folder},"
        " or set data.root or CNNLAB_DATA to a folder that has it"
    )
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
            source, failures = _try_mirrors(urls, Path(temporary), filename, md5)
            if source is not None:
                path = (Path(temporary) / filename).replace(folder / filename)
                note_download(path, source, f"md5:{md5}")
                return path
    except OSError as error:
        raise UserError(f"{advice}; nothing can be written to {folder}: {error.strerror or error}") from error
    with suppress(OSError):  # a mistyped folder does not stay; what others put there does
        for place in made:
            place.rmdir()
    raise UserError(f"{advice}; {'; '.join(failures)}")


def _try_mirrors(urls: Sequence[str], folder: Path, filename: str, md5: str) -> tuple[str | None, list[str]]:
    """Return the address that gave the official file, and how the others failed."""
    from torchvision.datasets.utils import download_url  # seconds to import, and needed only here

    failures: list[str] = []
    for url in urls:
        try:
            with network_timeout():
                download_url(url, folder, filename, md5)
        except DOWNLOAD_FAILURES as error:
            failures.append(f"the download from {without_secrets(url)} failed: {reason(error)}")
        else:
            return url, failures
    return None, failures
