"""Missing values of a table, filled in as the first layer of a model."""

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.models.fitted import Fitted


class Impute(Fitted):
    """Puts the column's mean over the training rows in place of NaN; fitted once, then part of the model.

    Takes ``(batch, features)`` of any float dtype and gives the same dtype and shape. A column without a
    single value in training becomes 0 where it is missing, and the log says so.

    Args:
        features: number of columns.
        names: their names, for the log; without them they are numbered from 1.

    Examples:
        >>> nan = float("nan")
        >>> impute = Impute(2)
        >>> impute.fit(torch.tensor([[1.0, 5.0], [3.0, nan], [nan, 7.0]]))
        >>> impute(torch.tensor([[nan, nan], [4.0, 5.0]]))
        tensor([[2., 6.],
                [4., 5.]])
    """

    mean: Tensor

    def __init__(self, features: int, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.features = features
        self.names = tuple(names) or tuple(f"column{number}" for number in range(1, features + 1))
        self.expect_fit()
        self.register_buffer("mean", torch.zeros(features))

    def extra_repr(self) -> str:
        """Name the number of columns."""
        return str(self.features)

    def fit(self, rows: Tensor) -> None:
        """Compute the means of the training rows, in float64, with NaN left out.

        Args:
            rows: ``(n, features)``, float.

        Raises:
            ValueError: if there are no rows or they have another shape.
        """
        if tuple(rows.shape[1:]) != (self.features,) or not len(rows):
            raise ValueError(f"rows of shape {tuple(rows.shape)} do not fit {self.features} features.")
        # float64 does not exist on Apple's GPUs.
        means = rows.to("cpu" if rows.device.type == "mps" else rows.device, torch.float64).nanmean(0)
        empty = [name for name, mean in zip(self.names, means.tolist(), strict=True) if math.isnan(mean)]
        if empty:
            logging.getLogger("cnnlab").warning(
                "no training row has a value of %s: where it is missing it counts as 0", ", ".join(empty)
            )
        self.mean.copy_(means.nan_to_num())
        self.mark_fitted()

    def forward(self, x: Tensor) -> Tensor:
        """Fill in what is missing.

        Raises:
            RuntimeError: if neither :meth:`fit` was called nor a fitted state loaded. On the meta device,
                where only shapes count, that is no matter.
        """
        self.require_fitted(x, "This model's imputation was never fitted: call fit with the training rows.")
        return torch.where(x.isnan(), self.mean.to(x.dtype), x)
