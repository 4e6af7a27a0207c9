"""Objectives of values and of pixels: what is minimised, and what is measured."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional import r2_score
from torchmetrics.functional.image import structural_similarity_index_measure

from cnnlab.models.objective import Objective, as_floats

SSIM_IMAGES = 256  # at once: it takes the memory of dozens of their copies
SSIM_WINDOW = 5  # pixels on each side of the middle, for a deviation of 1.5


class SquaredError(Objective):
    """Mean squared error of values, and the mean absolute error beside it.

    Examples:
        >>> from cnnlab.data.spec import DataSpec
        >>> spec = DataSpec("price", "tabular", (3,), "values", 1)
        >>> loss, error = SquaredError(spec)(torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]), train=True)
        >>> loss.item(), error.item()
        (5.0, 4.0)
    """

    metric = "mae"
    higher_is_better = False
    takes_logits = False

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
    """Binary cross-entropy of pixels, whose targets are uint8 images; outputs are logits, flat or not.

    The accuracy is Keras's for such targets: the share of pixels whose rounded output equals the target
    exactly, so that a grey pixel never counts as right.

    Examples:
        >>> from cnnlab.data.spec import DataSpec
        >>> spec = DataSpec("dots", "image", (1, 1, 2), "image", 2)
        >>> targets = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
        >>> loss, right = PixelCrossEntropy(spec)(torch.tensor([[[[-9.0, -9.0]]]]), targets, train=True)
        >>> right.item()
        0.5
    """

    metric = "accuracy"
    # Grey pixels bound the accuracy far below 1: the loss is what tells epochs apart.
    higher_is_better = False

    def __call__(self, outputs: Tensor, targets: Tensor, *, train: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        logits, truth = outputs.float().reshape(targets.shape), targets.float() / 255
        loss = F.binary_cross_entropy_with_logits(logits, truth)
        right = (logits.detach() > 0).to(truth.dtype) == truth
        return loss, right.flatten(1).float().mean(1).sum()

    def outputs_for_users(self, outputs: Tensor) -> Tensor:
        """Brightness from 0 to 1, float32 ``(n, channels, height, width)``."""
        return outputs.float().sigmoid().reshape(-1, *self.spec.input_shape)

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss, accuracy, and the means over the images of PSNR in dB and of SSIM (Wang et al. 2004)."""
        loss, right = self(outputs, targets, train=False)
        cleaned, truth = self.outputs_for_users(outputs), targets.float() / 255
        squared = (cleaned - truth).square().flatten(1).mean(1)
        parts = zip(torch.split(cleaned, SSIM_IMAGES), torch.split(truth, SSIM_IMAGES), strict=True)
        ssim = torch.cat([structural_similarity(*part) for part in parts]).mean()
        measured = {"loss": loss, "accuracy": right / len(targets), "psnr": (-10 * squared.log10()).mean()}
        return as_floats(measured | {"ssim": ssim})


def structural_similarity(images: Tensor, truth: Tensor) -> Tensor:
    """SSIM of each image (Wang et al. 2004), where its Gaussian window lies inside the image.

    As the paper, scikit-image and TensorFlow take the mean; torchmetrics' own counts mirrored borders too.

    Args:
        images: float ``(n, channels, height, width)`` from 0 to 1, the sides 11 pixels or more.
        truth: likewise.

    Returns:
        ``(n,)``.

    Examples:
        >>> white = torch.ones(2, 1, 16, 16)
        >>> structural_similarity(white, white), structural_similarity(0 * white, white).round(decimals=3)
        (tensor([1., 1.]), tensor([0., 0.]))
    """
    _, places = structural_similarity_index_measure(
        images, truth, data_range=1.0, return_full_image=True, reduction="none"
    )
    inside = slice(SSIM_WINDOW, -SSIM_WINDOW)
    return places[..., inside, inside].flatten(1).mean(1)
