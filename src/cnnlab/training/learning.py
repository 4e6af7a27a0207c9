"""A network that does not learn at all: seen in its first epochs, and said with the likely reason."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from cnnlab.data.batches import Batches
from cnnlab.models.module import NetworkModule
from cnnlab.training.warn import warn

LEARNT = 1e-6  # a loss below it has nothing left to teach
UNCHANGED = 1e-6  # relative change of the loss
SATURATED = 1e-3  # how near to its ends a sigmoid or tanh is to count as stuck there
PROBED = 256  # samples that are looked at to find the reason


class Learning(Callback):
    """Warn of a training that changes nothing, or whose gradients reach no kernel.

    It looks at the epochs 1, 2, 4, 8 and so on, each time at the last step's gradients and at what the epoch
    did to the weights, so that a run of thousands of tiny epochs costs no more; it warns once.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._weights: list[tuple[nn.Parameter, Tensor]] | None = None
        self._changed: bool | None = None
        self._reached = True
        self._loss: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """What was said, the loss that the next one is compared with, and if the epoch has changed a weight.

        Where it has not, the weights that it began with are those of the checkpoint.
        """
        return {"warnings": list(self.warnings), "loss": self._loss, "changed": self._has_changed()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.warnings, self._loss = list(state_dict["warnings"]), state_dict["loss"]
        self._changed = state_dict.get("changed")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on looking at an epoch that is under way: Lightning does not start it once more."""
        self._weights = None if self._changed is None else _copied(pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights of an epoch that is looked at."""
        epoch = trainer.current_epoch + 1
        watched = not self.warnings and epoch & (epoch - 1) == 0
        self._weights = _copied(pl_module) if watched else None
        self._changed, self._reached = None, True

    def _has_changed(self) -> bool | None:
        """Whether the epoch has changed a weight so far; None where it is not looked at."""
        if self._weights is None:
            return None
        return bool(self._changed) or any(not torch.equal(now, before) for now, before in self._weights)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Look whether the last step's gradients reach a kernel."""
        if (
            self._weights is not None
            and trainer.fit_loop.epoch_loop.batch_idx + 1 == trainer.num_training_batches
        ):
            trained = _trained(pl_module)
            kernels = [p for p in trained if p.ndim > 1] or trained
            self._reached = any(p.grad is not None and bool(p.grad.any()) for p in kernels)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Warn where the epoch has taught nothing."""
        module, epoch = cast(NetworkModule, pl_module), trainer.current_epoch + 1
        if self._weights is None:
            return
        loss = module.mean_loss("train")
        # Validation's has neither dropout nor augmentation in it.
        measured = trainer.callback_metrics.get("val/loss")
        before, self._loss = self._loss, None if measured is None else float(measured)
        if loss is None or loss < LEARNT:
            return
        said = ""
        if not self._has_changed():
            said = f"no weight has changed in epoch {epoch}: {self._why(trainer, module)}"
        elif not self._reached:
            said = f"no gradient reaches a kernel in epoch {epoch}: {_stuck(trainer, module)}"
        elif epoch == 2 and _same(before, self._loss):
            said = f"the validation loss has not changed in epoch {epoch}: optimizer.lr may be far too small"
        if said:
            self.warnings.append(said)
            warn(said)

    def _why(self, trainer: pl.Trainer, module: NetworkModule) -> str:
        if not _trained(module):
            return "all layers are frozen"
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        if not any(rates) and module.epoch_rate == 0:
            return "the learning rate is 0 (optimizer.lr)"
        if not self._reached:
            return _stuck(trainer, module)
        return f"with a learning rate of {max(rates):g} the steps are smaller than the weights' precision"


def _same(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and abs(now - before) <= UNCHANGED * abs(before)


def _copied(module: pl.LightningModule) -> list[tuple[nn.Parameter, Tensor]]:
    """The weights that are trained, each with what it is now."""
    return [(p, p.detach().clone()) for p in _trained(module)]


def _trained(module: pl.LightningModule) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]


def _stuck(trainer: pl.Trainer, module: NetworkModule) -> str:
    """Say in which layer the gradient ends, from some training samples."""
    loader = cast(Batches, trainer.train_dataloader)
    rows = loader.rows[:PROBED].to(loader.samples.device)
    inputs, _ = loader.samples.batch(rows, torch.Generator())
    found: list[str] = []

    def look(name: str, layer: nn.Module) -> None:
        def after(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if reason := stuck(layer, output):
                found.append(f"{name} ({type(layer).__name__}) {reason}")

        hooks.append(layer.register_forward_hook(after))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    training = [part for part in module.modules() if part.training]
    for name, layer in module.network.named_modules():
        look(name, layer)
    try:
        with torch.no_grad(), trainer.strategy.precision_plugin.forward_context():
            module.eval()(inputs.to(module.device))
    finally:
        for hook in hooks:
            hook.remove()
        for part in training:
            part.training = True
    return found[0] if found else "the gradients of the last batch are all zero"


def stuck(layer: nn.Module, output: Tensor) -> str:
    """Why no gradient passes an activation; empty where one does, and for any other layer.

    Args:
        layer: it.
        output: what it gave for some samples.

    Examples:
        >>> stuck(nn.ReLU(), torch.zeros(8, 4))
        'gives 0 for every sample: dead units, for which model.init=he or a lower optimizer.lr may help'
        >>> stuck(nn.ReLU(), torch.eye(4)), stuck(nn.Linear(1, 1), torch.zeros(8, 4))
        ('', '')
    """
    if isinstance(layer, nn.ReLU) and not bool(output.any()):
        return (
            "gives 0 for every sample: dead units, for which model.init=he or a lower optimizer.lr may help"
        )
    ends = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}.get(type(layer))
    if ends and bool(((output - ends[0]).abs().minimum((output - ends[1]).abs()) < SATURATED).all()):
        return "is saturated for every sample: a model.preprocess or a lower optimizer.lr may help"
    return ""
