"""Which samples are for training, validation and test: seeded, disjoint, stratified on demand."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import UserError

Indices = NDArray[np.int64]
SplitRule = Literal["official", "halve_test"]


@dataclass(frozen=True)
class Part:
    """The samples of one part: row numbers into one stored split.

    Args:
        stored: the stored split that the rows count in: ``train``, ``val`` or ``test``.
        rows: int64 row numbers, each at most once.
    """

    stored: str
    rows: Indices


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set; no two of them share a row of the same stored split."""

    train: Part
    val: Part
    test: Part

    def parts(self) -> tuple[Part, Part, Part]:
        """Train, validation and test."""
        return self.train, self.val, self.test


def as_count(size: float | int, total: int, key: str) -> int:
    """Turn a fraction (``0 < size < 1``) or a count (an integer) of ``total`` samples into a count.

    Raises:
        UserError: if nothing would be left on either side.

    Examples:
        >>> as_count(0.25, 200, "data.validation"), as_count(30, 200, "data.validation")
        (50, 30)
    """
    count = round(size * total) if isinstance(size, float) else size
    if not 0 < count < total:
        raise UserError(
            f"{key}={size} takes {count} of {total} samples: "
            f"allowed is a fraction between 0 and 1, or a count from 1 to {total - 1}."
        )
    return count


def draw(labels: Indices, count: int, seed: int, stratify: bool) -> Indices:
    """Choose ``count`` of the samples at random, with each class's share kept if ``stratify``.

    Args:
        labels: int64 class of each sample, shape ``(n,)``.
        count: how many to choose, ``0 <= count <= n``.
        seed: the same seed chooses the same samples.
        stratify: give each class its share, rounded by largest remainder.

    Returns:
        Sorted int64 row numbers, shape ``(count,)``.

    Examples:
        >>> draw(np.array([0, 0, 0, 0, 1, 1]), 3, seed=0, stratify=True).shape
        (3,)
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    if not stratify:
        return np.sort(order[:count])
    classes, members = np.unique(labels, return_counts=True)
    shares = members * count / len(labels)
    quota = np.floor(shares).astype(np.int64)
    largest = np.argsort(-(shares - quota), kind="stable")[: count - quota.sum()]
    quota[largest] += 1
    chosen = [order[labels[order] == c][:q] for c, q in zip(classes, quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def cut(part: Part, labels: Indices, count: int, seed: int, stratify: bool) -> tuple[Part, Part]:
    """Part ``part`` in two: what stays, and ``count`` samples drawn from it.

    Args:
        part: the samples to cut.
        labels: int64 classes of the whole stored split that ``part.rows`` count in.
        count: size of the drawn part.
        seed: seed of the draw.
        stratify: see :func:`draw`.
    """
    drawn = draw(labels[part.rows], count, seed, stratify)
    stays = np.setdiff1d(np.arange(len(part.rows)), drawn, assume_unique=True)
    return Part(part.stored, part.rows[stays]), Part(part.stored, part.rows[drawn])


def split(
    labels: dict[str, Indices],
    *,
    rule: SplitRule = "official",
    validation: float | int | None = 0.1,
    test: float | int | None = None,
    train_fraction: float = 1.0,
    stratify: bool = False,
    seed: int = 0,
) -> Splits:
    """Part the stored splits into train, validation and test.

    A stored validation split is used whole, whatever ``validation`` says. The stored test split stays
    whole but for ``rule="halve_test"``, of which a drawn half validates and the other tests, as in the
    CIFAR-10 notebook. A data set that stores no test split gives up ``test`` of its train split.

    Args:
        labels: classes of each stored split, by its name (``train``, maybe ``val``, maybe ``test``).
        rule: ``official`` or ``halve_test``.
        validation: fraction or count of train that validates; None where a split of its own is stored.
        test: fraction or count of train that tests, for data sets without a test split.
        train_fraction: share of what is left to train that is trained on, ``0 < f <= 1``.
        stratify: keep the share of each class in every part.
        seed: seed of all draws; it is not the seed of the training.

    Raises:
        UserError: if a part would be empty, or the rule does not fit the data set.
    """
    train = Part("train", np.arange(len(labels["train"])))
    test_part = Part("test", np.arange(len(labels["test"]))) if "test" in labels else None
    if test_part is None:
        if test is None:
            raise UserError(
                "data.test: this data set has no test split; data.test=0.2 takes a fifth of train."
            )
        train, test_part = cut(
            train, labels["train"], as_count(test, len(train.rows), "data.test"), seed + 1, stratify
        )
    if rule == "halve_test":
        if test_part.stored != "test":
            raise UserError("data.split=halve_test: this data set has no test split of its own to halve.")
        half = len(test_part.rows) // 2
        test_part, val = cut(test_part, labels["test"], half, seed, stratify)
    elif "val" in labels:
        val = Part("val", np.arange(len(labels["val"])))
    elif validation is None:
        raise UserError(
            "data.validation: there is no validation split; data.validation=0.1 takes a tenth of train."
        )
    else:
        train, val = cut(
            train, labels["train"], as_count(validation, len(train.rows), "data.validation"), seed, stratify
        )
    if train_fraction < 1:
        keep = as_count(float(train_fraction), len(train.rows), "data.train_fraction")
        _, train = cut(train, labels["train"], keep, seed + 2, stratify)
    return Splits(train, val, test_part)
