"""Data modules for images: raw files to a prepared store, the store to splits, splits to batches."""

import hashlib
import json
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import filelock
import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from cnnlab.config.ranges import Count, Fraction, UpToOne, Whole
from cnnlab.data.augment import Augment
from cnnlab.data.batches import Batch, ImageBatches
from cnnlab.data.raw import default_root, default_store
from cnnlab.data.spec import DataSpec
from cnnlab.data.splits import Indices, Part, SplitRule, Splits, split
from cnnlab.data.store import Option, Store, StoreWriter, open_store
from cnnlab.errors import UserError

EVALUATION_BATCH = 512


@dataclass(kw_only=True, eq=False, repr=False)
class ImageDataModule(pl.LightningDataModule):
    """Images and their classes, read once into a store, served whole from memory.

    A subclass says its :attr:`spec`, reads its raw files in :meth:`write`, and names in
    :attr:`stored_options` the settings that change what is stored.

    Args:
        root: folder of the raw files, in torchvision's layouts; it may be read-only. Default: the
            environment variable ``CNNLAB_DATA``, else the user's cache folder.
        store: folder of the prepared HDF5 files. Default: the user's cache folder.
        verify: compare the raw files with the official checksums.
        validation: fraction or count of train that validates; None where a split is stored.
        test: fraction or count of train that tests, for data sets without a test split of their own.
        split: ``official``, or ``halve_test``: one half of the test set validates, the other tests.
        split_seed: seed of every split; it stays while ``seed`` varies.
        stratify: keep each class's share in every part.
        train_fraction: share of the training samples that is trained on.
        batch_size: samples in a training batch, over all devices.
        memory: ``load`` the store, ``map`` it, or ``auto``: map what exceeds half of the free memory.
        watch_test: serve the test set beside validation, to be looked at only.
        augment: what is done to training images.
        seed: seed of order and augmentation.

    Raises:
        UserError: where a value is out of range, or (in ``prepare_data``) the files are not right.
    """

    dataset_name: ClassVar[str]

    root: str | Path | None = None
    store: str | Path | None = None
    verify: bool = True
    validation: Count | Fraction | None = 0.1
    test: Count | Fraction | None = None
    split: SplitRule = "official"
    split_seed: Whole = 0
    stratify: bool = False
    train_fraction: UpToOne = 1.0
    batch_size: Count = 128
    memory: Literal["auto", "load", "map"] = "auto"
    watch_test: bool = False
    augment: Augment = field(default_factory=Augment)
    seed: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self.raw_root = Path(self.root).expanduser() if self.root else default_root()
        self.store_folder = Path(self.store).expanduser() if self.store else default_store()
        self.require_range("batch_size", 1, 1 << 30)
        if not 0 < self.train_fraction <= 1:
            raise UserError(f"data.train_fraction={self.train_fraction}: above 0 and at most 1.")
        self._opened: Store | None = None
        self._labels: dict[str, Indices] = {}
        self._tensors: dict[str, tuple[Tensor, Tensor]] = {}

    def require_range(self, name: str, lowest: int, highest: int) -> None:
        """Refuse a setting that is out of its range."""
        value = getattr(self, name)
        if not lowest <= value <= highest:
            raise UserError(f"data.{name}={value}: allowed is {lowest} to {highest}.")

    @property
    @abstractmethod
    def spec(self) -> DataSpec:
        """Shape and classes, known before any file is read."""

    @property
    def stored_options(self) -> dict[str, Option]:
        """Settings that change what is stored; stores of other settings lie beside it."""
        return {}

    @abstractmethod
    def write(self, writer: StoreWriter) -> None:
        """Read the raw files and write every split, with all classes that they hold.

        ``writer.class_names`` are the spec's until this method says otherwise.
        """

    @property
    def source(self) -> str:
        """Where the raw files lie, for the store's record."""
        return str(self.raw_root.absolute())

    @property
    def store_path(self) -> Path:
        """The prepared file: the name, and a digest of source and options."""
        identity = json.dumps([self.source, self.stored_options], sort_keys=True)
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return self.store_folder / f"{self.dataset_name}-{digest}.h5"

    def prepare_data(self) -> None:
        """Write the store unless it is there; a store of unverified files does not do for ``verify``."""
        path = self.store_path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(path.with_suffix(".lock")):
                stored = open_store(path)
                if stored is not None and (stored.verified or not self.verify):
                    return
                # The lock is ours: what lies here was left by a kill.
                for left in path.parent.glob(f".{path.name}.*.tmp"):
                    left.unlink(missing_ok=True)
                with StoreWriter(
                    path,
                    class_names=self.spec.class_names,
                    source=self.source,
                    verified=self.verify,
                    options=self.stored_options,
                ) as writer:
                    self.write(writer)
        except PermissionError as error:
            raise UserError(
                f"data.store={path.parent}: no permission to write there; data.store=FOLDER chooses another."
            ) from error

    def setup(self, stage: str | None = None) -> None:
        """Open the store and split it."""
        if self._opened is not None:
            return
        self._opened = open_store(self.store_path)
        self._labels = {name: self._renumber(part.labels()) for name, part in self.opened.splits.items()}
        used = {name: np.flatnonzero(labels >= 0) for name, labels in self._labels.items()}
        parted = split(
            {name: self._labels[name][rows] for name, rows in used.items()},
            rule=self.split,
            validation=self.validation,
            test=self.test,
            train_fraction=self.train_fraction,
            stratify=self.stratify,
            seed=self.split_seed,
        )
        self.splits = Splits(*(Part(p.stored, used[p.stored][p.rows]) for p in parted.parts()))

    @property
    def opened(self) -> Store:
        """The prepared store, once :meth:`setup` has opened it."""
        if self._opened is None:
            raise RuntimeError(f"{self.store_path} is not open: call prepare_data and setup first.")
        return self._opened

    def _renumber(self, labels: Indices) -> Indices:
        """Count the classes as the spec names them; -1 is a class that is not used."""
        names, wanted = list(self.opened.class_names), self.spec.class_names
        missing = [name for name in wanted if name not in names]
        if missing:
            raise UserError(
                f"data.classes: {self.source} holds {len(names)} classes ({names[0]} to {names[-1]}), "
                f"and {missing[0]} is not among them; data.classes={len(names)} uses those that are there."
            )
        number = np.full(len(names), -1, dtype=np.int64)
        number[[names.index(name) for name in wanted]] = np.arange(len(wanted))
        return number[labels]

    def tensors(self, stored: str, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Images ``(n, height, width, channels)`` uint8 and labels int64 of a stored split, on ``device``."""
        if stored not in self._tensors:
            chosen = self.opened.splits[stored]
            size = int(np.prod(chosen.shape))
            mapped = self.memory == "map" or (self.memory == "auto" and size > _free_memory() // 2)
            self._tensors[stored] = (chosen.images(mapped=mapped), torch.from_numpy(self._labels[stored]))
        images, labels = self._tensors[stored]
        if torch.device(device).type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if images.numel() < free // 2:
                self._tensors[stored] = images, labels = images.to(device), labels.to(device)
        return images, labels

    def batches(self, part: Part, *, train: bool = False) -> ImageBatches:
        """Loader over one part; the training part is shuffled and augmented."""
        trainer = self.trainer
        device = trainer.strategy.root_device if trainer is not None else torch.device("cpu")
        images, labels = self.tensors(part.stored, device)
        return ImageBatches(
            images,
            labels,
            torch.from_numpy(part.rows),
            self.batch_size if train else max(self.batch_size, EVALUATION_BATCH),
            shuffle=train,
            augment=self.augment if train else None,
            seed=self.seed,
            rank=trainer.global_rank if trainer is not None and train else 0,
            world_size=trainer.world_size if trainer is not None and train else 1,
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Leave a batch where it is if that is the device, without looking into it piece by piece."""
        images, labels = batch
        return batch if images.device == device else (images.to(device), labels.to(device))

    def train_dataloader(self) -> ImageBatches:
        """Shuffled and augmented training batches."""
        return self.batches(self.splits.train, train=True)

    def val_dataloader(self) -> list[ImageBatches]:
        """Validation batches in their stored order, and those of the test where it is watched."""
        watched = [self.splits.test] if self.watch_test else []
        return [self.batches(part) for part in (self.splits.val, *watched)]

    def test_dataloader(self) -> ImageBatches:
        """Test batches in their stored order."""
        return self.batches(self.splits.test)

    def training_images(self) -> Tensor:
        """All training images, uint8 ``(n, channels, height, width)``: what preprocessing is fitted on."""
        images, _ = self.tensors(self.splits.train.stored)
        rows = torch.from_numpy(self.splits.train.rows)
        chosen = images if len(rows) == len(images) else images.index_select(0, rows.to(images.device))
        return chosen.permute(0, 3, 1, 2)

    def fingerprint(self) -> str:
        """Digest of the stored arrays and of the split: equal when two runs saw the same samples."""
        digest = hashlib.sha256(self.opened.checksum.encode())
        for part in self.splits.parts():
            digest.update(part.stored.encode())
            digest.update(np.ascontiguousarray(part.rows).tobytes())
        digest.update(json.dumps(self.spec.class_names).encode())
        return digest.hexdigest()[:16]

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be read and were left out."""
        return self.opened.skipped

    def counts(self) -> dict[str, int]:
        """Samples in train, validation and test."""
        return {name: len(getattr(self.splits, name).rows) for name in ("train", "val", "test")}


def _free_memory() -> int:
    """Bytes that can be allocated without swapping; where the system does not say, 8 GiB."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 8 << 30
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
