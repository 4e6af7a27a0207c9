"""How a run ends: said on the screen, and in its log."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from cnnlab.cli.summary import show
from cnnlab.errors import Pruned, TrainingError, UserError
from cnnlab.training.folder import RunFolder
from cnnlab.training.result import Result

log = logging.getLogger("cnnlab")


def ended(train: Callable[[], Result], folder: Path) -> Result:
    """Train, and say how it ended.

    Args:
        train: does so.
        folder: the run folder.

    Raises:
        Exception: whatever training raises.
    """
    try:
        result = train()
    except Pruned as error:
        log.info("%s", error)
        raise
    except Exception as error:
        log.error("failed: %s", error, exc_info=not isinstance(error, (UserError, TrainingError)))
        raise
    except (KeyboardInterrupt, SystemExit):
        last = RunFolder(folder).last
        where = f"the last checkpoint is {last}" if last.exists() else "there is no checkpoint yet"
        log.warning("interrupted; %s", where)
        print(f"cnnlab: {where}; to go on: python -m cnnlab resume {folder}", file=sys.stderr)
        raise
    log.info("finished: %d epochs, test %s", result.epochs, result.test)
    show(result, folder)
    return result
