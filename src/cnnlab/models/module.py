"""The LightningModule that every network family shares: one step, sums on the device, one log an epoch."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cnnlab.data.batches import Batch
from cnnlab.data.spec import DataSpec
from cnnlab.errors import TrainingError
from cnnlab.models.layers import Network
from cnnlab.models.objectives import Classification, squared_kernels
from cnnlab.models.preprocess import Preprocess
from cnnlab.optim.schedules import Schedule

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
EVALUATED = ("val", "watched_test")


class NetworkModule(pl.LightningModule):
    """A network behind its fitted preprocessing, trained on raw batches.

    A subclass names its :attr:`network_class` and may refuse data in :meth:`check`. Settings that are
    not this class's own go to the network, and stand in the signature as if they were.

    Args:
        spec: shape and classes of the data.
        optimizer: makes the optimizer from the parameters; None where the network is not trained.
        schedule: the learning rate's course; None keeps it.
        preprocess: fitted steps between raw data and network, see :class:`Preprocess`.
        label_smoothing: see :class:`Classification`.

    Raises:
        UserError: if the network cannot take this data.
    """

    network_class: ClassVar[Callable[..., Network]]
    network: Network

    def __init__(
        self,
        spec: DataSpec,
        *,
        optimizer: MakeOptimizer | None = None,
        schedule: Schedule | None = None,
        preprocess: Sequence[str] = ("scale",),
        label_smoothing: float = 0.0,
        **network: Any,  # noqa: ANN401 - checked by the network's own signature
    ) -> None:
        super().__init__()
        self.check(spec)
        self.spec = spec
        self.make_optimizer, self.schedule = optimizer, schedule
        self.objective = Classification(label_smoothing)
        self.preprocess = Preprocess(spec.input_shape, list(preprocess))
        self.network = self.network_class(spec.input_shape, spec.outputs, **network)
        self.sums: dict[str, Tensor] = {}
        self.kept_outputs: list[Tensor] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401
        """Show the network's settings in the signature, where the check of a config looks."""
        super().__init_subclass__(**kwargs)
        own = list(inspect.signature(NetworkModule.__init__).parameters.values())[1:-1]
        networks = list(inspect.signature(cls.network_class).parameters.values())
        keywords = [p for p in networks if p.kind is p.KEYWORD_ONLY]
        cls.__signature__ = inspect.Signature([*own, *keywords])  # type: ignore[attr-defined]

    @classmethod
    @abstractmethod
    def check(cls, spec: DataSpec) -> None:
        """Refuse data that this family cannot take, in one sentence."""

    def forward(self, raw: Tensor) -> Tensor:
        """Outputs of the network for a raw batch: logits ``(batch, outputs)``."""
        outputs: Tensor = self.network(self.preprocess(raw))
        return outputs

    def _shared_step(self, part: str, batch: Batch) -> tuple[Tensor, Tensor]:
        raw, targets = batch
        outputs = self(raw)
        loss, metrics = self.objective(outputs, targets, train=part == "train")
        count = len(targets)
        row = torch.stack([loss.detach() * count, metrics.to(loss.dtype), loss.new_full((), count)])
        # Doubles, since a float's sum of ones stops growing at 2**24 samples.
        sums = self.sums.get(part)
        self.sums[part] = row.double() if sums is None else sums.add_(row)
        return loss, outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of a training batch, with the penalty on the kernels."""
        loss, _ = self._shared_step("train", batch)
        penalised = self.network.penalised()
        return loss + squared_kernels(penalised) if penalised else loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Sum up a batch of validation, or of the watched test set."""
        self._shared_step(EVALUATED[dataloader_idx], batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs for a batch of the test set."""
        _, outputs = self._shared_step("test", batch)
        self.kept_outputs.append(outputs.float().cpu())

    def take_sums(self, part: str) -> dict[str, float]:
        """Mean loss and metrics of a part since the last call, by their logged names."""
        sums = self.sums.pop(part, None)
        if sums is None:
            return {}
        loss, *metrics, count = self.trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        names = ("loss", *self.objective.names)
        return {f"{part}/{name}": value / count for name, value in zip(names, (loss, *metrics), strict=True)}

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means, and stop where the loss is no number."""
        means = self.take_sums("train")
        loss = means.get("train/loss", 0.0)
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise TrainingError(
                f"the training loss is {loss} in epoch {self.current_epoch}: "
                "a lower optimizer.lr, or trainer.gradient_clip_val=1, may help."
            )
        lr = self.trainer.optimizers[0].param_groups[0]["lr"] if self.trainer.optimizers else 0.0
        self.log_dict(means | {"lr": float(lr)})

    def on_validation_epoch_end(self) -> None:
        """Log the means of validation and of the watched test set."""
        for part in EVALUATED:
            self.log_dict(self.take_sums(part))

    def on_test_epoch_start(self) -> None:
        """Forget the outputs of an earlier test."""
        self.kept_outputs.clear()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sums of an unfinished epoch."""
        checkpoint["sums"] = {part: sums.cpu() for part, sums in self.sums.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on summing."""
        self.sums = {part: sums.to(self.device) for part, sums in checkpoint.get("sums", {}).items()}

    def configure_optimizer(self) -> Optimizer:
        """Make the optimizer of all parameters that are trained.

        Raises:
            RuntimeError: if the module was made without an optimizer.
        """
        if self.make_optimizer is None:
            raise RuntimeError("this module was made without an optimizer")
        return self.make_optimizer(p for p in self.parameters() if p.requires_grad)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - one of Lightning's many shapes
        """Optimizer and schedule, as Lightning takes them."""
        optimizer = self.configure_optimizer()
        if self.schedule is None:
            return optimizer
        scheduler = self.schedule(optimizer, int(self.trainer.estimated_stepping_batches))
        plan: dict[str, Any] = {"scheduler": scheduler, "interval": self.schedule.interval}
        if self.schedule.monitor is not None:
            plan["monitor"] = self.schedule.monitor
        return {"optimizer": optimizer, "lr_scheduler": plan}
