"""How a run ends: said on the screen, and in its log."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lightning_utilities.core.rank_zero import rank_zero_only

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
        _write_page(folder)
    except Pruned as error:
        log.info("%s", error)
        raise
    except Exception as error:
        log.error("failed: %s", error, exc_info=not isinstance(error, (UserError, TrainingError)))
        if isinstance(error, TrainingError):
            with suppress(OSError):  # the disk may be what failed
                _write_page(folder)
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


@rank_zero_only
def _write_page(folder: Path) -> None:
    from cnnlab.report.run import write  # imports what a failing run needs not

    try:
        write(folder)
    except UserError as error:  # the run itself has come to its end
        log.warning("no report: %s", error)
