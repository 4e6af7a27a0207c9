"""A loss that is no number: the run stops and says where, or leaves such steps out and counts them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor
from torch.optim import Optimizer

from cnnlab.data.batches import Batches
from cnnlab.data.datamodule import DataModule
from cnnlab.errors import TrainingError, UserError
from cnnlab.models.module import NetworkModule
from cnnlab.training.checkpoint_files import read_checkpoint
from cnnlab.training.folder import RunFolder

OnNaN = Literal["stop", "skip"]
TOGETHER = 64  # losses on a GPU that are looked at together, since looking waits for it
SHOWN_ROWS, KEPT_ROWS = 8, 1000


@dataclass(frozen=True)
class BadStep:
    """A step whose loss is no number; all but the rows are counted from 1.

    Args:
        loss: what it was, ``nan`` or ``inf``.
        step: the optimizer's step.
        epoch: the epoch.
        batch: the batch in the epoch.
        stored: the stored split that the rows count in.
        rows: row numbers of the batch's samples, a thousand at most.
        samples: how many the batch has.
        checkpoint: the last checkpoint with finite weights; None where there is none.
    """

    loss: str
    step: int
    epoch: int
    batch: int
    stored: str
    rows: list[int]
    samples: int
    checkpoint: str | None


class StopOnNaN(Callback):
    """Stop at the first step whose loss is NaN or infinite, and before a checkpoint is written behind it.

    On the CPU that is before the step changes a weight. On a GPU the losses are looked at 64 at a time, at
    the end of an epoch and before each checkpoint: looking at each would make the GPU wait.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pending: list[tuple[int, int, int, Tensor]] = []

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Keep the loss, and look where that costs nothing."""
        on_cpu = loss.device.type == "cpu"
        if on_cpu and math.isfinite(loss.item()):
            return
        place = (trainer.global_step, trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx)
        self.pending.append((*place, loss.detach()))
        if on_cpu or len(self.pending) == TOGETHER:
            self.look(trainer)

    def look(self, trainer: pl.Trainer) -> None:
        """Raise for the first of the losses that came since the last look.

        Raises:
            TrainingError: if one is no number.
        """
        losses = torch.stack([loss for *_, loss in self.pending]).tolist() if self.pending else []
        places = [place for *place, _ in self.pending]
        for i, loss in enumerate(losses):
            if not math.isfinite(loss):
                # What is still to be written behind the step is refused likewise.
                del self.pending[:i]
                raise self._error(trainer, loss, *places[i])
        self.pending.clear()

    def _error(self, trainer: pl.Trainer, loss: float, step: int, epoch: int, batch: int) -> TrainingError:
        loader, data = cast(Batches, trainer.train_dataloader), cast(DataModule, trainer.datamodule)  # type: ignore[attr-defined]
        rows = loader.rows_of(epoch, batch)
        good = last_good(self.folder)
        bad = BadStep(
            loss=str(loss),
            step=step + 1,
            epoch=epoch + 1,
            batch=batch + 1,
            stored=data.splits.train.stored,
            rows=rows[:KEPT_ROWS].tolist(),
            samples=len(rows),
            checkpoint=None if good is None else str(good),
        )
        return TrainingError(
            f"the training loss is {loss} at step {bad.step} (batch {bad.batch} of epoch {bad.epoch}, "
            f"{some(bad.rows, bad.samples)} of {bad.stored}): {ADVICE}; {kept(good)}.",
            asdict(bad),
        )

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look before validation is measured with weights that are no numbers."""
        self.look(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where validation's loss is no number, though that of training still was."""
        require_finite_validation(trainer, self.folder)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the rest of the epoch."""
        self.look(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let no checkpoint be written behind a step that ruined the weights."""
        self.look(trainer)


class SkipOnNaN(Callback):
    """Leave out each step whose loss or gradients are NaN or infinite, and count them.

    The weights, the batch norms' statistics and the epoch's sums stay as before the step. Whether a step is
    left out is known only when its gradients are: on a GPU each step waits for that.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left_out = 0
        self._loss = torch.zeros(())
        self._buffers: list[tuple[Tensor, Tensor]] = []
        self._sums: tuple[Tensor, Tensor, float] | None = None
        self._restored: dict[str, Sequence[float]] = {}
        self._left_out_before = 0

    def state_dict(self) -> dict[str, Any]:
        """How many steps were left out, in all and before this epoch."""
        return {"left_out": self.left_out, "before": self._left_out_before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.left_out = int(state_dict["left_out"])
        self._left_out_before = int(state_dict.get("before", self.left_out))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count anew what the epoch leaves out."""
        self._left_out_before = self.left_out

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's signature
        batch_idx: int,
    ) -> None:
        """Keep what the batches of a step change besides the weights."""
        if batch_idx % trainer.accumulate_grad_batches:
            return
        module = cast(NetworkModule, pl_module)
        self._buffers = [(b, b.clone()) for b in module.network.buffers() if b.is_floating_point()]
        sums = module.sums.get("train")
        self._sums = None if sums is None else (sums.loss.clone(), sums.metric.clone(), sums.count)
        self._restored = dict(module.restored)

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Keep the loss."""
        self._loss = loss.detach()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Take the gradients away where they are no numbers: an optimizer passes over weights without one."""
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms = torch.stack(torch._foreach_norm([p.grad for p in parameters]))
        if bool(self._loss.isfinite() & norms.isfinite().all()):
            return
        self.left_out += 1
        for parameter in parameters:
            parameter.grad = None
        for buffer, before in self._buffers:
            buffer.copy_(before)
        module = cast(NetworkModule, pl_module)
        if self._sums is None:
            del module.sums["train"]
            module.restored = self._restored
        else:
            sums = module.sums["train"]
            sums.loss, sums.metric, sums.count = self._sums

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where no step of an epoch was left, before the weights are measured."""
        if trainer.fit_loop.epoch_loop.batch_idx + 1 == trainer.num_training_batches:
            self._require_some(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Likewise where nothing validates in this epoch."""
        self._require_some(trainer)

    def _require_some(self, trainer: pl.Trainer) -> None:
        steps = trainer.num_training_batches // trainer.accumulate_grad_batches
        if self.left_out - self._left_out_before >= max(steps, 1):
            raise TrainingError(
                f"callbacks.on_nan=skip: all {steps} steps of epoch {trainer.current_epoch + 1} were left "
                f"out, each with a loss or gradients that are no numbers; {ADVICE}.",
                {"epoch": trainer.current_epoch + 1, "steps_left_out": self.left_out},
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where validation's loss is no number."""
        require_finite_validation(trainer, self.folder)


ADVICE = "a lower optimizer.lr, or trainer.gradient_clip_val=1, may help"


def on_nan(action: OnNaN, folder: Path) -> StopOnNaN | SkipOnNaN:
    """Make the callback that a config's ``callbacks.on_nan`` asks for."""
    return StopOnNaN(folder) if action == "stop" else SkipOnNaN(folder)


def require_finite_validation(trainer: pl.Trainer, folder: Path) -> None:
    """Stop a training whose validation loss is no number.

    Raises:
        TrainingError: if it is none.
    """
    loss = float(trainer.callback_metrics.get("val/loss", 0.0))
    if math.isfinite(loss):
        return
    good = last_good(folder)
    step, epoch = trainer.global_step, trainer.current_epoch + 1
    raise TrainingError(
        f"the validation loss is {loss} behind step {step} (epoch {epoch}), "
        f"though the training's was a number: {ADVICE}; {kept(good)}.",
        {"loss": str(loss), "step": step, "epoch": epoch, "checkpoint": good and str(good)},
    )


def kept(checkpoint: Path | None) -> str:
    """Say which checkpoint is there."""
    if checkpoint is None:
        return "there is no good checkpoint yet"
    return f"the last good checkpoint is {checkpoint}"


def last_good(folder: Path) -> Path | None:
    """The latest checkpoint of a run whose weights are all finite; None where there is none."""
    place = RunFolder(folder)
    found = [path for path in (place.last, place.previous, place.best) if path.exists()]
    return next((path for path in found if _is_finite(path)), None)


def _is_finite(path: Path) -> bool:
    try:
        weights = read_checkpoint(path)["state_dict"].values()
    except UserError:  # a damaged one is no good one
        return False
    return all(bool(tensor.isfinite().all()) for tensor in weights if tensor.is_floating_point())


def some(rows: list[int], count: int) -> str:
    """Name some rows of many.

    Examples:
        >>> some([3, 5], 2), some(list(range(10)), 20)
        ('rows 3, 5', 'rows 0, 1, 2, 3, 4, 5, 6, 7 and 12 others')
    """
    more = count - SHOWN_ROWS
    return f"rows {', '.join(map(str, rows[:SHOWN_ROWS]))}" + (f" and {more} others" if more > 0 else "")
