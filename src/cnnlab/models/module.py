"""The LightningModule that every network family shares: one step, sums on the device, one log an epoch."""

import inspect
import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cnnlab.config.ranges import NotNegative, Share
from cnnlab.data.samples import Batch
from cnnlab.data.spec import DataSpec, Kind
from cnnlab.errors import UserError
from cnnlab.models.layers import Network, squared_kernels
from cnnlab.models.objectives import Loss, objective_for
from cnnlab.models.preprocess import Preprocess
from cnnlab.models.steps import Step
from cnnlab.optim.fused import MakeOptimizer, with_rates
from cnnlab.optim.schedules import Schedule

EVALUATED = ("val", "watched_test")
AUTOMATIC_STEPS: Mapping[Kind, tuple[Step, ...]] = {
    "image": ("scale",),
    "tabular": ("featurewise_std",),
    "counts": (),
    "tokens": (),
}


class Sums:
    """Running sums of one part of the data, on its device; reading them is what waits for it.

    Args:
        device: where the losses are computed.
    """

    def __init__(self, device: torch.device) -> None:
        # Doubles, since a float's sum of ones stops growing at 2**24 samples.
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.loss, self.metric = (torch.zeros((), dtype=kind, device=device) for _ in range(2))
        self.count = 0.0

    def add(self, loss: Tensor, metric: Tensor, count: int) -> None:
        """Add a batch: its mean loss, the sum of its metric, its size."""
        self.loss.add_(loss, alpha=count)
        self.metric.add_(metric)
        self.count += count

    def add_totals(self, totals: Sequence[float]) -> None:
        """Add what :meth:`totals` gave, as numbers."""
        loss, metric, count = totals
        self.loss.add_(loss)
        self.metric.add_(metric)
        self.count += count

    def totals(self) -> Tensor:
        """Sum of losses, sum of the metric, number of samples: ``(3,)`` on the device."""
        return torch.stack([self.loss, self.metric, torch.full_like(self.loss, self.count)])


