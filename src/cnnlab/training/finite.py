"""Missing values and outputs that are no numbers, found before they are measured."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.data.datamodule import DataModule
from cnnlab.data.splits import Part, PartName
from cnnlab.errors import UserError
from cnnlab.models.module import NetworkModule

SAID = {"train": "training", "val": "validation", "test": "test"}


def require_filled(
    data: DataModule, model: NetworkModule, parts: Sequence[PartName] = ("train", "val", "test")
) -> None:
    """Refuse a table with missing values, where the network does not fill them in.

    Args:
        data: set up.
        model: that is to see it.
        parts: that it is to see.

    Raises:
        UserError: that counts them in the first part that has any.
    """
    if model.preprocess.impute is not None or data.spec.kind != "tabular":
        return
    for name in parts:
        part: Part = getattr(data.splits, name)
        inputs, _ = data.samples(part.stored).batch(torch.from_numpy(part.rows), torch.Generator())
        if count := int(inputs.isnan().any(1).sum()):
            found = f"{count} of the {len(part.rows)} {SAID[name]} rows hold missing values"
            way = "model.preprocess=[impute,featurewise_std] fills in"
            raise UserError(f"data={data.spec.name}: {found}, which {way}.")


def no_numbers(outputs: Tensor) -> str:
    """Say that outputs of a test are no numbers; empty where all are numbers.

    Args:
        outputs: ``(n, k)``.

    Examples:
        >>> no_numbers(torch.tensor([[0.5], [float("nan")]])), no_numbers(torch.zeros(2, 1))
        ("the network's outputs of 1 of the 2 tested samples are no numbers", '')
    """
    bad = int((~outputs.flatten(1).isfinite()).any(1).sum())
    if not bad:
        return ""
    return f"the network's outputs of {bad} of the {len(outputs)} tested samples are no numbers"
