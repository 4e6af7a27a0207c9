"""Missing values and outputs that are no numbers, found before they are measured."""

import torch
from torch import Tensor

from cnnlab.data.batches import Batches
from cnnlab.data.datamodule import DataModule
from cnnlab.data.splits import Part
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule

FILLED_IN = "missing values, which model.preprocess=[impute,featurewise_std] fills in"


def require_filled(data: DataModule, model: NetworkModule) -> None:
    """Refuse a table whose validation or test part alone has missing values, which nothing fills in.

    Those of the training part stop its first step.

    Args:
        data: set up.
        model: that is to be trained on it.

    Raises:
        UserError: that counts them.
    """
    if model.preprocess.impute is not None or data.spec.kind != "tabular" or _gaps(data, data.splits.train):
        return
    for name, part in (("validation", data.splits.val), ("test", data.splits.test)):
        if count := _gaps(data, part):
            raise UserError(
                f"data={data.spec.name}: {count} of the {len(part.rows)} {name} rows hold {FILLED_IN}."
            )


def _gaps(data: DataModule, part: Part) -> int:
    inputs, _ = data.samples(part.stored).batch(torch.from_numpy(part.rows), torch.Generator())
    return int(inputs.isnan().any(1).sum())


def no_numbers(outputs: Tensor, loader: Batches) -> str:
    """Say that outputs of a test are no numbers, and why; empty where all are numbers.

    Args:
        outputs: ``(n, k)`` of the samples that the loader gave.
        loader: of the tested part.
    """
    bad = int((~outputs.flatten(1).isfinite()).any(1).sum())
    if not bad:
        return ""
    why = holds_nan(loader, loader.rows) or "though validation's were numbers"
    return f"the network's outputs of {bad} of the {len(outputs)} tested samples are no numbers: {why}"


def holds_nan(loader: Batches, rows: Tensor) -> str:
    """Say where some samples themselves hold what is no number; empty where they do not."""
    first, _ = loader.samples.batch(rows[:1].to(loader.samples.device), torch.Generator())
    if not first.is_floating_point():
        return ""
    inputs, targets = loader.samples.batch(rows.to(loader.samples.device), torch.Generator())
    if not bool(inputs.isfinite().all()):
        return f"its samples hold {FILLED_IN}"
    if targets.is_floating_point() and not bool(targets.isfinite().all()):
        return "its targets hold missing values"
    return ""
