"""What an objective is: a loss, and what is measured beside it."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from cnnlab.data.spec import DataSpec


class Objective(ABC):
    """A loss, the metric that is followed beside it, and all that is measured in the end.

    Args:
        spec: what the targets are.
    """

    metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    takes_logits: ClassVar[bool] = True

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    @property
    def outputs(self) -> int:
        """Number of outputs that the network has to have."""
        return self.spec.outputs

    @abstractmethod
    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """Mean loss of a batch, and the sum of the metric over its samples.

        Args:
            outputs: of the network, float.
            targets: as the data gives them.
            train: whether the loss is trained on, rather than measured.
        """

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """All metrics of a whole set, the loss among them."""

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """What the network says, in the units of the targets: probabilities ``(n, classes)`` for classes."""
        return outputs.float()


def as_floats(measured: dict[str, Tensor]) -> dict[str, float]:
    """Turn tensors of one number into numbers."""
    return {name: float(value) for name, value in measured.items()}
