"""A study's folder: found before its jobs start, held while they run, and summed up when they have ended."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.files import write_text
from cnnlab.study.space import is_search

if TYPE_CHECKING:
    from cnnlab.study.comparison import Comparison
    from cnnlab.study.runs import StudyRun

LOCK = ".lock"


def study_folder(job: Sequence[str]) -> Path:
    """Where Hydra would put the study that this job, its first, belongs to."""
    return Path(_swept(job, "dir"))


def job_folder(job: Sequence[str], number: int) -> str:
    """How Hydra would name this job's folder in that of its study.

    Args:
        job: its overrides, with what says how folders are named.
        number: of the job.

    Examples:
        >>> job_folder(["model=mlp", "seed=3"], 7)
        '7_model=mlp,seed=3'
    """
    return _swept([*job, f"hydra.job.num={number}"], "subdir")


def _swept(job: Sequence[str], key: str) -> str:
    """A setting of Hydra's for studies, with what it asks of Hydra put in."""
    cfg = compose(job, with_hydra=True)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    try:
        return str(cfg.hydra.sweep[key])
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

    made = [parent for parent in folder.parents if not parent.exists()]
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
        _remove_if_unused(folder, made)


def keep_command(folder: Path, overrides: Sequence[str]) -> None:
    """Write down in a study's folder what was typed for it, without the passwords of databases."""
    from cnnlab.downloads import typed_without_secrets
    from cnnlab.training.folder import OVERRIDES

    write_text(folder / OVERRIDES, OmegaConf.to_yaml(list(map(typed_without_secrets, overrides))))


def take_up(
    folder: Path,
    overrides: Sequence[str],
    jobs: Sequence[Sequence[str]],
    naming: Sequence[str],
    *,
    search: bool,
) -> None:
    """Go on with what lies in a study's folder, if it is of the same command or of one with fewer values.

    Values that were added may have changed the numbers of the jobs: their folders follow.

    Args:
        folder: of the study.
        overrides: as typed.
        jobs: overrides of each; those of a search, which knows its own, are passed over.
        naming: what says how their folders are named.
        search: whether it is one.

    Raises:
        UserError: if there is a run that is none of these jobs; a comparison would mix two studies.
    """
    from cnnlab.study.runs import find_runs
    from cnnlab.training.folder import RunFolder
    from cnnlab.training.result import config_fingerprint

    if not (runs := find_runs(folder)):
        return
    before = _command(folder)
    if search and is_search(before):
        return
    numbers = {config_fingerprint(compose(job)): number for number, job in enumerate(() if search else jobs)}
    moves: dict[Path, Path] = {}
    for run in runs:
        found = run.result.get("config_fingerprint") or config_fingerprint(RunFolder(run.folder).config())
        if found not in numbers:
            raise UserError(
                f"hydra.sweep.dir={folder}: {run.folder.name} there is of another command; the same one goes "
                "on with a study, also with more values of what it varies, and another folder begins anew."
            )
        if before != list(overrides) and run.folder.parent == folder:
            new = folder / job_folder([*jobs[numbers[found]], *naming], numbers[found])
            moves |= {run.folder: new} if run.folder != new else {}
    _move(moves)


def _command(folder: Path) -> list[str]:
    """What was typed for the study in a folder; nothing where that is not known."""
    from cnnlab.training.folder import RunFolder

    try:
        return RunFolder(folder).overrides()
    except UserError:
        return []


def _move(moves: Mapping[Path, Path]) -> None:
    """Rename folders, some of which may change places."""
    for old, new in moves.items():
        if new.exists() and new not in moves:
            raise UserError(f"{new}: it is in the way of {old.name}, which is the same job.")
    aside = {old: old.with_name(f".{old.name}") for old in moves}
    for old, between in aside.items():
        old.rename(between)
    for old, new in moves.items():
        aside[old].rename(new)


def _remove_if_unused(folder: Path, made: Sequence[Path]) -> None:
    """Leave nothing behind where a mistake was found before the first job.

    Args:
        folder: of the study.
        made: the folders above it that were made for it, the innermost first.
    """
    if [path.name for path in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        with suppress(OSError):  # another study may lie there by now
            for unused in (folder, *made):
                unused.rmdir()


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


def published(
    runs: Sequence["StudyRun"], folder: Path, by: Sequence[str] = (), again: str | None = None
) -> "Comparison":
    """Compare runs, and write the table, all runs as CSV, the figures, and the page into a folder.

    Args:
        runs: at least one.
        folder: of the study.
        by: settings to compare by, in place of all that differ.
        again: the line that the page shows; None is what the folder says was typed.

    Raises:
        UserError: for a setting in ``by`` that no run has.
    """
    from cnnlab.report import study
    from cnnlab.report.comparison import write
    from cnnlab.study.comparison import compare

    comparison = compare(runs, by)
    write(comparison, runs, folder)
    study.write(comparison, folder, again)
    return comparison
