"""Features of a frozen body: computed once and kept in a file, so that training a head takes seconds."""

import contextlib
import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from cnnlab.data.datamodule import DataModule
from cnnlab.data.raw import default_store
from cnnlab.data.samples import Images, Samples
from cnnlab.data.stored import ImageDataModule, StoredDataModule
from cnnlab.errors import TrainingError, UserError, reason
from cnnlab.files import replacing
from cnnlab.models.module import NetworkModule
from cnnlab.models.resnet import ResNetModule
from cnnlab.sealed import create, open_sealed, seal
from cnnlab.training.fingerprints import weights_fingerprint
from cnnlab.training.unfreezing import Unfreezing

FORMAT_VERSION = 2
PIXELS_AT_ONCE = 1 << 21  # 40 images of 224 x 224: the maps of a ResNet50 then take some 200 MB
Rows = Mapping[str, Tensor]


class Features(Samples):
    """What a head takes in place of images, float32 ``(m, *shape)``, under the images' own row numbers.

    Args:
        features: of the samples that are served.
        positions: int64 ``(n,)``: where in ``features`` each stored sample lies; -1 is nowhere.
        targets: of all stored samples.

    Examples:
        >>> features = Features(torch.rand(2, 512), torch.tensor([-1, 0, -1, 1]), torch.arange(4))
        >>> inputs, targets = features.batch(torch.tensor([3, 1]), torch.Generator())
        >>> inputs.shape, targets.tolist()
        (torch.Size([2, 512]), [3, 1])
    """

    def __init__(self, features: Tensor, positions: Tensor, targets: Tensor) -> None:
        super().__init__(targets)
        self.features, self.positions = features, positions

    @property
    def sample_bytes(self) -> int:
        """Four bytes a number."""
        return self.features[0].numel() * self.features.element_size()

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take features float32 ``(batch, *shape)``."""
        return self.features.index_select(0, self.positions.index_select(0, rows))

    def to(self, device: torch.device) -> "Features":
        """Give the same features on a device."""
        return Features(self.features.to(device), self.positions.to(device), self.targets.to(device))


def served(data: DataModule, model: NetworkModule, trainer: pl.Trainer) -> DataModule:
    """Give the data as it is trained on: with features in place of images, where they stay the same.

    They are computed over the training, validation and test samples, in the trainer's precision, and kept in
    an HDF5 file in the data's store folder. The file is for this body's weights, last stage and head (pooled
    or not), this preprocessing, precision and kind of device, these images at their size. Another split of
    the same samples, another head, rate or seed of the head finds them again.

    Args:
        data: prepared and set up.
        model: its preprocessing is fitted.
        trainer: it will train the model.

    Raises:
        UserError: for ``model.cache_features=true`` where the features change from epoch to epoch.
        TrainingError: if they cannot be written.
    """
    if not isinstance(model, ResNetModule) or model.cache_features is False:
        return data
    obstacle = changing(data, model, trainer)
    if obstacle is not None and model.cache_features is True:
        raise UserError(f"model.cache_features=true: {obstacle}; model.cache_features=auto looks by itself.")
    # Whoever tries out a few batches does not want the features of all images. 1 is one, 1.0 is all of them.
    limit = trainer.limit_train_batches
    cut = isinstance(limit, int) or limit < 1
    if obstacle is not None or (cut and model.cache_features == "auto"):
        return data
    rows = used_rows(data)
    key = key_of(data, model, trainer, rows)
    folder = data.store_folder if isinstance(data, StoredDataModule) else default_store()
    path = folder / f"{data.spec.name}-features-{key[:12]}.h5"
    arrays = kept_or_computed(path, key, data, model, trainer, rows)
    return data.serving({stored: as_samples(data, stored, rows[stored], arrays[stored]) for stored in rows})


def changing(data: DataModule, model: ResNetModule, trainer: pl.Trainer) -> str | None:
    """Say why the features would change from epoch to epoch; None where they do not."""
    if not model.network.body_is_frozen:
        return "a part of the body is trained, since model.trained is not head"
    if any(isinstance(callback, Unfreezing) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        return "the body is unfrozen later, by callbacks.unfreeze"
    samples = data.for_training(data.samples(data.splits.train.stored))
    if type(samples) is not Images or samples.augment is not None:
        return "the training images are changed at random, by data.augment"
    return None


def used_rows(data: DataModule) -> dict[str, Tensor]:
    """Row numbers of all samples that are trained on, validate or test, rising, by stored split."""
    rows: dict[str, list[NDArray[np.int64]]] = {}
    for part in data.splits.parts():
        rows.setdefault(part.stored, []).append(part.rows)
    return {stored: torch.from_numpy(np.unique(np.concatenate(parts))) for stored, parts in rows.items()}


def key_of(data: DataModule, model: ResNetModule, trainer: pl.Trainer, rows: Rows) -> str:
    """Digest of all that the features depend on."""
    network = model.network
    said = [
        FORMAT_VERSION,
        data.checksum(),
        *data.spec.input_shape,
        *sorted(model.preprocess.steps),
        weights_fingerprint(model.preprocess),
        weights_fingerprint(network.body),
        network.last_stage,
        "pooled" if len(network.pool) else "map",
        str(trainer.precision),
        trainer.strategy.root_device.type,
    ]
    digest = hashlib.sha256(json.dumps(said).encode())
    for stored, chosen in sorted(rows.items()):
        digest.update(stored.encode())
        digest.update(chosen.numpy().tobytes())
    return digest.hexdigest()


def kept_or_computed(
    path: Path, key: str, data: DataModule, model: ResNetModule, trainer: pl.Trainer, rows: Rows
) -> dict[str, Tensor]:
    """Read the file, or compute and write it first; a damaged one is written anew.

    Raises:
        TrainingError: if it cannot be written.
    """
    log = logging.getLogger("cnnlab")
    count = sum(map(len, rows.values()))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Jobs that run beside each other wait for the first.
        with filelock.FileLock(path.with_suffix(".lock")):
            found = read(path, key, rows, data)
            if found is not None:
                log.info("features of %d images read from %s", count, path)
                return found
            for left in path.parent.glob(f".{path.stem}-*{path.suffix}"):  # by a kill, since the lock is ours
                left.unlink(missing_ok=True)
            begun = time.monotonic()
            with replacing(path) as temporary:
                write(temporary, key, data, model, trainer, rows)
            log.info("features of %d images computed in %.1f s: %s", count, time.monotonic() - begun, path)
            found = read(path, key, rows, data)
    except OSError as error:
        raise TrainingError(
            f"{path}: the features cannot be kept there ({error.strerror or reason(error)});"
            " data.store=FOLDER chooses another folder, model.cache_features=false does without."
        ) from error
    if found is None:
        raise TrainingError(f"{path}: the features that were just written cannot be read.")
    return found


def read(path: Path, key: str, rows: Rows, data: DataModule) -> dict[str, Tensor] | None:
    """Read or map the features of each stored split; None where there are none of this key."""
    found = {}
    try:
        file = open_sealed(path)
        if file.about["key"] != key:
            return None
        for stored, chosen in rows.items():
            kept = file.arrays[stored]
            if kept.dtype != np.float32 or kept.shape[:1] != (len(chosen),):
                return None
            mapped = isinstance(data, ImageDataModule) and data.maps(kept.nbytes)
            found[stored] = torch.from_numpy(kept.map() if mapped else kept.read())
    except (OSError, KeyError, ValueError):
        return None
    return found


def write(
    path: Path, key: str, data: DataModule, model: ResNetModule, trainer: pl.Trainer, rows: Rows
) -> None:
    """Compute the features batch by batch and write each as it comes."""
    quiet = not sys.stderr.isatty()
    with (
        create(path) as file,
        Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar,
    ):
        task = bar.add_task(f"features of {data.spec.name}", total=sum(map(len, rows.values())))
        for stored, chosen in rows.items():
            done = 0
            for features in computed(data.samples(stored), chosen, model, trainer):
                if not done:
                    shape = (len(chosen), *features.shape[1:])
                    dataset = file.create_dataset(stored, shape, np.float32, fill_time="never")
                dataset[done : done + len(features)] = features
                done += len(features)
                bar.advance(task, len(features))
    seal(path, {"key": key})


def computed(
    samples: Samples, rows: Tensor, model: ResNetModule, trainer: pl.Trainer
) -> Iterator[NDArray[np.float32]]:
    """Compute features of some samples, batch by batch, in the trainer's precision and on its device."""
    device = trainer.strategy.root_device
    height, width = model.spec.input_shape[1:]
    at_once = max(1, min(512, PIXELS_AT_ONCE // (height * width)))
    model.to(device)
    with evaluating(model), torch.no_grad(), trainer.precision_plugin.forward_context():
        for part in torch.split(rows, at_once):
            raw = samples.inputs(part.to(samples.device), torch.Generator()).to(device)
            yield model.network.features(model.preprocess(raw)).float().cpu().numpy()


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch to evaluation, and back to what was before."""
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)


def as_samples(data: DataModule, stored: str, rows: Tensor, features: Tensor) -> Features:
    """Put features under the row numbers of the samples that they are of."""
    targets = data.samples(stored).targets.cpu()
    positions = torch.full((len(targets),), -1, dtype=torch.int64)
    positions[rows] = torch.arange(len(rows))
    return Features(features, positions, targets)
