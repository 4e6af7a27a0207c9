"""What every download has in common: it ends when nobody answers, it fails in known ways, and is noted."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

INDEX = "downloads.jsonl"
TIMEOUT = 10.0  # seconds without an answer; torch's and torchvision's downloaders alone would wait for ever
DOWNLOAD_FAILURES = (OSError, RuntimeError, ValueError, http.client.HTTPException)
"""What torch's and torchvision's downloaders raise."""


@contextmanager
def network_timeout() -> Iterator[None]:
    """Give up connections that are silent for :data:`TIMEOUT` seconds.

    Examples:
        >>> with network_timeout():
        ...     socket.getdefaulttimeout()
        10.0
        >>> socket.getdefaulttimeout() is None
        True
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def note_download(path: Path, url: str, checksum: str) -> None:
    """Add a line of JSON to the index beside a fetched file: where it came from, and when.

    Args:
        path: the file, whose checksum was compared.
        url: where it came from.
        checksum: what it was compared with, as ``md5:...`` or ``sha256:...``.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "raw.gz"
        >>> _ = path.write_bytes(b"abc")
        >>> note_download(path, "https://me:secret@example.org/raw.gz?token=secret", "md5:900150983cd2")
        >>> noted = json.loads((path.parent / INDEX).read_text())
        >>> noted["file"], noted["url"], noted["checksum"], noted["bytes"]
        ('raw.gz', 'https://example.org/raw.gz', 'md5:900150983cd2', 3)
    """
    noted = {
        "file": path.name,
        "url": without_secrets(url),
        "checksum": checksum,
        "bytes": path.stat().st_size,
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # A short line is appended whole, whoever else writes at the same time.
    with path.with_name(INDEX).open("a", encoding="utf-8") as index:
        index.write(json.dumps(noted) + "\n")


def typed_without_secrets(word: str) -> str:
    """Leave out of the addresses in a setting what may be a password or a token.

    Examples:
        >>> typed_without_secrets('hydra.sweeper.storage="postgresql://me:secret@localhost/db"')
        'hydra.sweeper.storage="postgresql://localhost/db"'
        >>> typed_without_secrets("hydra.sweeper.storage=sqlite:///search.db")
        'hydra.sweeper.storage=sqlite:///search.db'
    """

    def hidden(found: re.Match[str]) -> str:
        scheme, _, rest = found.group().partition("://")
        # A password may hold a slash, which ends the part of an address where passwords are looked for.
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"

    return re.sub(r"[\w+.-]+://[^\s\"']+", hidden, word)


def without_secrets(url: str) -> str:
    """Leave out of an address what may be a password or a token.

    Examples:
        >>> without_secrets("https://me:secret@example.org:8080/a.gz?token=secret#part")
        'https://example.org:8080/a.gz'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
