"""Writing files so that a reader, or a kill, never meets half of one."""

import errno
import json
import logging
import math
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

from cnnlab.errors import UserError

_TEMPORARY = ".cnnlab-"


@contextmanager
def replacing(path: Path, before: Path | None = None) -> Iterator[Path]:
    """Give a temporary path beside ``path``, which takes its place at the end and is removed on an error.

    Args:
        path: the file.
        before: where what stood there goes, once the new one is on the disk; by default it is lost.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "result.json"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("{}")
        >>> target.read_text()
        '{}'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        if before is not None and path.exists():
            path.replace(before)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def unused(path: Path, taken: Collection[Path]) -> Path:
    """A path that is not taken: this one, or the first free number behind its name.

    Examples:
        >>> unused(Path("a/0.png"), {Path("a/0.png"), Path("a/0-2.png")}).as_posix()
        'a/0-3.png'
    """
    found, number = path, 2
    while found in taken:
        found, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return found


def require_folder(key: str, path: Path) -> None:
    """Refuse a path where no folder is, nor could be made.

    Args:
        key: the setting or flag that names it, as typed.
        path: the folder.

    Raises:
        UserError: for a file, a path below a file, or a name that no file system takes.

    Examples:
        >>> require_folder("data.store", Path("new", "one"))
        >>> require_folder("data.store", Path(__file__))
        Traceback (most recent call last):
        cnnlab.errors.UserError: data.store=...files.py: there can be no folder (Not a directory);
        data.store=FOLDER names another.
    """
    try:
        why = "" if stat.S_ISDIR(path.stat().st_mode) else os.strerror(errno.ENOTDIR)
    except (FileNotFoundError, PermissionError):
        return  # whoever reads or writes there will see
    except OSError as error:
        why = str(error.strerror)
    except ValueError as error:  # a name with a NUL
        why = str(error)
    if why:
        raise UserError(f"{key}={path}: there can be no folder ({why}); {key}=FOLDER names another.")


def remove_leftovers(folder: Path) -> None:
    """Remove what a kill has left of :func:`replacing` anywhere below a folder where nobody writes now.

    Examples:
        >>> import tempfile
        >>> left = Path(tempfile.mkdtemp()) / ".cnnlab-0123abcd-last.ckpt"
        >>> mine = left.with_name(".notes-0123abcd.txt")
        >>> left.touch(), mine.touch()
        (None, None)
        >>> remove_leftovers(left.parent)
        >>> left.exists(), mine.exists()
        (False, True)
    """
    for path in folder.rglob(_TEMPORARY + "[0-9a-f]" * 8 + "-*"):
        if path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, indent: int) -> None:  # noqa: ANN401 - any JSON value
    """Write a JSON file whole or not at all; numbers that JSON lacks become null."""
    write_text(path, json.dumps(_finite(value), indent=indent) + "\n")


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def open_plain(path: Path, mode: Literal["a", "w"]) -> TextIOWrapper:
    """Open a text file for writing or appending, but nothing that a link, a pipe or a device leads to.

    Raises:
        UserError: if it is something else than a plain file.
        OSError: if it cannot be opened.

    Examples:
        >>> import tempfile
        >>> link = Path(tempfile.mkdtemp()) / "run.log"
        >>> link.symlink_to(link.with_name("elsewhere"))
        >>> open_plain(link, "a")
        Traceback (most recent call last):
        cnnlab.errors.UserError: ...run.log: it is not a plain file; nothing is written there.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise UserError(f"{path}: it is not a plain file; nothing is written there.")
    return path.open(mode, encoding="utf-8")


class PlainFileHandler(logging.FileHandler):
    """Logs into a plain file; a folder that comes from a stranger may hold a link in its place."""

    def _open(self) -> TextIOWrapper:
        return open_plain(Path(self.baseFilename), "w" if self.mode == "w" else "a")
