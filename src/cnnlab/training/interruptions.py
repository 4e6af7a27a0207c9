"""SIGINT and SIGTERM: in training the step is finished and its state saved; elsewhere the run ends."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException

from cnnlab.errors import UserError, reason

TERMINATED = 143  # the shell's code for SIGTERM
INTERRUPTED = 130  # and for SIGINT
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
NAMES: dict[object, str] = {
    INTERRUPTED: "interrupted from the keyboard",
    TERMINATED: "terminated by a signal",
}


class Interruption:
    """What a signal asks of a run.

    While :meth:`deferred`, the first signal is noted for whoever can stop in good order, and a second one
    ends the process as the system would.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._deferred = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Answer to both signals, and leave them to whoever had them before; one that is ignored stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # A shell lets what it starts in the background ignore Ctrl-C.
        heard = [number for number in CODES if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Note the first signal instead of stopping at it; stop at the end if nobody did."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        if self.asked is not None:
            self.stop()

    def stop(self) -> NoReturn:
        """End the run by the signal that asked for it.

        Raises:
            SystemExit: with the shell's code for the signal.
        """
        raise SystemExit(self.asked)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.asked = CODES[signal.Signals(number)]
        if not self._deferred:
            self.stop()
        for each in CODES:
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, signal.SIG_DFL)
        # Printing might be what the signal has interrupted.
        with contextlib.suppress(OSError, ValueError):
            os.write(
                sys.stderr.fileno(),
                b"cnnlab: stops after this step and saves its state; a second signal stops at once.\n",
            )


@contextlib.contextmanager
def explained(trainer: pl.Trainer) -> Iterator[None]:
    """Give what ends a training early its exit code, or a sentence."""
    try:
        yield
    except SystemExit as error:
        if trainer.received_sigterm:
            raise SystemExit(TERMINATED) from error
        raise
    except ValueError as error:
        # How many batches there are is known when the data is; Lightning says so in an error of Python's.
        if "val_check_interval" not in str(error):
            raise
        raise UserError(
            f"trainer.val_check_interval={trainer.val_check_interval}: an epoch has"
            f" {trainer.num_training_batches} batches; allowed is at most that, or a share of them up to 1.0."
        ) from error
    except MisconfigurationException as error:
        raise UserError(f"trainer: {reason(error)}") from error
