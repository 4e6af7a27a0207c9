"""What is minimised and what is measured, for each kind of target."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score


class Classification:
    """Cross-entropy over classes, and the share of correct answers.

    Args:
        label_smoothing: share of the target spread over all classes in training (Szegedy et al. 2016).

    Examples:
        >>> import torch
        >>> outputs, targets = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
        >>> loss, correct = Classification()(outputs, targets, train=False)
        >>> round(loss.item(), 4), correct.item()
        (1.1269, 1)
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """Mean loss of a batch, and the number of its right answers.

        Args:
            outputs: logits ``(batch, classes)``, float.
            targets: int64 ``(batch,)``.
            train: smooth the labels; measured losses are those of the labels as they are.
        """
        smoothing = self.label_smoothing if train else 0.0
        loss = F.cross_entropy(outputs.float(), targets, label_smoothing=smoothing)
        return loss, (outputs.detach().argmax(1) == targets).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Probabilities ``(n, classes)``, float32."""
        return outputs.float().softmax(1)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """All metrics of a whole set: loss, accuracy, top-5 accuracy from ten classes on, macro F1."""
        classes = outputs.shape[1]
        measured = {
            "loss": F.cross_entropy(outputs.float(), targets),
            "accuracy": (outputs.argmax(1) == targets).double().mean(),
            "f1_macro": multiclass_f1_score(outputs, targets, classes, average="macro"),
        }
        if classes >= 10:
            measured["top_5_accuracy"] = multiclass_accuracy(
                outputs, targets, classes, average="micro", top_k=5
            )
        return {name: float(value) for name, value in measured.items()}


def squared_kernels(kernels: Sequence[tuple[float, Tensor]]) -> Tensor | float:
    """Sum over kernels of ``factor * sum(kernel ** 2)``: Keras's L2 regulariser.

    Examples:
        >>> import torch
        >>> float(squared_kernels([(0.5, torch.tensor([1.0, 2.0]))]))
        2.5
    """
    return sum((factor * kernel.square().sum() for factor, kernel in kernels), start=0.0)
