"""Which figures a run draws: it depends on what its data has to predict."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn

from cnnlab.config.choices import choices, options_typed
from cnnlab.data.datamodule import DataModule
from cnnlab.data.tabular import LogisticMap, TabularDataModule
from cnnlab.figures.calibration import calibration_curve
from cnnlab.figures.confusion import confused_bars, confusion_matrix, confusions_in_words, most_confused
from cnnlab.figures.curves import learning_curves
from cnnlab.figures.filters import filter_grid, responses
from cnnlab.figures.images import captioned_rows, image_grid, image_rows, picture
from cnnlab.figures.roc import roc_and_precision_recall
from cnnlab.figures.values import error_against, predicted_against_true, residuals, target_against_features
from cnnlab.models.graph import DEPTH, can_draw_graphs, network_graph
from cnnlab.models.module import NetworkModule
from cnnlab.training.filters import dense_filters, first_and_last

FIRST_IMAGES = 32
CLEANED_IMAGES = 8
CONFUSED_PAIRS, CONFUSED_IMAGES = 5, 8
WRONG_IMAGES = 24
ANSWERED_IMAGES = 4
SUM_TOLERANCE = 1e-3
SHALLOW = 50  # modules; larger networks are drawn by their blocks
BLOCKS = 3  # levels of modules that are then opened

Drawing = Callable[[], Figure]


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


def title_of(model: NetworkModule, cfg: DictConfig, told: Sequence[str] = ()) -> str:
    """Say what a run is of: the network as it was chosen by what was typed, else its class; data and seed."""
    name = choices(options_typed(told)).get("model") if told else None
    return f"{name or type(model.network).__name__} on {model.spec.name}, seed {cfg.seed}"


@dataclass(frozen=True)
class Outcome:
    """What a run has to show: its curves, its network, and what that said of the test set.

    Args:
        data: it is prepared where a figure needs samples.
        model: with the weights that were tested.
        targets: of the test samples, in their order, as the data gives them.
        outputs: likewise, in the units of the targets: probabilities ``(n, classes)``, values
            ``(n, outputs)`` or brightness from 0 to 1 ``(n, channels, height, width)``.
        history: columns of ``metrics.csv`` by name; empty where nothing was trained.
        best_epoch: the epoch that was tested, from 1; None where none was chosen.
        title: the run in a few words.
        chosen: positions in the test set of the images whose responses are drawn; by default the first
            ones of different classes.
    """

    data: DataModule
    model: NetworkModule
    targets: Tensor
    outputs: Tensor
    history: Mapping[str, Sequence[float]]
    best_epoch: int | None = None
    title: str = ""
    chosen: tuple[int, ...] = ()

    def drawings(self) -> dict[str, Drawing]:
        """What can be drawn of this run, by name; nothing is drawn before it is called."""
        of_the_test = {"classes": self._of_classes, "image": self._of_images, "values": self._of_values}
        drawn: dict[str, Drawing] = {}
        if self.history:
            drawn["learning curves"] = partial(
                learning_curves,
                self.history,
                best_epoch=self.best_epoch,
                accuracy="pixels met" if self.data.spec.target == "image" else "accuracy",
                unit=self._units().get(self._target(), ""),
                title=self.title,
            )
        drawn |= of_the_test[self.data.spec.target]()
        if self.data.spec.kind == "image":
            drawn |= self._of_filters()
        return drawn | {"network": self.network} if can_draw_graphs() else drawn

    @property
    def heading(self) -> str:
        """What stands above a figure of the test set."""
        return f"Test of {self.title}"

    def counts(self) -> NDArray[np.int64]:
        """Test samples by true and said class, ``(classes, classes)``."""
        classes = self.data.spec.outputs
        counts = torch.bincount(self.targets * classes + self.outputs.argmax(1), minlength=classes**2)
        matrix: NDArray[np.int64] = counts.view(classes, classes).numpy()
        return matrix

    def confusions(self) -> list[str]:
        """The commonest mistakes in words; none where there are no classes."""
        spec = self.data.spec
        return confusions_in_words(self.counts(), spec.class_names) if spec.target == "classes" else []

    def _of_classes(self) -> dict[str, Drawing]:
        counts, names, title = self.counts(), self.data.spec.class_names, self.heading
        confidence, said = (found.numpy() for found in self.outputs.max(1))
        right = said == self.targets.numpy()
        drawn: dict[str, Drawing] = {
            "confusion matrix": partial(confusion_matrix, counts, names, title=title),
            "confusion matrix of counts": partial(confusion_matrix, counts, names, of="counts", title=title),
        }
        if are_probabilities(self.outputs):
            drawn["calibration"] = partial(calibration_curve, confidence, right, title=title)
        if not right.all():
            pictures = self.data.spec.kind == "image"
            bars = partial(confused_bars, counts, names, title=f"Most confused. {title}")
            drawn["most confused"] = partial(self._confused, said) if pictures else bars
            if pictures:
                drawn["most confident mistakes"] = partial(self._mistakes, confidence, said)
        if self.data.spec.outputs == 2 and 0 < self.targets.sum() < len(self.targets):
            score = self.outputs[:, 1].numpy()
            drawn["roc and precision recall"] = partial(
                roc_and_precision_recall, self.targets.numpy(), score, name=names[1], title=title
            )
        return drawn

    def _confused(self, said: NDArray[np.int64]) -> Figure:
        """Images of the classes that are taken for each other most, those said with most confidence."""
        counts, names, true = self.counts(), self.data.spec.class_names, self.targets.numpy()
        rows = {}
        # By number, since two classes might have one name.
        pairs = most_confused(counts, n=CONFUSED_PAIRS)
        for (i, j, _, _), words in zip(pairs, confusions_in_words(counts, names), strict=True):
            found = np.flatnonzero((true == int(i)) & (said == int(j)))
            surest = found[np.argsort(-self.outputs[found, int(j)].numpy(), kind="stable")]
            rows[words] = self._images(surest[:CONFUSED_IMAGES])
        return captioned_rows(rows, title=f"Most confused. {self.heading}")

    def _mistakes(self, confidence: NDArray[np.float32], said: NDArray[np.int64]) -> Figure:
        """Misclassified images, the most confident first."""
        names, true = self.data.spec.class_names, self.targets.numpy()
        wrong = np.flatnonzero(said != true)
        worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:WRONG_IMAGES]
        as_text = "{:.1%}".format if are_probabilities(self.outputs) else "{:.2f}".format
        titles = [f"{names[true[i]]}\n→ {names[said[i]]}\n{as_text(confidence[i])}" for i in worst]
        return image_grid(self._images(worst), titles, title=f"Surest mistakes, true → said. {self.heading}")

    def _of_images(self) -> dict[str, Drawing]:
        def denoised() -> Figure:
            # Evaluation has the same noise whenever it is served.
            noisy, _ = next(iter(self._ready().test_dataloader()))
            cleaned = (self.outputs[:CLEANED_IMAGES] * 255).round().to(torch.uint8)
            rows = {"noisy": noisy[: len(cleaned)], "cleaned": cleaned, "clean": self.targets[: len(cleaned)]}
            pictures = {name: as_pictures(images) for name, images in rows.items()}
            return image_rows(pictures, title=self.heading)

        return {"denoised": denoised}

    def _of_values(self) -> dict[str, Drawing]:
        data, spec, title = self._ready(), self.data.spec, self.heading
        target = self._named(self._target())
        feature_names = [self._named(name) for name in spec.feature_names]
        drawn: dict[str, Drawing] = {}
        for i in range(spec.outputs):
            name, number = (target, "") if spec.outputs == 1 else (f"{target} {i + 1}", f" {i + 1}")
            true, predicted = self.targets[:, i].numpy(), self.outputs[:, i].numpy()
            both: dict[str, Any] = {"true": true, "predicted": predicted, "name": name, "title": title}
            drawn[f"predicted against true{number}"] = partial(predicted_against_true, **both)
            drawn[f"residuals{number}"] = partial(residuals, **both)
            if spec.kind == "tabular":
                drawn[f"target{number} against features"] = partial(
                    target_against_features,
                    self._inputs(),
                    feature_names=feature_names,
                    **both,
                )
            if isinstance(data, LogisticMap) and data.predict == "path":
                t = self._inputs()[:, spec.feature_names.index("t")]
                drawn["error against t"] = partial(error_against, t, **both | {"name": "t"})
        return drawn

    def _units(self) -> Mapping[str, str]:
        """Units of a table's columns, as far as they are known."""
        return self.data.read["train"].units if isinstance(self.data, TabularDataModule) else {}

    def _target(self) -> str:
        """What is predicted."""
        data = self.data
        return data.read["train"].target_name if isinstance(data, TabularDataModule) else "value"

    def _named(self, column: str) -> str:
        """A column's name, with its unit."""
        unit = self._units().get(column)
        return f"{column} ({unit})" if unit else column

    def network(self) -> Figure:
        """The network's layers, one below the other; of a large one its blocks.

        Raises:
            UserError: where something to draw with is missing.
        """
        model = self.model
        depth = BLOCKS if sum(1 for _ in model.network.modules()) > SHALLOW else DEPTH
        shape = model.preprocess.output_shape
        drawn = network_graph(model.network, shape, model.network_dtype, depth=depth)
        return picture(np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB")), title=self.title)

    def _of_filters(self) -> dict[str, Drawing]:
        number = sum(isinstance(layer, nn.Conv2d) for layer in self.model.network.modules())
        if not number:
            found = dense_filters(self.model)
            if found is None:
                return {}
            title = f"{found[0]} of {self.title}"
            return {"first layer filters": partial(filter_grid, found[1], title=title)}
        drawn: dict[str, Drawing] = {"responses": self._responses, "first layer filters": self._filters}
        if number > 1:
            drawn["last layer filters"] = partial(self._filters, -1)
        return drawn

    def _filters(self, which: int = 0) -> Figure:
        layer = first_and_last(self.model, self._raw(np.arange(1)))[which]
        return filter_grid(layer.kernels, title=f"{layer.name} of {self.title}")

    def _responses(self) -> Figure:
        positions = np.array(self.chosen or self._different())
        images = self._raw(positions)
        layers = first_and_last(self.model, images)
        names = self.data.spec.class_names
        titles = [names[int(self.targets[i])] if names else f"test image {i}" for i in positions]
        maps = {layer.name.rpartition(".")[2]: layer.maps for layer in layers}
        return responses(as_pictures(images), titles, maps, title=f"Responses of {self.title}")

    def _different(self) -> list[int]:
        """Positions of the first test images of different classes, or of the first ones."""
        if not self.data.spec.class_names:
            return list(range(min(ANSWERED_IMAGES, len(self.targets))))
        _, first = np.unique(self.targets.numpy(), return_index=True)
        return sorted(int(i) for i in first)[:ANSWERED_IMAGES]

    def _ready(self) -> DataModule:
        """The data, prepared and set up; a run's own is already."""
        if not hasattr(self.data, "splits"):
            self.data.prepare_data()
            self.data.setup()
        return self.data

    def _raw(self, positions: NDArray[np.int64]) -> Tensor:
        """Inputs of some test samples, as the network takes them."""
        data = self._ready()
        part = data.splits.test
        samples = data.samples(part.stored)
        rows = torch.from_numpy(part.rows[positions])
        return samples.inputs(rows.to(samples.device), torch.Generator())

    def _images(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        return as_pictures(self._raw(positions))

    def _inputs(self) -> NDArray[Any]:
        inputs = [inputs.cpu() for inputs, _ in self._ready().test_dataloader()]
        return torch.cat(inputs)[: len(self.targets)].numpy()


def are_probabilities(outputs: Tensor) -> bool:
    """Whether all rows are shares of one; those of a squared error are not.

    Examples:
        >>> are_probabilities(torch.tensor([[0.2, 0.8]])), are_probabilities(torch.tensor([[-0.2, 1.2]]))
        (True, False)
    """
    low, total = outputs.min(), outputs.sum(1)
    return bool(low >= 0 and ((total - 1).abs() < SUM_TOLERANCE).all())


def as_pictures(images: Tensor) -> NDArray[np.uint8]:
    """Turn a batch (n, channels, height, width) into images (n, height, width, channels)."""
    pictures: NDArray[np.uint8] = images.permute(0, 2, 3, 1).cpu().numpy()
    return pictures
