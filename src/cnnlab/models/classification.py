"""Objectives of classes: what is minimised, and what is measured."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    multiclass_accuracy,
    multiclass_f1_score,
)

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.objective import Objective, as_floats


class OfClasses(Objective):
    """One output for each class; the largest is the answer."""

    metric = "accuracy"

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, accuracy, top-5 accuracy from ten classes on, macro F1."""
        loss, correct = self(outputs, targets, train=False)
        measured = {"loss": loss, "accuracy": correct.double() / len(targets)}
        return as_floats(measured | of_classes(outputs, targets, self.spec.outputs))


class CrossEntropy(OfClasses):
    """Cross-entropy over classes, and the share of correct answers.

    Args:
        spec: of classes.
        label_smoothing: share of the target spread over all classes in training (Szegedy et al. 2016).

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> outputs, targets = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
        >>> loss, correct = CrossEntropy(spec)(outputs, targets, train=False)
        >>> round(loss.item(), 4), correct.item()
        (1.1269, 1)
    """

    def __init__(self, spec: DataSpec, label_smoothing: float = 0.0) -> None:
        super().__init__(spec)
        self.label_smoothing = label_smoothing

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """Smooth the labels in training; measured losses are those of the labels as they are."""
        smoothing = self.label_smoothing if train else 0.0
        loss = F.cross_entropy(outputs.float(), targets, label_smoothing=smoothing)
        return loss, (outputs.detach().argmax(1) == targets).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Probabilities ``(n, classes)``, float32."""
        return outputs.float().softmax(1)


class OfTwoClasses(Objective):
    """One output, whose side of a threshold is the answer."""

    metric = "accuracy"
    loss: ClassVar[str]

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        if spec.outputs != 2:
            raise UserError(
                f"model.loss={self.loss}: it parts two classes, and data={spec.name} has "
                f"{spec.outputs}; cross_entropy takes any number."
            )

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, accuracy, macro F1, and the area under the ROC curve."""
        loss, correct = self(outputs, targets, train=False)
        probabilities = self.outputs_for_users(outputs)
        measured = {"loss": loss, "accuracy": correct.double() / len(targets)}
        measured["auroc"] = binary_auroc(probabilities[:, 1], targets)
        return as_floats(measured | of_classes(probabilities, targets, 2))


class BinaryCrossEntropy(OfTwoClasses):
    """Binary cross-entropy of one logit for two classes.

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> targets = torch.tensor([0, 1, 1, 1])
        >>> loss, correct = BinaryCrossEntropy(spec)(torch.zeros(4, 1), targets, train=True)
        >>> round(loss.item(), 4), correct.item()
        (0.6931, 1)
    """

    loss = "binary_cross_entropy"

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        logits = outputs.float().squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, targets.float())
        return loss, ((logits.detach() > 0) == targets).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Probabilities ``(n, 2)``, float32."""
        probability = outputs.float().sigmoid()
        return torch.cat([1 - probability, probability], 1)


class BinarySquaredError(OfTwoClasses):
    """Squared error of one output to 0 and 1, or to -1 and 1, for two classes.

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> outputs, targets = torch.tensor([[0.5], [1.0]]), torch.tensor([0, 1])
        >>> loss, correct = BinarySquaredError(spec)(outputs, targets, train=True)
        >>> loss.item(), correct.item()
        (0.125, 2)
    """

    loss = "binary_mse"
    takes_logits = False
    low: ClassVar[float] = 0.0

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class; an answer in the middle is the first class, as Keras rounds it."""
        values, middle = outputs.float().squeeze(1), (self.low + 1) / 2
        truth = targets.float() * (1 - self.low) + self.low
        return F.mse_loss(values, truth), ((values.detach() > middle) == targets).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Both classes' shares ``(n, 2)``, float32: the output between the two targets, cut at both."""
        share = ((outputs.float() - self.low) / (1 - self.low)).clamp(0, 1)
        return torch.cat([1 - share, share], 1)


class SignedSquaredError(BinarySquaredError):
    """Squared error of one output to -1 and 1."""

    loss = "signed_mse"
    low = -1.0


class OneHotSquaredError(OfClasses):
    """Mean squared error to the one-hot class, as Keras's ``mse`` counts it: over samples and classes.

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> loss, correct = OneHotSquaredError(spec)(torch.eye(2), torch.tensor([0, 0]), train=True)
        >>> loss.item(), correct.item()
        (0.5, 1)
    """

    takes_logits = False

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        loss = F.mse_loss(outputs.float(), F.one_hot(targets, self.spec.outputs).float())
        return loss, (outputs.detach().argmax(1) == targets).sum()


def of_classes(outputs: Tensor, targets: Tensor, classes: int) -> dict[str, Tensor]:
    """Macro F1, and from ten classes on top-5 accuracy."""
    measured = {"f1_macro": multiclass_f1_score(outputs, targets, classes, average="macro")}
    if classes >= 10:
        measured["top_5_accuracy"] = multiclass_accuracy(outputs, targets, classes, average="micro", top_k=5)
    return measured