class NetworkModule(pl.LightningModule):
    """A network behind its fitted preprocessing, trained on raw batches.

    A subclass names its :attr:`network_class` and may refuse data in :meth:`check`. Settings that are
    not this class's own go to the network, and stand in the signature as if they were.

    Args:
        spec: shape and classes of the data.
        optimizer: makes the optimizer from the parameters; None where the network is not trained.
        schedule: the learning rate's course; None keeps it.
        preprocess: fitted steps between raw data and network, see :class:`Preprocess`; ``auto`` is ``scale``
            for images, ``featurewise_std`` for tables, and nothing for texts.
        zca_epsilon: added to the variances in the step ``zca``.
        loss: what is minimised; ``auto`` is cross-entropy for classes, the squared error for values.
        label_smoothing: see :class:`CrossEntropy`.

    Raises:
        UserError: if the network cannot take this data.
    """

    network_class: ClassVar[Callable[..., Network]]
    automatic_steps: ClassVar[Mapping[Kind, tuple[Step, ...]]] = AUTOMATIC_STEPS
    # Settings whose effect is in a checkpoint's weights, as a network takes them that is built for it.
    settings_of_restored: ClassVar[Mapping[str, Any]] = {}
    network: Network

    def __init__(
        self,
        spec: DataSpec,
        *,
        optimizer: MakeOptimizer | None = None,
        schedule: Schedule | None = None,
        preprocess: Literal["auto"] | Sequence[Step] = "auto",
        zca_epsilon: NotNegative = 0.0,
        loss: Loss = "auto",
        label_smoothing: Share = 0.0,
        **network: Any,  # noqa: ANN401 - checked by the network's own signature
    ) -> None:
        super().__init__()
        self.check(spec)
        self.spec = spec
        self.make_optimizer, self.schedule = optimizer, schedule
        self.objective = objective_for(spec, loss, label_smoothing)
        steps = self.automatic_steps[spec.kind] if preprocess == "auto" else preprocess
        self.preprocess = Preprocess(spec.input_shape, list(steps), zca_epsilon, spec.feature_names)
        self.network = self.make_network(replace(spec, input_shape=self.preprocess.output_shape), **network)
        self.epoch_rate = 0.0
        self.sums: dict[str, Sums] = {}
        self.restored: dict[str, Sequence[float]] = {}
        self.kept_outputs: list[Tensor] = []
        self.kept_targets: list[Tensor] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        """Show the network's settings in the signature, where the check of a config looks."""
        super().__init_subclass__(**kwargs)
        sources = (NetworkModule.__init__, cls.__init__, cls.network_class)
        found = [p for source in sources for p in inspect.signature(source).parameters.values()]
        spec = next(p for p in found if p.name == "spec")
        keywords = {p.name: p for p in found if p.kind is p.KEYWORD_ONLY}
        cls.__signature__ = inspect.Signature([spec, *keywords.values()])  # type: ignore[attr-defined]

    @property
    def network_dtype(self) -> torch.dtype:
        """Type of what the network takes: ids stay what they are, all else is float32."""
        return torch.int64 if self.spec.kind == "tokens" else torch.float32

    def make_network(self, spec: DataSpec, **settings: Any) -> Network:  # noqa: ANN401
        """Build the network for this data."""
        return self.network_class(spec.input_shape, self.objective.outputs, **settings)

    @classmethod
    @abstractmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data that this family cannot take, in one sentence."""

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set an attribute; the Trainer's note of the current hook without asking what it is.

        The Trainer sets it some forty times a step, and a Module's way is a fifth of a tiny network's step.
        """
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, raw: Tensor) -> Tensor:
        """Outputs of the network for a raw batch: logits ``(batch, outputs)``."""
        outputs: Tensor = self.network(self.preprocess(raw))
        return outputs

    def _shared_step(self, part: str, batch: Batch) -> tuple[Tensor, Tensor]:
        raw, targets = batch
        outputs = self(raw)
        loss, metric = self.objective(outputs, targets, train=part == "train")
        if part not in self.sums:
            self.sums[part] = Sums(loss.device)
            self.sums[part].add_totals(self.restored.pop(part, (0.0, 0.0, 0.0)))
        self.sums[part].add(loss.detach(), metric, len(targets))
        return loss, outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a training batch, with the penalty on the kernels."""
        loss, _ = self._shared_step("train", batch)
        penalised = self.network.penalised()
        return loss + squared_kernels(penalised) if penalised else loss

    # The Trainer asks in each step which arguments it takes; the answer at hand is half a hook cheaper.
    training_step.__signature__ = inspect.signature(training_step)  # type: ignore[attr-defined]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Sum up a batch of validation, or of the watched test set."""
        self._shared_step(EVALUATED[dataloader_idx], batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs for a batch of the test set."""
        _, outputs = self._shared_step("test", batch)
        self.kept_outputs.append(outputs.float().cpu())
        self.kept_targets.append(batch[1].cpu())

    def take_sums(self, part: str) -> dict[str, float]:
        """Mean loss and metrics of a part since the last call, by their logged names."""
        sums = self.sums.pop(part, None)
        if sums is None:
            return {}
        totals = self.trainer.strategy.reduce(sums.totals(), reduce_op="sum")
        loss, metric, count = torch.as_tensor(totals).tolist()
        return {f"{part}/loss": loss / count, f"{part}/{self.objective.metric}": metric / count}

    def on_train_start(self) -> None:
        """Let the loaders go on where a checkpoint left them.

        The Trainer makes them when the schedule asks for the number of steps, before it has read what the
        checkpoint says of them; and behind an epoch's end it does not look at that at all.
        """
        loop = self.trainer.fit_loop
        if loop._combined_loader is not None and loop._combined_loader_states_to_load:
            loop._combined_loader._load_state_dicts(loop._combined_loader_states_to_load)
            loop._combined_loader_states_to_load = []

    def on_train_epoch_start(self) -> None:
        """Note the rate that the epoch begins with."""
        self.epoch_rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def mean_loss(self, part: str) -> float | None:
        """Mean loss of a part so far in the epoch, on this device; None before its first batch."""
        sums = self.sums.get(part)
        return None if sums is None else float(sums.loss) / sums.count

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        self._log(self.take_sums("train") | {"lr": self.epoch_rate})
        for config in self.trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                found = self.trainer.callback_metrics
                if config.monitor not in found:
                    raise UserError(f"schedule.monitor={config.monitor}: there is {', '.join(found)}.")
                self.lr_scheduler_step(config.scheduler, found[config.monitor])

    def on_validation_epoch_end(self) -> None:
        """Log the means of validation and of the watched test set."""
        for part in EVALUATED:
            self._log(self.take_sums(part))

    def _log(self, means: Mapping[str, float]) -> None:
        """Give an epoch's means to the callbacks and, at once, to the loggers.

        Lightning tells its loggers of an epoch after the callbacks have written its checkpoint; a kill in
        between would leave a checkpoint that is ahead of the curves.
        """
        self.log_dict(means, prog_bar=True, logger=False)
        if not means or self.trainer.sanity_checking:
            return
        for logger in self.trainer.loggers:
            logger.log_metrics({**means, "epoch": self.current_epoch}, self.global_step)

    def on_test_epoch_start(self) -> None:
        """Forget the outputs of an earlier test."""
        self.kept_outputs.clear()
        self.kept_targets.clear()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sums of an unfinished epoch, and the rate that it began with."""
        checkpoint["epoch_rate"] = self.epoch_rate
        checkpoint["sums"] = {part: sums.totals().cpu() for part, sums in self.sums.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on summing."""
        self.epoch_rate = float(checkpoint.get("epoch_rate", 0.0))
        self.sums = {}
        self.restored = {part: totals.tolist() for part, totals in checkpoint.get("sums", {}).items()}

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """Groups of parameters with their shares of the learning rate; the first one's is logged."""
        return [(1.0, [p for p in self.parameters() if p.requires_grad])]

    def configure_optimizer(self) -> Optimizer:
        """Make the optimizer of all parameters that are trained.

        Raises:
            RuntimeError: if the module was made without an optimizer.
        """
        if self.make_optimizer is None:
            raise RuntimeError("this module was made without an optimizer")
        return with_rates(self.make_optimizer, self.rates())

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Drop the gradients, without the profiler's record of it."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip where it is asked for; otherwise do not even look."""
        if gradient_clip_val is not None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - one of Lightning's many shapes
        """Optimizer and schedule, as Lightning takes them."""
        optimizer = self.configure_optimizer()
        if self.schedule is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if self.schedule.needs_end and math.isinf(steps):
            raise UserError("schedule: this one needs an end; set trainer.max_epochs or trainer.max_steps.")
        scheduler = self.schedule(optimizer, 0 if math.isinf(steps) else int(steps))
        plan: dict[str, Any] = {"scheduler": scheduler, "interval": self.schedule.interval}
        if self.schedule.monitor is not None:
            # Stepped at the epoch's end by this class, since Lightning does so behind the epoch's checkpoint.
            plan |= {"monitor": self.schedule.monitor, "frequency": sys.maxsize}
        return {"optimizer": optimizer, "lr_scheduler": plan}
