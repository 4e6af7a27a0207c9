"""The objective that fits the targets of the data and the loss that is asked for."""

from typing import Literal

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.classification import (
    BinaryCrossEntropy,
    BinarySquaredError,
    CrossEntropy,
    OneHotSquaredError,
    SignedSquaredError,
)
from cnnlab.models.objective import Objective
from cnnlab.models.regression import PixelCrossEntropy, SquaredError

Loss = Literal["auto", "cross_entropy", "binary_cross_entropy", "mse", "binary_mse", "signed_mse"]
METRICS = ("loss", "accuracy", "top_5_accuracy", "f1_macro", "auroc", "mae", "rmse", "r2", "psnr", "ssim")


def objective_for(spec: DataSpec, loss: Loss = "auto", label_smoothing: float = 0.0) -> Objective:
    """Choose the objective by the targets and the loss that is asked for.

    Raises:
        UserError: if the loss does not fit the targets.

    Examples:
        >>> type(objective_for(DataSpec("price", "tabular", (3,), "values", 1))).__name__
        'SquaredError'
    """
    fitting: dict[str, dict[str, type[Objective]]] = {
        "classes": {
            "cross_entropy": CrossEntropy,
            "binary_cross_entropy": BinaryCrossEntropy,
            "mse": OneHotSquaredError,
            "binary_mse": BinarySquaredError,
            "signed_mse": SignedSquaredError,
        },
        "values": {"mse": SquaredError},
        "image": {"binary_cross_entropy": PixelCrossEntropy},
    }
    offered = fitting[spec.target]
    chosen = next(iter(offered)) if loss == "auto" else loss
    if chosen not in offered:
        raise UserError(
            f"model.loss={loss}: data={spec.name} has {spec.target} to predict; "
            f"allowed is {', '.join(offered)}."
        )
    if label_smoothing and chosen != "cross_entropy":
        raise UserError(f"model.label_smoothing={label_smoothing}: only cross_entropy has labels to smooth.")
    return CrossEntropy(spec, label_smoothing) if chosen == "cross_entropy" else offered[chosen](spec)
