"""What a run could not promise."""

from collections.abc import Iterator, Mapping

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer

from cnnlab.data.datamodule import DataModule

SHOWN_CLASSES = 5
EXACT = ("32-true", "64-true")


def caveats(
    trainer: pl.Trainer,
    data: DataModule,
    deterministic: bool | str | None,
    git: Mapping[str, str | bool] | None,
) -> list[str]:
    """Say what stands between a run's numbers and who would repeat them.

    Args:
        trainer: what trains.
        data: set up.
        deterministic: the setting ``trainer.deterministic``.
        git: commit of the checkout and whether it is changed; None where there is none.
    """
    return [
        *_of_the_device(trainer, deterministic),
        *_of_the_data(data),
        *(
            [f"commit {str(git['commit'])[:10]} was changed and not committed"]
            if git and git["dirty"]
            else []
        ),
    ]


def _of_the_device(trainer: pl.Trainer, deterministic: bool | str | None) -> Iterator[str]:
    precision, device = str(trainer.precision), trainer.strategy.root_device.type
    if precision not in EXACT:
        yield f"computed in {precision}, not in 32 bits (trainer.precision=32-true)"
    if device == "cpu":
        return
    if deterministic is not True:
        yield f"the kernels of the {device} device are not deterministic (trainer.deterministic=true)"
    if device == "cuda" and precision in EXACT and torch.backends.cudnn.allow_tf32:
        yield "convolutions round their factors to TF32 on this device"


def _of_the_data(data: DataModule) -> Iterator[str]:
    for part, shared in data.shared_with_train().items():
        if shared:
            yield f"{shared} of the samples of {part} stand in train too"
    if unknown := data.untrained_classes():
        more = f" and {len(unknown) - SHOWN_CLASSES} others" if len(unknown) > SHOWN_CLASSES else ""
        yield f"no training sample is of {', '.join(unknown[:SHOWN_CLASSES])}{more}"
    yield from data.remarks
    if data.skipped:
        yield f"{len(data.skipped)} unreadable files were left out"
    if getattr(data, "verify", True) is False:
        yield "the raw files were not compared with their checksums (data.verify=false)"


def of_the_end(trainer: pl.Trainer) -> Iterator[str]:
    """Say that time ended a training, which another machine will not repeat.

    Args:
        trainer: it has fitted.
    """
    timer = next((each for each in trainer.callbacks if isinstance(each, Timer)), None)  # type: ignore[attr-defined]
    if timer is not None and (left := timer.time_remaining()) is not None and left <= 0:
        steps = trainer.global_step
        yield f"trainer.max_time ended the training, after {steps} step{'s' * (steps != 1)}"
