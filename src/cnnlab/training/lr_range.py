"""The learning-rate range test: train a fresh network while the rate rises, and see where the loss falls.

Smith, Cyclical Learning Rates for Training Neural Networks, 2017.
"""

import contextlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from cnnlab.config.make import make
from cnnlab.errors import TrainingError, UserError
from cnnlab.training.build import build
from cnnlab.training.features import served
from cnnlab.training.interruptions import Interruption, explained
from cnnlab.training.process import settled, without_idle_warnings
from cnnlab.training.trainer import build_trainer

Floats = NDArray[np.float64]

SMOOTHING = 0.9  # share of what was before, in the running mean of the losses
DIVERGED = 4.0  # times the least loss
SKIPPED_SHARE = 0.1  # of the steps, in which the running mean is still of few losses


@dataclass
class RangeTest(pl.Callback):
    """Raise the rate by the same factor at each step, keep the losses, and stop where they explode.

    Args:
        lowest: rate of the first step.
        highest: rate of the last one.
        steps: their number.
    """

    lowest: float
    highest: float
    steps: int
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note which share of the rate each group of parameters has."""
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        self.shares = [rate / rates[0] if rates[0] else 1.0 for rate in rates]

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's signature
        batch_idx: int,
    ) -> None:
        """Set the rate of this step."""
        position = len(self.rates) / max(self.steps - 1, 1)
        rate = self.lowest * (self.highest / self.lowest) ** position
        self.rates.append(rate)
        for group, share in zip(trainer.optimizers[0].param_groups, self.shares, strict=True):
            group["lr"] = rate * share

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Keep the loss, and stop where it is a multiple of the least."""
        loss: Tensor = outputs["loss"]
        self.losses.append(float(loss))
        smoothed = running_mean(np.array(self.losses))
        least = float(smoothed.min())
        if not math.isfinite(self.losses[-1]) or smoothed[-1] > DIVERGED * max(least, 1e-12):
            trainer.should_stop = True


@dataclass(frozen=True)
class LossByRate:
    """What a range test found.

    Args:
        rates: of each step (N,).
        losses: of each step's batch (N,).
    """

    rates: Floats
    losses: Floats

    @property
    def smoothed(self) -> Floats:
        """Running mean of the losses (N,)."""
        return running_mean(self.losses)

    @property
    def suggestion(self) -> float | None:
        """See :func:`steepest`."""
        return steepest(self.rates, self.smoothed)


def lr_range_test(cfg: DictConfig, *, lowest: float, highest: float, steps: int, folder: Path) -> LossByRate:
    """Train a fresh network for some steps while the rate rises; no weights are kept, no run is touched.

    Args:
        cfg: a checked config; its schedule is left out.
        lowest: rate of the first step.
        highest: rate of the last.
        steps: their number; fewer are taken where the loss explodes before.
        folder: where the Trainer would write, had it anything to write.

    Raises:
        UserError: for a mistake in the config or the data.
        TrainingError: if memory does not suffice.
    """
    data, model = build(cfg)
    model.schedule = make("schedule", OmegaConf.create({"_target_": "cnnlab.optim.schedules.Constant"}))
    settings: Any = OmegaConf.to_container(cfg.trainer, resolve=True)
    settings |= {
        "max_epochs": -1,
        "max_steps": steps,
        "limit_val_batches": 0,
        "enable_checkpointing": False,
    }
    test = RangeTest(lowest, highest, steps)
    with without_idle_warnings(), Interruption().watched():
        trainer = build_trainer(
            OmegaConf.create(settings), model.network, folder, callbacks=[test], loggers=[]
        )
        data.prepare_data()
        data.setup()
        if not model.preprocess.all_fitted:
            model.preprocess.fit(data.training_blocks(model.preprocess.block_length))
        # A loss that is no number ends a training; here it is what was looked for.
        with settled(), explained(trainer), contextlib.suppress(TrainingError):
            trainer.fit(model, datamodule=served(data, model, trainer))
    number = len(test.losses)
    if not number:
        raise UserError(f"trainer.limit_train_batches={cfg.trainer.limit_train_batches}: no step was taken.")
    return LossByRate(np.array(test.rates[:number]), np.array(test.losses))


def running_mean(losses: Floats) -> Floats:
    """Exponential running mean, corrected for its start as Adam's are (Kingma and Ba 2015).

    Examples:
        >>> running_mean(np.array([2.0, 2.0, 2.0])).round(6).tolist()
        [2.0, 2.0, 2.0]
    """
    means, mean = [], 0.0
    for step, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * float(loss)
        means.append(mean / (1 - SMOOTHING**step))
    return np.array(means)


def steepest(rates: Floats, smoothed: Floats) -> float | None:
    """Find the rate at which the loss falls fastest on the way to its least value; None where it never falls.

    Args:
        rates: rising by the same factor (N,).
        smoothed: losses without most of their noise (N,).

    Examples:
        >>> rates = np.logspace(-5, 0, 101)
        >>> losses = 1 / (1 + (rates / 1e-3) ** 2)  # falls fastest, by the logarithm of the rate, at 1e-3
        >>> round(steepest(rates, losses), 5)
        0.001
    """
    first = int(SKIPPED_SHARE * len(smoothed))
    finite = np.where(np.isfinite(smoothed), smoothed, np.inf)
    if len(finite) < 3 or first >= (least := int(np.argmin(finite))):
        return None
    slope = np.gradient(finite[first : least + 1]) if least - first else np.zeros(1)
    return float(rates[first + int(np.argmin(slope))]) if slope.min() < 0 else None
