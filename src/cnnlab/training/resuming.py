"""Going on from a run folder: from which state, and what of it Lightning does not restore by itself."""

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback

from cnnlab.errors import Pruned, Refusal, UserError, reason
from cnnlab.training.checkpoint_files import read_checkpoint
from cnnlab.training.folder import RESULT, RunFolder
from cnnlab.training.loggers import EpochRecords
from cnnlab.training.metrics_csv import Row
from cnnlab.training.result import Result, as_result, config_fingerprint

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Start:
    """Where a run begins: with nothing, or with a checkpoint.

    Args:
        path: the checkpoint; None is none.
        epochs: how many epochs are complete.
        begun: how many epochs are begun.
        step: how many steps are done.
        seconds: how long it has taken.
        open_row: what is measured already of the epoch that is under way.
        data_fingerprint: of the data that it was trained on.
        remark: what has to be said of the files.
    """

    path: Path | None = None
    epochs: int = 0
    begun: int = 0
    step: int = 0
    seconds: float = 0.0
    open_row: Row = field(default_factory=dict)
    data_fingerprint: str | None = None
    remark: str | None = None


def left_before(cfg: DictConfig, place: RunFolder) -> tuple[Result | None, Start | None]:
    """What an earlier training of the same config left in its folder.

    Args:
        cfg: the config that is to be trained.
        place: its folder, which may hold anything or not exist.

    Returns:
        The result of a finished one, or the state from which one goes on that was interrupted or ended by
        its surroundings (a full disk, say), or neither.
    """
    asked = config_fingerprint(cfg)
    with suppress(UserError):  # nothing there, or nothing that can be read
        found = place.result() or {}
        if found.get("status") == "finished" and found.get("config_fingerprint") == asked:
            return as_result(found, place.path / RESULT), None
        # Where the training itself is at fault, its state leads there once more.
        unfinished = found.get("status", INTERRUPTED) in (INTERRUPTED, "failed") and not found.get("failure")
        if (
            unfinished
            and config_fingerprint(place.config()) == asked
            and (start := latest(place)).path is not None
        ):
            return None, start
    return None, None


def latest(place: RunFolder) -> Start:
    """Find the last state of a run; where that file is damaged, the one before takes its place.

    Raises:
        UserError: if there are checkpoints, and none can be read.
    """
    failures: list[str] = []
    for path in (place.last, place.previous):
        if not path.exists():
            continue
        try:
            checkpoint = read_checkpoint(path)
            found = _start(path, checkpoint)
        except UserError as error:
            failures.append(str(error).rstrip("."))
            continue
        if path != place.last:
            path.replace(place.last)
        remark = f"{failures[0]}; the state before it is taken." if failures else None
        return Start(place.last, **found, remark=remark)
    if failures:
        raise UserError(f"{'; '.join(failures)}: there is no state to go on from.")
    return Start()


