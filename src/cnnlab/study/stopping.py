"""A study is stopped as a whole: its jobs save their states, and no further ones begin."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from cnnlab.files import write_text
from cnnlab.training.interruptions import CODES, Interruption

WATCH_SECONDS = 1.0


class Stopping:
    """What a signal asks of a study, known to its jobs by a file in its folder.

    Its jobs may run in processes that the signal does not reach, and not all of them on this machine.

    Args:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".stop"

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """In the process of the study: ask its jobs to stop at the first signal, and wait for them.

        Raises:
            SystemExit: at the end, with the shell's code for the signal.
        """
        interruption = Interruption(lambda code: write_text(self._file, str(code)))
        self._file.unlink(missing_ok=True)
        try:
            with interruption.watched(), interruption.deferred():
                yield
        finally:
            self._file.unlink(missing_ok=True)

    @property
    def asked(self) -> int | None:
        """The shell's code for the signal; None while there was none."""
        try:
            return int(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def end_if_asked(self) -> None:
        """Begin nothing more.

        Raises:
            SystemExit: with the code, if a signal asked the study to stop.
        """
        if (code := self.asked) is not None:
            raise SystemExit(code)

    @contextlib.contextmanager
    def passed_on(self) -> Iterator[None]:
        """In the process of a job: let its run hear the signal, unless it has; end with the study's process.

        A study that was killed is started again, and wants the folder.
        """
        done, parent = threading.Event(), os.getppid()

        def watch() -> None:
            passed = False
            while not done.wait(WATCH_SECONDS):
                if os.getppid() != parent:
                    os._exit(1)
                code = None if passed else self.asked
                number = next((each for each, known in CODES.items() if known == code), None)
                if number is not None and Interruption.is_waiting():
                    os.kill(os.getpid(), number)
                    passed = True

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            done.set()


def outlive_signals() -> None:
    """Hear neither signal in a process of jobs, but for the run that it is busy with.

    Ended between two jobs, it would make joblib kill those that still save their states.
    """
    if threading.current_thread() is threading.main_thread():
        for number in CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
