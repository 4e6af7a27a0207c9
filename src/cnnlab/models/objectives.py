"""What is minimised and what is measured, for each kind of target."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional import r2_score
from torchmetrics.functional.classification import (
    binary_auroc,
    multiclass_accuracy,
    multiclass_f1_score,
)
from torchmetrics.functional.image import structural_similarity_index_measure

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError

Loss = Literal["auto", "cross_entropy", "binary_cross_entropy", "mse"]
METRICS = ("loss", "accuracy", "top_5_accuracy", "f1_macro", "auroc", "mae", "rmse", "r2", "psnr", "ssim")


class Objective(ABC):
    """A loss, the metric that is followed beside it, and all that is measured in the end.

    Args:
        spec: what the targets are.
    """

    metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True

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


class BinaryCrossEntropy(Objective):
    """Binary cross-entropy of one logit for two classes.

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> targets = torch.tensor([0, 1, 1, 1])
        >>> loss, correct = BinaryCrossEntropy(spec)(torch.zeros(4, 1), targets, train=True)
        >>> round(loss.item(), 4), correct.item()
        (0.6931, 1)
    """

    metric = "accuracy"

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        if spec.outputs != 2:
            raise UserError(
                f"model.loss=binary_cross_entropy: it parts two classes, and data={spec.name} has "
                f"{spec.outputs}; cross_entropy takes any number."
            )

    @property
    def outputs(self) -> int:
        """One."""
        return 1

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        logits = outputs.float().squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, targets.float())
        return loss, ((logits.detach() > 0) == targets).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Probabilities ``(n, 2)``, float32."""
        probability = outputs.float().sigmoid()
        return torch.cat([1 - probability, probability], 1)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, accuracy, macro F1, and the area under the ROC curve."""
        loss, correct = self(outputs, targets, train=False)
        probabilities = self.outputs_for_users(outputs)
        measured = {"loss": loss, "accuracy": correct.double() / len(targets)}
        measured["auroc"] = binary_auroc(probabilities[:, 1], targets)
        return as_floats(measured | of_classes(probabilities, targets, 2))


class OneHotSquaredError(OfClasses):
    """Mean squared error to the one-hot class, as Keras's ``mse`` counts it: over samples and classes.

    Examples:
        >>> spec = DataSpec("two", "tabular", (3,), "classes", 2)
        >>> loss, correct = OneHotSquaredError(spec)(torch.eye(2), torch.tensor([0, 0]), train=True)
        >>> loss.item(), correct.item()
        (0.5, 1)
    """

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        loss = F.mse_loss(outputs.float(), F.one_hot(targets, self.spec.outputs).float())
        return loss, (outputs.detach().argmax(1) == targets).sum()


class SquaredError(Objective):
    """Mean squared error of values, and the mean absolute error beside it.

    Examples:
        >>> spec = DataSpec("price", "tabular", (3,), "values", 1)
        >>> loss, error = SquaredError(spec)(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]), train=True)
        >>> loss.item(), error.item()
        (5.0, 4.0)
    """

    metric = "mae"
    higher_is_better = False

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        error = outputs.float() - targets
        return error.square().mean(), error.detach().abs().mean(1).sum()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, mean absolute error, root of the mean squared error, and R2 from two samples on."""
        error = (outputs.float() - targets).double()
        loss = error.square().mean()
        measured = {"loss": loss, "mae": error.abs().mean(), "rmse": loss.sqrt()}
        if len(targets) > 1:
            measured["r2"] = r2_score(outputs.double(), targets.double())
        return as_floats(measured)


class PixelCrossEntropy(Objective):
    """Binary cross-entropy of pixels, whose targets are uint8 images; the outputs are logits.

    The accuracy is Keras's for such targets: the share of pixels whose rounded output equals the target
    exactly, so that a grey pixel never counts as right.

    Examples:
        >>> spec = DataSpec("dots", "image", (1, 1, 2), "image", 2)
        >>> targets = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
        >>> loss, right = PixelCrossEntropy(spec)(torch.tensor([[[[-9.0, -9.0]]]]), targets, train=True)
        >>> right.item()
        0.5
    """

    metric = "accuracy"

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        logits, truth = outputs.float(), targets.float() / 255
        loss = F.binary_cross_entropy_with_logits(logits, truth)
        right = (logits.detach() > 0).to(truth.dtype) == truth
        return loss, right.flatten(1).float().mean(1).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Brightness from 0 to 1, float32 ``(n, channels, height, width)``."""
        return outputs.float().sigmoid()

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, accuracy, and the means over the images of PSNR in dB and of SSIM (Wang et al. 2004)."""
        loss, right = self(outputs, targets, train=False)
        cleaned, truth = self.outputs_for_users(outputs), targets.float() / 255
        squared = (cleaned - truth).square().flatten(1).mean(1)
        similarity = structural_similarity_index_measure(cleaned, truth, data_range=1.0)
        measured = {"loss": loss, "accuracy": right / len(targets), "psnr": (-10 * squared.log10()).mean()}
        return as_floats(measured | {"ssim": torch.as_tensor(similarity)})


def of_classes(outputs: Tensor, targets: Tensor, classes: int) -> dict[str, Tensor]:
    """Macro F1, and from ten classes on top-5 accuracy."""
    measured = {"f1_macro": multiclass_f1_score(outputs, targets, classes, average="macro")}
    if classes >= 10:
        measured["top_5_accuracy"] = multiclass_accuracy(outputs, targets, classes, average="micro", top_k=5)
    return measured


def as_floats(measured: dict[str, Tensor]) -> dict[str, float]:
    """Turn tensors of one number into numbers."""
    return {name: float(value) for name, value in measured.items()}


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


def squared_kernels(kernels: Sequence[tuple[float, Tensor]]) -> Tensor | float:
    """Sum over kernels of ``factor * sum(kernel ** 2)``: Keras's L2 regulariser.

    Examples:
        >>> float(squared_kernels([(0.5, torch.tensor([1.0, 2.0]))]))
        2.5
    """
    return sum((factor * kernel.square().sum() for factor, kernel in kernels), start=0.0)
