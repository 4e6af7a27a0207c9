"""The callbacks of a run from its config, refused before data is read where they do not fit the network."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from cnnlab.config.make import make
from cnnlab.errors import UserError, did_you_mean
from cnnlab.models.module import NetworkModule
from cnnlab.training.checkpoints import AUTO, BestAndLast
from cnnlab.training.folder import CHECKPOINTS
from cnnlab.training.learning import Learning
from cnnlab.training.on_nan import SkipOnNaN, StopOnNaN, on_nan
from cnnlab.training.speed import Speed

FALLING = ("loss", "mae")


@runtime_checkable
class Choosy(Protocol):
    """A callback that does not fit every network or Trainer."""

    def require(self, module: NetworkModule, trainer: DictConfig) -> None:
        """Refuse what it does not fit, in one sentence."""


@dataclass(frozen=True)
class Callbacks:
    """The callbacks of a run.

    Args:
        speed: measures it.
        on_nan: looks at the losses.
        learning: looks whether anything is learnt.
        checkpoint: keeps the best and the last.
        others: what the config names besides.
    """

    speed: Speed
    on_nan: StopOnNaN | SkipOnNaN
    learning: Learning
    checkpoint: BestAndLast
    others: list[pl.Callback]

    def all(self) -> list[pl.Callback]:
        """All of them, in the order in which the Trainer calls them."""
        return [self.speed, self.on_nan, *self.others, self.learning, self.checkpoint]


def make_callbacks(cfg: DictConfig, module: NetworkModule, folder: Path) -> Callbacks:
    """Make the callbacks of a run.

    Args:
        cfg: the whole config, checked.
        module: the network that they shall watch.
        folder: the run folder; nothing is written yet.

    Raises:
        UserError: if one does not fit the network, or would follow a metric that there is not.
    """
    require_monitors(cfg, module.objective.metric)
    made: dict[str, pl.Callback] = {
        name: make(
            f"callbacks.{name}",
            node,
            **({"dirpath": str(folder / CHECKPOINTS)} if name == "checkpoint" else {}),
        )
        for name, node in cfg.callbacks.items()
        if OmegaConf.is_config(node)
    }
    for callback in made.values():
        if isinstance(callback, Choosy):
            callback.require(module, cfg.trainer)
    checkpoint = made.pop("checkpoint")
    if not isinstance(checkpoint, BestAndLast):
        raise UserError("callbacks.checkpoint: it is no checkpoint.")
    action = cfg.callbacks.get("on_nan", "stop")
    return Callbacks(Speed(), on_nan(action, folder), Learning(), checkpoint, list(made.values()))


def require_monitors(cfg: DictConfig, metric: str) -> None:
    """Refuse to follow what a run does not measure, or to take worse values for better ones.

    Args:
        cfg: the whole config.
        metric: what the objective measures beside the loss.

    Raises:
        UserError: with the names that there are.

    Examples:
        >>> from cnnlab.config.compose import compose
        >>> require_monitors(compose(["schedule=plateau", "schedule.monitor=val/mae"]), "accuracy")
        Traceback (most recent call last):
        cnnlab.errors.UserError: schedule.monitor=val/mae: this run has no such metric; it has val/accuracy,
        val/loss, train/accuracy, train/loss.
    """
    there = [f"{part}/{name}" for part in ("val", "train") for name in (metric, "loss")]
    for place, node in monitoring(cfg):
        if node.monitor == AUTO:
            continue
        if node.monitor not in there:
            near = did_you_mean(node.monitor, there)
            raise UserError(
                f"{place}.monitor={node.monitor}: this run has no such metric{near or ';'} "
                f"it has {', '.join(there)}."
            )
        better = "min" if node.monitor.endswith(FALLING) else "max"
        if node.get("mode", better) != better:
            way = "lower" if better == "min" else "higher"
            raise UserError(
                f"{place}.mode={node.mode}: a {way} {node.monitor} is better; say {place}.mode={better}."
            )


def monitoring(cfg: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    """Every node that follows a metric, with its place in the config."""
    nodes = {"schedule": cfg.schedule} | {f"callbacks.{name}": node for name, node in cfg.callbacks.items()}
    for place, node in nodes.items():
        if OmegaConf.is_config(node) and node.get("monitor") is not None:
            yield place, node
