"""What a training asks of its process: memory that is kept, little garbage collection, no idle warnings."""

import atexit
import ctypes
import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_AT_MOST = (1 << 31) - 1
MAPPED_FROM = 1 << 25  # glibc takes no more

IDLE_WARNINGS = (
    # Lightning 2.6 asks torch 2.15 in a way that the next one will not know.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # Metrics are logged once an epoch, whatever the number of steps.
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    # The sums behind the logged means are reduced over all devices already.
    r"It is recommended to use `self\.log\(.*sync_dist=True\)`",
    # A device that is there and not asked for was left out on purpose.
    r"GPU available but not used",
    # What is frozen stays in evaluation on purpose.
    r"Found \d+ module\(s\) in eval mode at the start of training",
    # A run that is resumed finds its own.
    r"Checkpoint directory .* exists and is not empty",
)


@contextmanager
def settled() -> Iterator[None]:
    """Let freed memory be used again instead of being returned, and leave what is loaded out of collections.

    Every step frees and asks again for the same large arrays; glibc by default gives those of 128 kB and
    more back to the system, which then has to clear each page anew. Elsewhere than on glibc memory is
    left as it is.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)
            mallopt(M_TRIM_THRESHOLD, KEPT_AT_MOST)
    gc.collect()
    if gc.get_freeze_count():  # for good, by `freeze_once`
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def freeze_once() -> None:
    """Leave what is loaded by now out of all collections to come.

    To look over all that torch and Lightning import takes 0.25 s, and a study does it with each job.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        atexit.register(gc.unfreeze)  # modules are taken apart as they would have been


@contextmanager
def without_idle_warnings() -> Iterator[None]:
    """Keep to itself what a user can do nothing about."""
    with warnings.catch_warnings():
        for message in IDLE_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield
