"""``resume``: go on with a run that was interrupted, from its folder alone."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import configure_log
from omegaconf import DictConfig, OmegaConf

from cnnlab.cli.isolation import isolated
from cnnlab.config.changed import changes
from cnnlab.config.compose import compose
from cnnlab.errors import UserError, did_you_mean, visible

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
    if not words or "=" in words[0] or words[0].startswith("-"):
        raise UserError("resume: which run? Say python -m cnnlab resume RUN_FOLDER.")

    from cnnlab.training.folder import RunFolder  # imports torch

    place = RunFolder(_run_folder(Path(words[0])))
    place.require_plain()
    cfg, asked = place.config(), {one.key_or_group: one.value() for one in changes(words[1:])}

    from cnnlab.cli.ending import ended
    from cnnlab.config.check import check
    from cnnlab.training.resuming import latest
    from cnnlab.training.run import run

    for key, value in asked.items():
        _allow(cfg, key)
        OmegaConf.update(cfg, key, value)
    check(cfg)
    if (said := _finished(place, list(asked))) is not None:
        print(visible(said))
        return 0
    start = latest(place)
    _long_enough(cfg, start)
    told = [old for old in place.overrides() if old.partition("=")[0] not in asked]
    with isolated(["resume", *words]):
        _log_into(place.path)
        _say(place, start)
        ended(lambda: run(cfg, place.path, told=[*told, *words[1:]], start=start), place.path)
    return 0


def _run_folder(path: Path) -> Path:
    """The folder to go on in: the one named, or one made of an exported file, beside it."""
    if path.suffix != ".h5" or not path.is_file():
        return path

    from cnnlab.export.hdf5 import restore

    place = restore(path, path.with_suffix(""))
    print(f"{path}: its run is in {place.path} from now on")
    return place.path


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


def _finished(place: "RunFolder", changed: Sequence[str]) -> str | None:
    """What is to be said of a run that is finished and is to train no longer."""
    result = place.result()
    if result is None or result.get("status") != "finished" or set(changed) & set(LENGTHS):
        return None
    return f"{place.path}: the run is finished, after {result.get('epochs')} epochs."


def _long_enough(cfg: DictConfig, start: "Start") -> None:
    longest = cfg.trainer.max_epochs
    if longest is not None and 0 <= longest < start.begun:
        raise UserError(
            f"trainer.max_epochs={longest}: the run is in epoch {start.begun}; allowed is that or more."
        )


def _log_into(folder: Path) -> None:
    """Log where Hydra has let the run log."""
    from cnnlab.training.folder import LOG

    node = compose([], with_hydra=True).hydra.job_logging
    node.handlers.file.filename = str(folder / LOG)
    configure_log(node)


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