def _start(path: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    try:
        state = checkpoint["run"]
        return {
            "epochs": int(state["epochs"]),
            "begun": int(state["begun"]),
            "step": int(checkpoint["global_step"]),
            "seconds": float(state["seconds"]),
            "open_row": {str(name): float(value) for name, value in state["open_row"].items()},
            "data_fingerprint": str(state["data_fingerprint"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: a checkpoint that does not say how far its run was.") from error


class RunState(Callback):
    """What a checkpoint holds beside Lightning's own: how far the run is, and all random states.

    Args:
        records: the run's rows.
    """

    def __init__(self, records: EpochRecords) -> None:
        self.records, self.data_fingerprint = records, ""
        self._random: Mapping[str, Any] | None = None
        self._metrics: Mapping[str, Any] = {}
        self._goes_on = False

    @contextmanager
    def doubted(self, path: Path | None) -> Iterator[None]:
        """Blame the checkpoint for what goes wrong before there is a state behind it.

        Args:
            path: the checkpoint; None is none.

        Raises:
            UserError: if that cannot be gone on from.
        """
        try:
            yield
        except (Refusal, Pruned, OSError):
            raise
        except Exception as error:  # whatever Lightning stumbles over
            if path is None or self._goes_on:
                raise
            logging.getLogger("cnnlab").info("the state cannot be gone on from", exc_info=True)
            raise UserError(
                f"{path}: not a state that this run can go on from ({type(error).__name__}: {reason(error)})."
            ) from error

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add this run's state."""
        end_epoch(checkpoint["loops"]["fit_loop"])
        progress = trainer.fit_loop.epoch_progress.current.state_dict()
        checkpoint["run"] = {
            "epochs": progress["processed"],
            "begun": progress["started"],
            "seconds": self.records.seconds,
            "open_row": dict(self.records.open_row),
            "data_fingerprint": self.data_fingerprint,
            "metrics": {name: value.cpu() for name, value in trainer.callback_metrics.items()},
            "random": random_states(),
        }
        self._goes_on = True

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what is to be set later."""
        self._random = checkpoint["run"]["random"]
        self._metrics = dict(checkpoint["run"]["metrics"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the metrics of the epoch before to the callbacks, as if there had been no break.

        Raises:
            ValueError: if the checkpoint has something else where optimizer and schedule need numbers.
        """
        if self._random is not None:  # a checkpoint was loaded
            _require_numbers(trainer)
        trainer.callback_metrics.update(self._metrics)

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's signature
        batch_idx: int,
    ) -> None:
        """Draw on from where the checkpoint was written, whatever has drawn since."""
        if self._random is not None:
            set_random_states(self._random)
            self._random = None


def _require_numbers(trainer: pl.Trainer) -> None:
    """Look at what a checkpoint has put into optimizers and schedules.

    Raises:
        ValueError: if it has something else where they need numbers.
    """
    for optimizer in trainer.optimizers:
        for key, own in optimizer.defaults.items():
            if not all(_stands_for(group.get(key), own) for group in optimizer.param_groups):
                raise ValueError(f"{key} of the optimizer is not what it has to be")
    for config in trainer.lr_scheduler_configs:
        rates = getattr(config.scheduler, "base_lrs", [])
        if not _stands_for(rates, [1.0] * len(rates)):
            raise ValueError("base_lrs of the schedule are not what they have to be")


def _stands_for(found: Any, own: Any) -> bool:  # noqa: ANN401 - whatever a checkpoint may hold
    """Whether numbers stand where an optimizer's or a schedule's own settings have numbers."""
    if isinstance(own, (list, tuple)):
        same = isinstance(found, (list, tuple)) and len(found) == len(own)
        return same and all(_stands_for(one, other) for one, other in zip(found, own, strict=True))
    return isinstance(found, (int, float)) or not isinstance(own, (int, float))


def end_epoch(loops: dict[str, Any]) -> None:
    """Let the counts of an epoch whose end hooks are running look as behind them.

    Lightning counts the epoch as complete only after its checkpoint, and with ``max_steps`` would repeat its
    end.

    Args:
        loops: state of the Trainer's fit loop; changed in place.
    """
    epochs, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    if epochs["current"]["processed"] < epochs["current"]["started"]:
        return
    for counts in (epochs["total"], epochs["current"]):
        counts["completed"] = counts["processed"]
    batches["current"] = dict.fromkeys(batches["current"], 0)
    batches["is_last_batch"] = False
    # Where an epoch is cut short, its loader is still in the midst of it.
    for loader in loops["state_dict"].get("combined_loader", []):
        loader["step"] = 0


def random_states() -> dict[str, Any]:
    """States of all generators that a training may draw from, as tensors and plain containers.

    Examples:
        >>> states = random_states()
        >>> first = torch.rand(2), random.random(), np.random.rand()
        >>> set_random_states(states)
        >>> (torch.rand(2) == first[0]).all().item(), (random.random(), np.random.rand()) == first[1:]
        (True, True)
    """
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Set all generators as they were when :func:`random_states` was called."""
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, inner, gauss = states["python"]
    random.setstate((version, tuple(inner), gauss))
