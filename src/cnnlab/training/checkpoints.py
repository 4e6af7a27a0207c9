"""When a checkpoint is written, and which ones are kept: the best epoch, and the last state."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from cnnlab.config.ranges import Count, NotNegative
from cnnlab.models.objective import Objective
from cnnlab.training.checkpoint_files import AtomicCheckpointIO, load_weights
from cnnlab.training.folder import LAST
from cnnlab.training.interruptions import Interruption

__all__ = ["AtomicCheckpointIO", "BestAndLast", "Stopping", "followed", "load_weights"]

AUTO = "auto"
Direction = Literal["min", "max"]


def followed(pl_module: pl.LightningModule) -> tuple[str, Direction]:
    """Validation's name of what a module's objective is followed by, and which way is better."""
    objective = pl_module.objective
    if not isinstance(objective, Objective):
        raise TypeError(f"{type(pl_module).__name__} has no objective")
    if objective.higher_is_better:
        return f"val/{objective.metric}", "max"
    return "val/loss", "min"


class Stopping(EarlyStopping):
    """Lightning's EarlyStopping; with the monitor ``auto`` it looks at what the best epoch is chosen by.

    A training that had stopped stays so when it is resumed, but for a new patience.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look at what the network's objective is followed by, where the config leaves it open."""
        if self.monitor == AUTO:
            self.monitor, self.mode = followed(pl_module)
            self.min_delta = abs(self.min_delta) * (1 if self.mode == "max" else -1)
            self.best_score = torch.tensor(math.inf if self.mode == "min" else -math.inf)
        super().setup(trainer, pl_module, stage)

    @property
    def state_key(self) -> str:
        """Name of its state in a checkpoint, which Lightning would format anew at every hook."""
        return "Stopping"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on waiting; the patience is the config's."""
        patience = self.patience
        super().load_state_dict(state_dict)
        if self.patience != patience:
            self.patience, self.stopped_epoch = patience, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say once more that the training is at its end, which Lightning forgets."""
        if self.stopped_epoch or self.wait_count >= max(self.patience, 1):
            trainer.should_stop = True


class BestAndLast(ModelCheckpoint):
    """Keeps the best epoch and the last state; of equal epochs the later one.

    On a small validation set many epochs are equal, and under a falling rate the later is the better one.
    The last state is written at each epoch's end, within an epoch every so many seconds, and when the run is
    interrupted. With several devices, which would have to agree on the moment, it is written between epochs
    only.

    Args:
        dirpath: folder of the checkpoints.
        filename: name of the best one.
        monitor: what the best epoch is chosen by; ``auto`` is what the network's objective is followed by.
        mode: which way is better.
        save_last: whether the last state is kept.
        save_top_k: 0 chooses no best epoch.
        every_n_epochs: epochs between two writings of the last state, where an epoch is a few steps.
        every_seconds: time between two states of an unfinished epoch; 0 is after every step, None is never.
        save_on_train_epoch_end: see Lightning's ModelCheckpoint, likewise what follows.
        enable_version_counter: likewise.
        auto_insert_metric_name: likewise.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str | None = None,
        monitor: str | None = None,
        mode: str = "min",
        save_last: bool | None = None,
        save_top_k: Literal[0, 1] = 1,
        every_n_epochs: Count = 1,
        every_seconds: NotNegative | None = 60.0,
        save_on_train_epoch_end: Literal[True] | None = None,
        enable_version_counter: bool = True,
        auto_insert_metric_name: bool = True,
    ) -> None:
        super().__init__(
            dirpath=dirpath,
            filename=filename,
            monitor=monitor,
            mode=mode,
            save_last=save_last,
            save_top_k=save_top_k,
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=save_on_train_epoch_end,
            enable_version_counter=enable_version_counter,
            auto_insert_metric_name=auto_insert_metric_name,
        )
        self.every_seconds = every_seconds
        self.interruption: Interruption | None = None
        self._saved_at = 0.0
        self._saved_step: int | None = None
        self._validated = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look at what the network's objective is followed by, where the config leaves it open."""
        super().setup(trainer, pl_module, stage)
        if self.monitor == AUTO:
            self.monitor, self.mode = followed(pl_module)
            self.kth_value = torch.tensor(math.inf if self.mode == "min" else -math.inf)

    @property
    def state_key(self) -> str:
        """Name of its state in a checkpoint, which Lightning would format anew at every hook."""
        return "BestAndLast"

    def check_monitor_top_k(self, trainer: pl.Trainer, current: Tensor | None = None) -> bool:
        """Say whether the current epoch is to be kept as the best."""
        equal = current is not None and self.best_model_score is not None and current == self.best_model_score
        return bool(equal) or super().check_monitor_top_k(trainer, current)

    def save_state(self, trainer: pl.Trainer) -> None:
        """Write the last state."""
        self._save_checkpoint(trainer, str(Path(self.dirpath or "") / LAST))
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the seconds from here."""
        self._saved_at = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between two epochs where that was asked for; with no state of the last, after a step more."""
        kept = not self.save_last or self._saved_step == trainer.global_step
        if self.interruption is not None and self.interruption.asked and kept:
            self.interruption.stop()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Write the state of the unfinished epoch where it is time, or where the run is to stop."""
        asked = self.interruption is not None and self.interruption.asked
        due = self.every_seconds is not None and time.monotonic() - self._saved_at >= self.every_seconds
        if not (asked or due) or not self.save_last or not _within_epoch(trainer):
            return
        self.save_state(trainer)
        if asked and self.interruption is not None:
            self.interruption.stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that the epoch has been validated."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the best epoch's state, if this is it, and the last."""
        # An epoch without validation still shows the metrics of the one before.
        if self._validated or not str(self.monitor).startswith("val/"):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
        self._validated = False
        number = trainer.current_epoch + 1
        asked = self.interruption is not None and self.interruption.asked is not None
        ends = trainer.should_stop or number == trainer.max_epochs or trainer.global_step == trainer.max_steps
        if self.save_last and (ends or asked or number % self._every_n_epochs == 0):
            self.save_state(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do nothing: the last epoch's end has written its state."""

    def state_dict(self) -> dict[str, Any]:
        """Best epoch so far, without its place: a run folder may be moved."""
        return {"best_model_score": self.best_model_score, "validated": self._validated}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Know the best epoch again."""
        self._validated = bool(state_dict["validated"])
        score = state_dict["best_model_score"]
        if score is not None:
            self.best_model_path = self.format_checkpoint_name({})
            self.kth_best_model_path = self.best_model_path
            self.best_k_models = {self.best_model_path: score}
            self.best_model_score = self.kth_value = self.current_score = score


def _within_epoch(trainer: pl.Trainer) -> bool:
    """Whether Lightning goes on exactly from here: neither in a sum of gradients nor before a validation."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
    return (
        trainer.world_size == 1
        and not loop._is_training_done
        and not loop._should_accumulate()
        and fetcher is not None
        and not loop._should_check_val_fx(fetcher)
    )
