"""Which figures a run draws: it depends on what its data has to predict."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.data.datamodule import DataModule
from cnnlab.data.tabular import LogisticMap, TabularDataModule
from cnnlab.figures.confusion import confusion_matrix
from cnnlab.figures.images import image_grid, image_rows
from cnnlab.figures.values import error_against, predicted_against_true, target_against_features

FIRST_IMAGES = 32
CLEANED_IMAGES = 8


def first_batch(data: DataModule) -> Figure | None:
    """Draw the first training images as the network will see them; None where there are no images.

    Args:
        data: ready to serve batches.
    """
    if data.spec.kind != "image":
        return None
    loader = data.train_dataloader()
    images, targets = loader.block(loader.order(0), 0, 0)[0]
    classes = data.spec.class_names
    names = [classes[label] for label in targets[:FIRST_IMAGES]] if classes else None
    return image_grid(as_pictures(images[:FIRST_IMAGES]), names)


def of_the_test(data: DataModule, targets: Tensor, outputs: Tensor, *, title: str = "") -> dict[str, Figure]:
    """Draw what the network said of the test set.

    Args:
        data: ready to serve batches.
        targets: of the test samples, in their order, as the data gives them.
        outputs: likewise, in the units of the targets: probabilities ``(n, classes)``, values
            ``(n, outputs)`` or brightness from 0 to 1 ``(n, channels, height, width)``.
        title: what stands above.

    Returns:
        Figures by their names.
    """
    if data.spec.target == "classes":
        return _of_classes(data, targets, outputs, title)
    if data.spec.target == "image":
        return _of_images(data, targets, outputs, title)
    return _of_values(data, targets, outputs, title)


def _of_classes(data: DataModule, targets: Tensor, outputs: Tensor, title: str) -> dict[str, Figure]:
    classes = data.spec.outputs
    counts = torch.bincount(targets * classes + outputs.argmax(1), minlength=classes**2)
    matrix = counts.view(classes, classes).numpy()
    return {"confusion matrix": confusion_matrix(matrix, data.spec.class_names, title=title)}


def _of_images(data: DataModule, targets: Tensor, outputs: Tensor, title: str) -> dict[str, Figure]:
    # Evaluation has the same noise whenever it is served.
    noisy, _ = next(iter(data.test_dataloader()))
    cleaned = (outputs[:CLEANED_IMAGES] * 255).round().to(torch.uint8)
    rows = {"noisy": noisy[: len(cleaned)], "cleaned": cleaned, "clean": targets[: len(cleaned)]}
    pictures = {name: as_pictures(images) for name, images in rows.items()}
    return {"denoised": image_rows(pictures, title=title)}


def _of_values(data: DataModule, targets: Tensor, outputs: Tensor, title: str) -> dict[str, Figure]:
    spec = data.spec
    inputs = torch.cat([inputs.cpu() for inputs, _ in data.test_dataloader()])[: len(targets)].numpy()
    target = data.read["train"].target_name if isinstance(data, TabularDataModule) else "value"
    figures = {}
    for i in range(spec.outputs):
        name, number = (target, "") if spec.outputs == 1 else (f"{target} {i + 1}", f" {i + 1}")
        true, predicted = targets[:, i].numpy(), outputs[:, i].numpy()
        drawn = predicted_against_true(true, predicted, name=name, title=title)
        figures[f"predicted against true{number}"] = drawn
        if spec.kind == "tabular":
            drawn = target_against_features(
                inputs, true, predicted, spec.feature_names, name=name, title=title
            )
            figures[f"target{number} against features"] = drawn
        if isinstance(data, LogisticMap) and data.predict == "path":
            t = inputs[:, spec.feature_names.index("t")]
            figures["error against t"] = error_against(t, true, predicted, name="t", title=title)
    return figures


def as_pictures(images: Tensor) -> NDArray[np.uint8]:
    """Turn a batch (n, channels, height, width) into images (n, height, width, channels)."""
    pictures: NDArray[np.uint8] = images.permute(0, 2, 3, 1).cpu().numpy()
    return pictures
