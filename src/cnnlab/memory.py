"""Lack of memory, which torch, NumPy and the system each report in their own way, said in one sentence."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from cnnlab.errors import TrainingError, UserError

SIGNS = re.compile(
    r"out of memory|not enough memory|can(?:'|no)t allocate memory|unable to allocate|bad_alloc|"
    r"could not create a (?:memory|primitive)|alloc_failed",
    re.IGNORECASE,
)


@contextmanager
def within_memory(doing: str, advice: str) -> Iterator[None]:
    """Turn lack of memory into one sentence; all other errors pass.

    Args:
        doing: what was being done, as in "while ...".
        advice: what needs less.

    Raises:
        TrainingError: where memory ran out.

    Examples:
        >>> with within_memory("adding", "smaller numbers need less"):
        ...     raise MemoryError
        Traceback (most recent call last):
        cnnlab.errors.TrainingError: out of memory while adding: smaller numbers need less.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_lack(error):
            raise
        raise TrainingError(f"out of memory while {doing}: {advice}.") from error


def is_lack(error: BaseException) -> bool:
    """Whether an error says that there is no memory left.

    Examples:
        >>> is_lack(RuntimeError("can't allocate memory")), is_lack(RuntimeError("shape"))
        (True, False)
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and SIGNS.search(str(error)) is not None


def require_memory(size: int) -> None:
    """Refuse a network whose parameters alone are more than this machine's memory.

    Args:
        size: bytes of the parameters.

    Raises:
        UserError: where they do not fit.
    """
    if hasattr(os, "sysconf"):
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if size > whole:
            raise UserError(
                f"model: its parameters take {size / 1e9:,.0f} GB; this machine has {whole / 1e9:,.0f} GB."
            )


def smaller_batch(batch_size: int) -> str:
    """What needs less than batches of this size.

    Examples:
        >>> smaller_batch(128)
        'data.batch_size=64 needs about half'
    """
    if batch_size == 1:
        return "a smaller network, or smaller samples, need less"
    return f"data.batch_size={batch_size // 2} needs about half"
