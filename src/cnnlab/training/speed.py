"""How fast it trained: the time of the training batches alone."""

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback

WARM_UP_STEPS = 3


class Speed(Callback):
    """Count samples and seconds of the training batches, without the first three steps and validation.

    An epoch's clock runs from its start (or from the end of the last warm-up step) to the end of its
    last batch, so that the loading of the batches counts and the validation behind them does not.
    """

    def __init__(self) -> None:
        self.samples, self.seconds = 0, 0.0
        self._seen = 0
        self._since: float | None = None
        self._counted = 0

    @property
    def samples_per_second(self) -> float | None:
        """None where there were no more than the warm-up steps."""
        return self.samples / self.seconds if self.seconds else None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._since = time.perf_counter() if self._seen >= WARM_UP_STEPS else None
        self._counted = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Count the batch; read the clock at the epoch's last one."""
        self._seen += 1
        if self._since is None:
            if self._seen == WARM_UP_STEPS:
                self._since = self._now(pl_module)
            return
        self._counted += len(batch[1])
        if batch_idx + 1 == trainer.num_training_batches:
            self.seconds += self._now(pl_module) - self._since
            self.samples += self._counted * trainer.world_size

    @staticmethod
    def _now(pl_module: pl.LightningModule) -> float:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        return time.perf_counter()
