"""Checkpoints: written beside their target and renamed, read as tensors and plain containers only."""

import math
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from cnnlab.errors import UserError, reason
from cnnlab.files import replacing
from cnnlab.models.objective import Objective

AUTO = "auto"
Direction = Literal["min", "max"]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, but a kill or a full disk never leaves half of one.

    Lightning itself writes by way of TMPDIR, which may be another file system.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any | None = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write one checkpoint whole or not at all."""
        with replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def followed(pl_module: pl.LightningModule) -> tuple[str, Direction]:
    """Validation's name of what a module's objective is followed by, and which way is better."""
    objective = pl_module.objective
    if not isinstance(objective, Objective):
        raise TypeError(f"{type(pl_module).__name__} has no objective")
    if objective.higher_is_better:
        return f"val/{objective.metric}", "max"
    return "val/loss", "min"


class Stopping(EarlyStopping):
    """Lightning's EarlyStopping; with the monitor ``auto`` it looks at what the best epoch is chosen by."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look at what the network's objective is followed by, where the config leaves it open."""
        if self.monitor == AUTO:
            self.monitor, self.mode = followed(pl_module)
            self.min_delta = abs(self.min_delta) * (1 if self.mode == "max" else -1)
            self.best_score = torch.tensor(math.inf if self.mode == "min" else -math.inf)
        super().setup(trainer, pl_module, stage)


class BestAndLast(ModelCheckpoint):
    """Lightning's ModelCheckpoint, keeping the best epoch and the last; of equal epochs the later one.

    On a small validation set many epochs are equal, and under a falling rate the later is the better one.
    """

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


def load_weights(module: nn.Module, path: Path) -> int:
    """Put the weights of a checkpoint into a module of the same shape.

    Returns:
        The epoch that they are of, counted from 1.

    Raises:
        UserError: if the file cannot be read, or belongs to another network.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(checkpoint["state_dict"])
        return int(checkpoint["epoch"]) + 1
    except Exception as error:  # whatever rubbish makes torch's reader stumble over
        raise UserError(f"{path}: not a checkpoint of this network ({reason(error)}).") from error
