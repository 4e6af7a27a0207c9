"""What every download has in common: it ends when nobody answers, and the ways in which it fails."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager

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
