"""What the signatures of torch and Lightning leave open: the types and ranges of their settings, by key.

The settings of cnnlab's own classes say these things in their signatures.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from cnnlab.config.ranges import Count, NotNegative, Share, UpToOne, Whole

Batches = Count | UpToOne | None
# Never of the test set: nothing is chosen by it.
Monitor = Literal["val/accuracy", "val/loss", "val/mae", "train/accuracy", "train/loss", "train/mae"]
Mode = Literal["min", "max"]

LIMITS: dict[str, Any] = {
    "seed": Annotated[int, Field(ge=0, lt=1 << 32)],
    "optimizer.lr": NotNegative,
    "optimizer.weight_decay": NotNegative,
    "optimizer.momentum": Share,
    "optimizer.alpha": Share,
    "optimizer.eps": NotNegative,
    "optimizer.betas": tuple[Share, Share],
    "schedule.monitor": Monitor,
    "trainer.accelerator": Literal["auto", "cpu", "gpu", "cuda", "mps"],
    "trainer.strategy": Literal["auto", "ddp", "ddp_spawn", "ddp_find_unused_parameters_true"],
    "trainer.devices": Annotated[int, Field(ge=1, le=1024)] | Literal["auto", -1] | list[Whole],
    "trainer.num_nodes": Annotated[int, Field(ge=1, le=1024)],
    "trainer.precision": Literal["auto", "32-true", "bf16-mixed", "16-mixed"],
    "trainer.max_epochs": Count | Literal[-1],
    "trainer.max_steps": Count | Literal[-1],
    "trainer.min_epochs": Count | None,
    "trainer.min_steps": Count | None,
    "trainer.limit_train_batches": Batches,
    "trainer.limit_val_batches": Batches,
    "trainer.limit_test_batches": Batches,
    "trainer.check_val_every_n_epoch": Count,
    "trainer.accumulate_grad_batches": Count,
    "trainer.gradient_clip_val": NotNegative | None,
    "trainer.gradient_clip_algorithm": Literal["norm", "value"] | None,
    "trainer.overfit_batches": Whole | UpToOne,
    "trainer.val_check_interval": Batches,
    "trainer.num_sanity_val_steps": Whole | Literal[-1] | None,
    "trainer.log_every_n_steps": Whole | None,
    "trainer.profiler": Literal["simple", "advanced", "pytorch"] | None,
    "callbacks.on_nan": Literal["stop", "skip"],
    "callbacks.checkpoint.monitor": Monitor | Literal["auto"],
    "callbacks.checkpoint.mode": Mode,
    "callbacks.checkpoint.filename": Literal["best"],  # a path would lead out of the run folder
    "callbacks.early_stopping.monitor": Monitor | Literal["auto"],
    "callbacks.early_stopping.mode": Mode,
    "callbacks.early_stopping.patience": Count,
}
