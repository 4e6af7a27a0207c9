"""What Hydra and Lightning change in their process, put back for whoever calls the program from Python."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from cnnlab.files import open_plain

CHANGED_VARIABLES = ("HYDRA_FULL_ERROR", "PL_GLOBAL_SEED", "PL_SEED_WORKERS")
CHANGED_LOGGERS = ("", "cnnlab", "pytorch_lightning", "lightning_fabric")


@contextmanager
def isolated(words: Sequence[str]) -> Iterator[None]:
    """Let Hydra read ``words``, and restore arguments, environment, logging and Hydra's record of the run.

    Args:
        words: what comes after the program's name.
    """
    # The first word stays: with several devices Lightning starts the program by it once more.
    before, sys.argv = sys.argv, [sys.argv[0], *words]
    environment = {name: os.environ.get(name) for name in CHANGED_VARIABLES}
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's own errors come as exceptions
    loggers = [logging.getLogger(name) for name in CHANGED_LOGGERS]
    states = [(list(one.handlers), one.level, one.propagate) for one in loggers]
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for one, (handlers, level, propagate) in zip(loggers, states, strict=True):
            for handler in set(one.handlers) - set(handlers):
                handler.close()
            one.handlers[:], one.propagate = handlers, propagate
            one.setLevel(level)
        sys.argv = before
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        HydraConfig.instance().cfg = None


def quiet_lightning() -> None:
    """Let Lightning say what is wrong, and not what it has found on the machine."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


@contextmanager
def said_into(path: Path) -> Iterator[None]:
    """Write to a file what would be printed."""
    with open_plain(path, "w") as log, redirect_stdout(log), redirect_stderr(log):
        yield
