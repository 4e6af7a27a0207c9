"""Courses of the learning rate: each is a small value that makes a torch scheduler for an optimizer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from cnnlab.config.ranges import Count, Fraction, NotNegative, Positive, Share, UpToOne, Whole
from cnnlab.errors import UserError

Interval = Literal["step", "epoch"]


class Schedule(Protocol):
    """What the training calls: an optimizer and the number of steps in, a torch scheduler out."""

    interval: ClassVar[Interval]
    needs_end: ClassVar[bool]
    """Whether its course depends on the number of steps."""

    @property
    def monitor(self) -> str | None:
        """Name of the metric that steers it, if any."""

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler."""


def _factors(optimizer: Optimizer, rate: Callable[[int, float], float]) -> LambdaLR:
    """Scheduler whose rate is ``rate(position, initial rate)``; groups of parameters keep their shares."""
    base = float(optimizer.defaults["lr"])
    return LambdaLR(optimizer, lambda position: rate(position, base) / base if base else 0.0)


def _shares(optimizer: Optimizer) -> list[float]:
    """Rate of each group of parameters, divided by the optimizer's own."""
    base = float(optimizer.defaults["lr"])
    return [float(group["lr"]) / base if base else 1.0 for group in optimizer.param_groups]


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Keep the optimizer's rate."""

    interval: ClassVar[Interval] = "epoch"
    needs_end: ClassVar[bool] = False
    monitor: ClassVar[str | None] = None

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped once an epoch."""
        return _factors(optimizer, lambda epoch, base: base)


@dataclass(frozen=True, kw_only=True)
class StepHalving:
    """Multiply the rate by ``factor`` every so many epochs, down to a floor.

    ``max(lr * factor ** floor((epoch + offset) / every_n_epochs), floor)``, epochs counted from 0.

    Args:
        factor: 0.5 halves.
        every_n_epochs: epochs between two cuts.
        offset: epochs by which the cuts come sooner.
        floor: the rate never falls below it.

    Examples:
        >>> from torch import nn, optim
        >>> optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.001)
        >>> scheduler = StepHalving(every_n_epochs=2)(optimizer, 100)
        >>> for _ in range(4): optimizer.step(); scheduler.step()
        >>> optimizer.param_groups[0]["lr"]
        0.00025
    """

    interval: ClassVar[Interval] = "epoch"
    needs_end: ClassVar[bool] = False
    monitor: ClassVar[str | None] = None

    factor: UpToOne = 0.5
    every_n_epochs: Count = 10
    offset: Whole = 0
    floor: NotNegative = 0.0

    def __post_init__(self) -> None:
        if self.every_n_epochs < 1:
            raise UserError(f"schedule.every_n_epochs={self.every_n_epochs}: it is at least 1.")
        if not 0 < self.factor <= 1:
            raise UserError(f"schedule.factor={self.factor}: above 0 and at most 1.")

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped once an epoch."""

        def rate(epoch: int, base: float) -> float:
            return max(base * self.factor ** ((epoch + self.offset) // self.every_n_epochs), self.floor)

        return _factors(optimizer, rate)


@dataclass(frozen=True, kw_only=True)
class TimeDecay:
    """Let the rate fall as ``lr / (1 + decay * step)``: Keras's ``decay``.

    Args:
        decay: at ``1 / decay`` steps the rate is halved.
    """

    interval: ClassVar[Interval] = "step"
    needs_end: ClassVar[bool] = False
    monitor: ClassVar[str | None] = None

    decay: NotNegative = 1e-6

    def __post_init__(self) -> None:
        if self.decay < 0:
            raise UserError(f"schedule.decay={self.decay}: it cannot be negative.")

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped after every batch."""
        return _factors(optimizer, lambda step, base: base / (1 + self.decay * step))


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Rise in a straight line, then fall along half a cosine (Loshchilov and Hutter 2017).

    Args:
        warmup_fraction: share of all steps spent rising, ``0 <= f < 1``.
        floor: the rate at the end, as a share of the highest.
    """

    interval: ClassVar[Interval] = "step"
    needs_end: ClassVar[bool] = True
    monitor: ClassVar[str | None] = None

    warmup_fraction: Share = 0.05
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_fraction < 1:
            raise UserError(f"schedule.warmup_fraction={self.warmup_fraction}: at least 0 and below 1.")

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped after every batch."""
        warmup = int(self.warmup_fraction * total_steps)

        def rate(step: int, base: float) -> float:
            if step < warmup:
                return base * (step + 1) / (warmup + 1)
            done = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
            return base * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done)))

        return _factors(optimizer, rate)


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """Rise to the optimizer's rate and fall far below where it began (Smith and Topin 2018).

    torch's OneCycleLR with ``optimizer.lr`` as its highest rate; momentum moves against the rate.

    Args:
        warmup_fraction: share of all steps spent rising.
        initial_divisor: the first rate is the highest divided by this.
        final_divisor: the last rate is the first divided by this.
    """

    interval: ClassVar[Interval] = "step"
    needs_end: ClassVar[bool] = True
    monitor: ClassVar[str | None] = None

    warmup_fraction: Fraction = 0.3
    initial_divisor: Positive = 25.0
    final_divisor: Positive = 1e4

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped after every batch."""
        group = optimizer.param_groups[0]
        return OneCycleLR(
            optimizer,
            max_lr=[float(g["lr"]) for g in optimizer.param_groups],
            total_steps=max(total_steps, 1),
            pct_start=self.warmup_fraction,
            div_factor=self.initial_divisor,
            final_div_factor=self.final_divisor,
            cycle_momentum="betas" in group or group.get("momentum", 0) > 0,
        )


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Cut the rate when a validation metric no longer improves.

    Args:
        monitor: metric to watch.
        mode: ``min`` or ``max``: which way is better.
        factor: what the rate is multiplied by.
        patience: epochs without improvement before a cut.
        floor: the rate never falls below it, nor that of a group of parameters below its share of it.
    """

    interval: ClassVar[Interval] = "epoch"
    needs_end: ClassVar[bool] = False

    monitor: str = "val/loss"
    mode: Literal["min", "max"] = "min"
    factor: Fraction = 0.5
    patience: Whole = 5
    floor: NotNegative = 0.0

    def __call__(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """Make the scheduler; to be stepped once an epoch with the metric."""
        return ReduceLROnPlateau(
            optimizer,
            mode=self.mode,
            factor=self.factor,
            patience=self.patience,
            min_lr=[self.floor * share for share in _shares(optimizer)],
        )
