"""A study's folder: found before its jobs start, held while they run, and summed up when they have ended."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.files import write_text

if TYPE_CHECKING:
    from cnnlab.study.comparison import Comparison
    from cnnlab.study.runs import StudyRun

LOCK = ".lock"


def study_folder(job: Sequence[str]) -> Path:
    """Where Hydra would put the study that this job, its first, belongs to."""
    cfg = compose(job, with_hydra=True)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    try:
        return Path(str(cfg.hydra.sweep.dir))
    finally:
        HydraConfig.instance().cfg = before


def told_folder(folder: Path) -> str:
    """The override that makes Hydra take this folder.

    Examples:
        >>> told_folder(Path("my study"))
        'hydra.sweep.dir="my study"'
    """
    return f"hydra.sweep.dir={QuotedString(str(folder), Quote.double).with_quotes()}"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Let nobody else run a study in this folder meanwhile.

    Raises:
        UserError: if somebody does, or a part of the folder leads out of it.
    """
    from cnnlab.training.folder import RunFolder

    try:
        folder.mkdir(parents=True, exist_ok=True)
        RunFolder(folder).require_plain()
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"hydra.sweep.dir={folder}: another process runs a study there; wait for it, or choose another."
        ) from error
    except OSError as error:
        raise UserError(f"hydra.sweep.dir={folder}: cannot be made ({error.strerror}).") from error
    try:
        yield
    finally:
        lock.release()
        _remove_if_unused(folder)


def keep_command(folder: Path, overrides: Sequence[str]) -> None:
    """Write down in a study's folder what was typed for it, without the passwords of databases."""
    from cnnlab.downloads import typed_without_secrets
    from cnnlab.training.folder import OVERRIDES

    write_text(folder / OVERRIDES, OmegaConf.to_yaml(list(map(typed_without_secrets, overrides))))


def _remove_if_unused(folder: Path) -> None:
    """Leave nothing behind where a mistake was found before the first job."""
    if [path.name for path in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        folder.rmdir()


def sum_up(folder: Path) -> bool:
    """Publish a study in its folder, and print the best and the answer.

    Returns:
        Whether any run came to its end.
    """
    from cnnlab.report.comparison import screen
    from cnnlab.study.runs import find_runs

    runs = find_runs(folder)
    if not runs:
        return False
    comparison = published(runs, folder)
    print(f"\n{screen(comparison)}\nstudy: {folder}", flush=True)
    return comparison.best is not None


def published(runs: Sequence["StudyRun"], folder: Path, by: Sequence[str] = ()) -> "Comparison":
    """Compare runs, and write the table, all runs as CSV, the figures, and the page into a folder.

    Raises:
        UserError: for a setting in ``by`` that no run has.
    """
    from cnnlab.report import study
    from cnnlab.report.comparison import write
    from cnnlab.study.comparison import compare

    comparison = compare(runs, by)
    write(comparison, runs, folder)
    study.write(comparison, folder)
    return comparison
