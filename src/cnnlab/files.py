"""Writing files so that a reader, or a kill, never meets half of one."""

import json
import math
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, which takes its place at the end and is removed on an error.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "result.json"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("{}")
        >>> target.read_text()
        '{}'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
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


def remove_leftovers(folder: Path) -> None:
    """Remove what a kill has left of :func:`replacing` anywhere below a folder where nobody writes now.

    Examples:
        >>> import tempfile
        >>> left = Path(tempfile.mkdtemp()) / ".last-0123abcd.ckpt"
        >>> left.touch()
        >>> remove_leftovers(left.parent)
        >>> left.exists()
        False
    """
    for path in folder.rglob(".*-" + "[0-9a-f]" * 8 + ".*"):
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
