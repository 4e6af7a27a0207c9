"""Which samples are for training, validation and test: seeded, disjoint, stratified on demand."""

from dataclasses import dataclass
from functools import partial
from heapq import heapify, heapreplace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import UserError

Indices = NDArray[np.int64]
Digests = NDArray[np.uint64]
SplitRule = Literal["official", "halve_test"]
PartName = Literal["train", "val", "test"]


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


def draw(labels: Indices, count: int, seed: int, stratify: bool, digests: Digests | None = None) -> Indices:
    """Choose ``count`` of the samples at random, with each class's share kept if ``stratify``.

    Args:
        labels: int64 class of each sample, shape ``(n,)``.
        count: how many to choose, ``0 <= count <= n``; where equal samples do not fit in, a few less.
        seed: the same seed chooses the same samples.
        stratify: give each class its share, rounded by largest remainder.
        digests: uint64 ``(n,)``: samples of equal digest are chosen together or not at all.

    Returns:
        Sorted int64 row numbers.

    Examples:
        >>> draw(np.array([0, 0, 0, 0, 1, 1]), 3, seed=0, stratify=True).shape
        (3,)
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    if digests is not None and len(np.unique(digests)) == len(digests):
        digests = None
    if not stratify:
        return np.sort(_first(order, count, digests))
    classes, members = np.unique(labels, return_counts=True)
    shares = members * count / len(labels)
    quota = np.floor(shares).astype(np.int64)
    largest = np.argsort(-(shares - quota), kind="stable")[: count - quota.sum()]
    quota[largest] += 1
    by_class = labels if digests is None else _of_their_first(labels, digests)
    chosen = [_first(order[by_class[order] == c], q, digests) for c, q in zip(classes, quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def _of_their_first(labels: Indices, digests: Digests) -> Indices:
    """Label of the first sample that is equal to each, since equal samples may differ in their labels."""
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    return labels[first][group]


def _first(order: Indices, count: int, digests: Digests | None) -> Indices:
    """Take samples in this order until there are ``count``, equal ones together."""
    if digests is None:
        return order[:count]
    groups: dict[int, list[int]] = {}
    for row in order:
        groups.setdefault(int(digests[row]), []).append(int(row))
    chosen: list[int] = []
    for rows in groups.values():
        if len(chosen) + len(rows) <= count:
            chosen += rows
    return np.array(chosen, dtype=np.int64)


def fold_numbers(
    labels: Indices, folds: int, seed: int, stratify: bool, digests: Digests | None = None
) -> Indices:
    """Assign each sample to one of ``folds`` parts of (nearly) equal size, int64 ``(n,)``.

    Groups of equal samples come first within their class, the largest ahead, and each goes to the part with
    fewest samples of the class: the rule of Graham 1969 for machines that share jobs.

    Args:
        labels: int64 class of each sample.
        folds: number of parts.
        seed: seed of the assignment.
        stratify: keep the share of each class in every part.
        digests: samples of equal digest come into the same part.

    Raises:
        UserError: if there are more folds than samples.

    Examples:
        >>> np.bincount(fold_numbers(np.zeros(10, dtype=np.int64), 5, seed=0, stratify=False)).tolist()
        [2, 2, 2, 2, 2]
    """
    digests = np.arange(len(labels), dtype=np.uint64) if digests is None else digests
    _, first, inverse, sizes = np.unique(digests, return_index=True, return_inverse=True, return_counts=True)
    if folds > len(first):
        raise UserError(f"data.folds={folds}: allowed is 2 to {len(first)}, the number of different samples.")
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(-sizes[order], kind="stable")]
    by_class = labels[first] if stratify else np.zeros(len(first), dtype=np.int64)
    order = order[np.argsort(by_class[order], kind="stable")]
    number = np.empty(len(first), dtype=np.int64)
    totals = [0] * folds
    for group in np.split(order, np.flatnonzero(np.diff(by_class[order])) + 1):
        # Each to the part that has fewest of its class, and of those to the one with fewest of all.
        parts = [(0, total, fold) for fold, total in enumerate(totals)]
        heapify(parts)
        for one, size in zip(group.tolist(), sizes[group].tolist(), strict=True):
            of_class, total, fold = parts[0]
            number[one] = fold
            totals[fold] = total + size
            heapreplace(parts, (of_class + size, total + size, fold))
    return number[inverse]


def cut(
    part: Part, labels: Indices, count: int, seed: int, stratify: bool, digests: Digests | None = None
) -> tuple[Part, Part]:
    """Part ``part`` in two: what stays, and ``count`` samples drawn from it.

    Args:
        part: the samples to cut.
        labels: int64 classes of the whole stored split that ``part.rows`` count in.
        count: size of the drawn part.
        seed: seed of the draw.
        stratify: see :func:`draw`.
        digests: likewise, of the whole stored split.
    """
    drawn = draw(labels[part.rows], count, seed, stratify, None if digests is None else digests[part.rows])
    if not 0 < len(drawn) < len(part.rows):
        raise UserError(
            f"data: of {len(part.rows)} samples {count} cannot be set aside, since equal ones stay together;"
            " another number, or data.stratify=false, may do."
        )
    stays = np.setdiff1d(np.arange(len(part.rows)), drawn, assume_unique=True)
    return Part(part.stored, part.rows[stays]), Part(part.stored, part.rows[drawn])


def split(
    labels: dict[str, Indices],
    *,
    rule: SplitRule = "official",
    validation: float | int | None = 0.1,
    test: float | int | None = None,
    folds: int | None = None,
    fold: int = 0,
    train_fraction: float = 1.0,
    stratify: bool = False,
    seed: int = 0,
    digests: dict[str, Digests] | None = None,
) -> Splits:
    """Part the stored splits into train, validation and test.

    A stored validation split is used whole, whatever ``validation`` says. The stored test split stays
    whole but for ``rule="halve_test"``, of which a drawn half validates and the other tests, as in the
    CIFAR-10 notebook. A data set that stores no test split gives up ``test`` of its train split. With
    ``folds`` the stored train split alone is used, and its part number ``fold`` tests.

    Args:
        labels: classes of each stored split, by its name (``train``, maybe ``val``, maybe ``test``).
        rule: ``official`` or ``halve_test``.
        validation: fraction or count of train that validates; None where a split of its own is stored.
        test: fraction or count of train that tests, for data sets without a test split.
        folds: number of parts of a cross-validation; None is none.
        fold: the part that tests, from 0.
        train_fraction: share of what is left to train that is trained on, ``0 < f <= 1``.
        stratify: keep the share of each class in every part.
        seed: seed of all draws; it is not the seed of the training.
        digests: a digest of each sample's content: no two parts that are cut from one share a sample.

    Raises:
        UserError: if a part would be empty, or the rule does not fit the data set.
    """
    digests = digests or {}
    part = partial(cut, stratify=stratify)
    train, test_part = _set_test_aside(labels, test, folds, fold, stratify, seed + 1, digests)
    if rule == "halve_test":
        if test_part.stored != "test":
            raise UserError("data.split=halve_test: there is no test split of its own to halve.")
        half = len(test_part.rows) // 2
        test_part, val = part(test_part, labels["test"], half, seed, digests=digests.get("test"))
    elif "val" in labels and folds is None:
        val = Part("val", np.arange(len(labels["val"])))
    elif validation is None:
        why = "there is no validation split" if "val" not in labels else "folds are cut of train alone"
        raise UserError(f"data.validation: {why}; data.validation=0.1 takes a tenth of train.")
    else:
        count = as_count(validation, len(train.rows), "data.validation")
        train, val = part(train, labels["train"], count, seed, digests=digests.get("train"))
    if train_fraction < 1:
        count = as_count(float(train_fraction), len(train.rows), "data.train_fraction")
        _, train = part(train, labels["train"], count, seed + 2)
    return Splits(train, val, test_part)


def _set_test_aside(
    labels: dict[str, Indices],
    test: float | int | None,
    folds: int | None,
    fold: int,
    stratify: bool,
    seed: int,
    digests: dict[str, Digests],
) -> tuple[Part, Part]:
    train = Part("train", np.arange(len(labels["train"])))
    if folds is not None:
        number = fold_numbers(labels["train"], folds, seed, stratify, digests.get("train"))
        return Part("train", np.flatnonzero(number != fold)), Part("train", np.flatnonzero(number == fold))
    if "test" in labels:
        return train, Part("test", np.arange(len(labels["test"])))
    if test is None:
        raise UserError("data.test: this data set has no test split; data.test=0.2 takes a fifth of train.")
    count = as_count(test, len(train.rows), "data.test")
    return cut(train, labels["train"], count, seed, stratify, digests.get("train"))
