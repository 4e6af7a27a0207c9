"""Lightning's Trainer from its config: precision by hardware and network, and how progress is shown."""

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.profilers import PassThroughProfiler
from torch import nn

from cnnlab.config.make import make
from cnnlab.errors import UserError
from cnnlab.training.checkpoints import AtomicCheckpointIO
from cnnlab.training.metrics_csv import Row


def has_bf16(accelerator: str) -> bool:
    """Whether this machine computes bfloat16 in hardware: CUDA from Ampere on, AVX512-BF16, AMX."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator not in ("auto", "cpu"):
        return False
    # Older releases of torch cannot tell, and then 32 bits are the safe choice.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def choose_precision(asked: str | int | None, accelerator: str, network: nn.Module) -> str | int | None:
    """Turn ``auto`` into ``bf16-mixed`` for convolutions where the hardware has it, else ``32-true``.

    In a small dense network the casts cost more than the products save.

    Examples:
        >>> choose_precision("16-mixed", "gpu", nn.Linear(1, 1))
        '16-mixed'
        >>> choose_precision("auto", "cpu", nn.Linear(1, 1))
        '32-true'
    """
    if asked != "auto":
        return asked
    convolutional = any(isinstance(layer, nn.Conv2d) for layer in network.modules())
    return "bf16-mixed" if convolutional and has_bf16(accelerator) else "32-true"


class Unprofiled(PassThroughProfiler):
    """Lightning's profiler that measures nothing, without the thirty generators that it makes in a step."""

    nothing: ClassVar[AbstractContextManager[None]] = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Do nothing before and after."""
        return self.nothing


def require_test_batches(limit: float, batches: int) -> None:
    """Refuse a share of the test batches of which nothing is left; the Trainer would after the training.

    Raises:
        UserError: for such a share.

    Examples:
        >>> require_test_batches(0.5, 2)
        >>> require_test_batches(0.5, 1)
        Traceback (most recent call last):
        cnnlab.errors.UserError: trainer.limit_test_batches=0.5: not one of 1 batch is left; allowed is ...
    """
    if isinstance(limit, float) and limit > 0 and int(limit * batches) < 1:
        raise UserError(
            f"trainer.limit_test_batches={limit}: not one of {batches} batch{'es' * (batches != 1)} is left;"
            f" allowed is a share of {1 / batches:.2g} or more, or a number of batches."
        )


def build_trainer(
    cfg: DictConfig,
    network: nn.Module,
    folder: Path,
    *,
    callbacks: list[pl.Callback],
    loggers: list[Any],
) -> pl.Trainer:
    """Make the Trainer that the config's node ``trainer`` describes.

    Raises:
        UserError: if this machine lacks the accelerator or the devices that are asked for.
    """
    shown = sys.stderr.isatty()
    trainer: pl.Trainer = make(
        "trainer",
        cfg,
        precision=choose_precision(cfg.get("precision", "auto"), cfg.get("accelerator", "auto"), network),
        callbacks=[*callbacks, *([RichProgressBar(refresh_rate=10)] if shown else [])],
        logger=loggers,
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(folder),
        enable_progress_bar=shown,
        **({} if cfg.get("profiler") else {"profiler": Unprofiled()}),
    )
    return trainer


def epoch_teller(max_epochs: int | None) -> Callable[[Row], None]:
    """Make what writes an epoch's line to the log and, where there is no terminal, to the screen."""
    quiet = sys.stderr.isatty()

    def tell(row: Row) -> None:
        parts = [f"epoch {row['epoch']:.0f}" + (f"/{max_epochs}" if max_epochs else "")]
        parts += [
            f"{key.replace('/', ' ').replace('_', ' ')} {value:.4f}"
            for key, value in row.items()
            if "/" in key
        ]
        line = ", ".join(parts) + f", {row['seconds']:.1f} s"
        logging.getLogger("cnnlab").info(line)
        if not quiet:
            print(line, flush=True)

    return tell
