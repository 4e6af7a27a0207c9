"""Data modules: files to samples, samples to splits, splits to batches."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from cnnlab.config.ranges import Count, Fraction, UpToOne, Whole
from cnnlab.data.batches import Batches
from cnnlab.data.input_format import InputFormat
from cnnlab.data.samples import Batch, Samples
from cnnlab.data.spec import DataSpec
from cnnlab.data.splits import Digests, Indices, Part, SplitRule, Splits, split
from cnnlab.errors import UserError

EVALUATION_BATCH, EVALUATION_BYTES = 512, 1 << 23  # of large images fewer, since a network holds a multiple
LARGEST_BATCH = 1 << 30


class Content(NamedTuple):
    """What the splits are drawn by: class and content of each sample of a stored split.

    Args:
        labels: int64 classes ``(n,)``; -1 is a sample that is not used; zeros where there are no classes.
        digests: uint64 ``(n,)``, equal for samples of equal content.
    """

    labels: Indices
    digests: Digests


@dataclass(kw_only=True, eq=False, repr=False)
class DataModule(pl.LightningDataModule):
    """Samples and targets, split by one rule and served whole from memory.

    A subclass says its :attr:`spec`, makes its files ready in ``prepare_data``, and gives their
    :meth:`contents` and :meth:`stored_samples`.

    Args:
        validation: fraction or count of train that validates; None where a split is stored.
        test: fraction or count of train that tests, for data sets without a test split of their own.
        split: ``official``, or ``halve_test``: one half of the test set validates, the other tests.
        folds: number of parts of a cross-validation of the training set; None is none.
        fold: the part that tests, from 0.
        split_seed: seed of every split; it stays while ``seed`` varies.
        stratify: keep each class's share in every part; folds of classes always do.
        train_fraction: share of the training samples that is trained on.
        batch_size: samples in a training batch, over all devices; ``all`` is one batch an epoch.
        watch_test: serve the test set beside validation, to be looked at only.
        seed: seed of order and augmentation.

    Raises:
        UserError: where a value is out of range, or (in ``prepare_data``) the files are not right.
    """

    validation: Count | Fraction | None = 0.1
    test: Count | Fraction | None = None
    split: SplitRule = "official"
    folds: Count | None = None
    fold: Whole = 0
    split_seed: Whole = 0
    stratify: bool = False
    train_fraction: UpToOne = 1.0
    batch_size: Count | Literal["all"] = 128
    watch_test: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        if self.batch_size != "all":
            self.require_range("batch_size", 1, LARGEST_BATCH)
        if self.folds is not None:
            self.require_range("folds", 2, LARGEST_BATCH)
            self.require_range("fold", 0, self.folds - 1)
        elif self.fold:
            raise UserError(
                f"data.fold={self.fold}: there is no cross-validation; data.folds=5 makes one of five parts."
            )
        if not 0 < self.train_fraction <= 1:
            raise UserError(f"data.train_fraction={self.train_fraction}: above 0 and at most 1.")
        self._contents: dict[str, Content] = {}
        self._samples: dict[str, Samples] = {}

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
    def input_format(self) -> InputFormat:
        """What raw samples look like, known once the data is prepared: kept with the run."""
        return InputFormat(spec=self.spec)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files that could not be read and were left out."""
        return ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a figure measured on this data should be read with, in half sentences."""
        return ()

    @abstractmethod
    def contents(self) -> dict[str, Content]:
        """Classes and digests of each stored split, by its name; called once, in :meth:`setup`."""

    @abstractmethod
    def stored_samples(self, stored: str) -> Samples:
        """All samples of a stored split, in memory or mapped."""

    @abstractmethod
    def checksum(self) -> str:
        """Digest of all stored arrays."""

    def for_training(self, samples: Samples) -> Samples:
        """Samples as they are trained on, for data that is augmented."""
        return samples

    def setup(self, stage: str | None = None) -> None:
        """Read what the splits are drawn by, and draw them."""
        if self._contents:
            return
        contents = self.contents()
        used = {name: np.flatnonzero(content.labels >= 0) for name, content in contents.items()}
        parted = split(
            {name: contents[name].labels[rows] for name, rows in used.items()},
            rule=self.split,
            validation=self.validation,
            test=self.test,
            folds=self.folds,
            fold=self.fold,
            train_fraction=self.train_fraction,
            stratify=self.stratify or (self.folds is not None and self.spec.target == "classes"),
            seed=self.split_seed,
            digests={name: contents[name].digests[rows] for name, rows in used.items()},
        )
        self.splits = Splits(*(Part(p.stored, used[p.stored][p.rows]) for p in parted.parts()))
        self._contents = contents

    def samples(self, stored: str, device: torch.device | str = "cpu") -> Samples:
        """All samples of a stored split, on ``device`` where it has the room."""
        if stored not in self._samples:
            self._samples[stored] = self.stored_samples(stored)
        samples = self._samples[stored]
        if torch.device(device).type == "cuda" and samples.device.type != "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if samples.total_bytes < free // 2:
                self._samples[stored] = samples = samples.to(torch.device(device))
        return samples

    def batches(self, part: Part, *, train: bool = False) -> Batches:
        """Loader over one part; the training part is shuffled and augmented."""
        trainer = self.trainer
        device = trainer.strategy.root_device if trainer is not None else torch.device("cpu")
        samples = self.samples(part.stored, device)
        size = len(part.rows) if self.batch_size == "all" else self.batch_size
        return Batches(
            self.for_training(samples) if train else samples,
            torch.from_numpy(part.rows),
            size if train else self.evaluation_batch(part),
            shuffle=train,
            seed=self.seed,
            rank=trainer.global_rank if trainer is not None and train else 0,
            world_size=trainer.world_size if trainer is not None and train else 1,
        )

    def evaluation_batch(self, part: Part) -> int:
        """How many samples are looked at together where nothing is trained."""
        size = len(part.rows) if self.batch_size == "all" else self.batch_size
        return max(size, min(EVALUATION_BATCH, EVALUATION_BYTES // self.samples(part.stored).sample_bytes))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Leave a batch where it is if that is the device, without looking into it piece by piece."""
        inputs, targets = batch
        return batch if inputs.device == device else (inputs.to(device), targets.to(device))

    def train_dataloader(self) -> Batches:
        """Shuffled and augmented training batches."""
        return self.batches(self.splits.train, train=True)

    def val_dataloader(self) -> list[Batches]:
        """Validation batches in their stored order, and those of the test where it is watched."""
        watched = [self.splits.test] if self.watch_test else []
        return [self.batches(part) for part in (self.splits.val, *watched)]

    def test_dataloader(self) -> Batches:
        """Test batches in their stored order."""
        return self.batches(self.splits.test)

    def serving(self, samples: Mapping[str, Samples]) -> Self:
        """Give the same splits, orders and batches, of other samples in place of the stored ones.

        Args:
            samples: by the names of the stored splits.
        """
        other = copy(self)
        other._samples = dict(samples)
        return other

    def training_blocks(self, size: int) -> Iterator[Tensor]:
        """Yield the raw training inputs, ``size`` at a time: what preprocessing is fitted on."""
        samples = self.samples(self.splits.train.stored)
        for rows in torch.split(torch.from_numpy(self.splits.train.rows), size):
            yield samples.inputs(rows.to(samples.device), torch.Generator())

    def fingerprint(self) -> str:
        """Digest of the stored arrays and of the split: equal when two runs saw the same samples."""
        digest = hashlib.sha256(self.checksum().encode())
        for part in self.splits.parts():
            digest.update(part.stored.encode())
            digest.update(np.ascontiguousarray(part.rows).tobytes())
        digest.update(json.dumps(self.spec.class_names).encode())
        return digest.hexdigest()[:16]

    def shared_with_train(self) -> dict[str, int]:
        """How many samples of validation and test are equal to one that is trained on."""
        train, *others = [self._contents[p.stored].digests[p.rows] for p in self.splits.parts()]
        return {
            name: int(np.isin(other, train).sum())
            for name, other in zip(("validation", "test"), others, strict=True)
        }

    def untrained_classes(self) -> tuple[str, ...]:
        """Names of the classes that validation or test hold, and the training part does not."""
        if self.spec.target != "classes" or not self.spec.class_names:
            return ()
        train, *others = [self._contents[p.stored].labels[p.rows] for p in self.splits.parts()]
        unknown = np.setdiff1d(np.concatenate(others), train)
        return tuple(self.spec.class_names[number] for number in unknown)

    def counts(self) -> dict[str, int]:
        """Samples in train, validation and test."""
        return {name: len(getattr(self.splits, name).rows) for name in ("train", "val", "test")}
