"""``resume``: go on with a run that was interrupted, from its folder alone."""

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import configure_log
from omegaconf import DictConfig, OmegaConf

from cnnlab.cli.isolation import isolated
from cnnlab.config.changed import changes
from cnnlab.config.compose import compose
from cnnlab.errors import UserError, did_you_mean, reason, visible

if TYPE_CHECKING:
    from cnnlab.training.folder import RunFolder
    from cnnlab.training.resuming import Start

# What may change in mid-run: how long it trains, how often it is saved, and where its data lies.
LENGTHS = ("trainer.max_epochs", "trainer.max_time", "callbacks.early_stopping.patience")
CHANGEABLE = (
    *LENGTHS,
    *("callbacks.checkpoint.every_seconds", "data.root", "data.store", "data.path", "data.memory"),
    "data.verify",
)
# Schedules whose whole course depends on the number of epochs.
BENT = {"cnnlab.optim.schedules.OneCycle": "one_cycle", "cnnlab.optim.schedules.Cosine": "cosine"}


def main(words: Sequence[str]) -> int:
    """Train on from the last checkpoint, into the same folder.

    Args:
        words: the run folder, or a file that ``export --to h5`` wrote, and what is to be changed.

    Returns:
        0.

    Raises:
        UserError: if this is no run folder, it holds no state that can be read, or a change is refused.
    """
    if not words or ("=" in words[0] and not os.path.exists(words[0])) or words[0].startswith("-"):
        raise UserError("resume: which run? Say python -m cnnlab resume RUN_FOLDER.")

    from cnnlab.training.folder import RunFolder  # imports torch

    asked = {one.key_or_group: one.value() for one in changes(words[1:])}
    with _run_folder(Path(words[0])) as folder:
        place = RunFolder(folder)
        place.require_plain()
        cfg = _changed(place.config(), asked)
        if (said := _finished(place, asked)) is not None:
            print(visible(said))
            return 0
        start = _start(place, cfg)
        told = [old for old in place.overrides() if old.partition("=")[0] not in asked]

    from cnnlab.cli.ending import ended
    from cnnlab.training.run import run

    with isolated(["resume", *words]):
        _log_into(place.path)
        _say(place, start)
        ended(lambda: run(cfg, place.path, told=[*told, *words[1:]], start=start), place.path)
    return 0


@contextmanager
def _run_folder(path: Path) -> Iterator[Path]:
    """The folder to go on in: the one named, or one made of an exported file, beside it.

    What is made is removed if the run is then refused.
    """
    if path.suffix != ".h5" or not path.is_file():
        yield path
        return

    from cnnlab.export.hdf5 import restore

    folder = restore(path, path.with_suffix("")).path
    try:
        yield folder
    except UserError:
        shutil.rmtree(folder)
        raise
    print(f"{path}: its run is in {folder} from now on")


def _changed(cfg: DictConfig, asked: Mapping[str, object]) -> DictConfig:
    """The config with the changes, checked."""
    from cnnlab.config.check import check  # imports torch

    for key, value in asked.items():
        _allow(cfg, key)
        OmegaConf.update(cfg, key, value)
    check(cfg)
    return cfg


def _start(place: "RunFolder", cfg: DictConfig) -> "Start":
    """The state to go on from.

    Raises:
        UserError: if a finished run has none, or it is ahead of where the training is to end.
    """
    from cnnlab.training.resuming import latest

    start = latest(place)
    if start.path is None and place.is_finished:
        raise UserError(f"{place.path}: the run is finished and has no state from which it could go on.")
    longest = cfg.trainer.max_epochs
    if longest is not None and 0 <= longest < start.begun:
        raise UserError(
            f"trainer.max_epochs={longest}: the run is in epoch {start.begun}; allowed is that or more."
        )
    return start


def _allow(cfg: DictConfig, key: str) -> None:
    """Refuse what would make it another run.

    Raises:
        UserError: in one sentence.
    """
    allowed = [
        name
        for name in CHANGEABLE
        if OmegaConf.select(cfg, name, throw_on_missing=False) is not None
        or name.rpartition(".")[2] in (OmegaConf.select(cfg, name.rpartition(".")[0]) or {})
    ]
    if key not in allowed:
        hint = did_you_mean(key, allowed) or "."
        raise UserError(
            f"resume: {key} cannot change in a run that has begun; what can is {', '.join(allowed)}{hint}"
        )
    bent = BENT.get(str(cfg.schedule._target_))
    if key == "trainer.max_epochs" and bent is not None:
        raise UserError(
            f"resume: trainer.max_epochs cannot change under schedule={bent},"
            " whose whole course depends on the number of epochs."
        )


def _finished(place: "RunFolder", changed: Iterable[str]) -> str | None:
    """What is to be said of a run that is finished and is to train no longer."""
    result = place.result()
    if result is None or result.get("status") != "finished" or set(changed) & set(LENGTHS):
        return None
    return f"{place.path}: the run is finished, after {result.get('epochs')} epochs."


def _log_into(folder: Path) -> None:
    """Log where Hydra has let the run log.

    Raises:
        UserError: if nothing can be written there.
    """
    from cnnlab.training.folder import LOG

    node, path = compose([], with_hydra=True).hydra.job_logging, folder / LOG
    node.handlers.file.filename = str(path)
    try:
        configure_log(node)
    except (OSError, ValueError) as error:  # logging hides the system's own word behind one of its own
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        said = cause.strerror if isinstance(cause, OSError) else None
        raise UserError(f"{path}: cannot be written ({said or reason(cause)}).") from error


def _say(place: "RunFolder", start: "Start") -> None:
    log = logging.getLogger("cnnlab")
    if start.remark is not None:
        log.warning(start.remark)
        print(start.remark)
    where = (
        "there is no checkpoint, so it begins anew"
        if start.path is None
        else f"goes on from {start.path}: epoch {start.begun}, step {start.step}"
    )
    log.info("resumed: %s", where)
    print(f"{place.path}: {where}", flush=True)
