"""What a data set holds: counts, means and spreads, texts, equal samples; read block by block."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.data.batches import Batches
from cnnlab.data.datamodule import Content, DataModule
from cnnlab.data.samples import Batch
from cnnlab.data.splits import Indices, Part
from cnnlab.data.text import Texts
from cnnlab.data.vocabulary import UNKNOWN

PARTS = ("train", "val", "test")
MOST_SHOWN_CLASSES = 100

_BLOCK = 1 << 20  # numbers that are looked at together
_SHADES = 256


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and spread of columns, whose missing values (NaN) are left out and counted.

    Args:
        present: int64 ``(columns,)``, how many values are there.
        missing: int64 ``(columns,)``, how many are not.
        mean: float64 ``(columns,)``; NaN for a column without a value, as the others are then.
        spread: float64 ``(columns,)``, the standard deviation of the values (divided by their number).
        smallest: float64 ``(columns,)``.
        largest: float64 ``(columns,)``.
    """

    present: NDArray[np.int64]
    missing: NDArray[np.int64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TextNumbers:
    """What the texts of a part are like.

    Args:
        lengths: of the number of words of a text, one column.
        unknown: words that are not in the vocabulary, each as often as it stands there.
        empty: texts without a word.
        cut: texts that are longer than a sequence, and lose some words; 0 where words are counted.
    """

    lengths: Moments
    unknown: int
    empty: int
    cut: int

    @property
    def texts(self) -> int:
        """Number of texts."""
        return int(self.lengths.present[0])

    @property
    def words(self) -> int:
        """Number of words of all texts."""
        return round(float(self.lengths.mean[0] * self.texts))


@dataclass(frozen=True, eq=False)
class PartOverview:
    """One part of a data set.

    Args:
        samples: how many.
        classes: int64 ``(classes,)``, how many of each class; None where classes are not the target.
        inputs: by channel of an image, by column of a table; None for texts.
        values: by value to predict; None where classes or images are the target.
        texts: None for all but texts.
    """

    samples: int
    classes: NDArray[np.int64] | None
    inputs: Moments | None
    values: Moments | None
    texts: TextNumbers | None


@dataclass(frozen=True, eq=False)
class Overview:
    """What a data set holds, as it is split.

    Args:
        parts: ``train``, ``val`` and ``test``.
        repeated: by part, the samples that are equal to an earlier one of the same part.
        shared: by two parts, the samples of the first that stand in the second too.
        left_out: by stored split, the samples that are in no part.
    """

    parts: dict[str, PartOverview]
    repeated: dict[str, int]
    shared: dict[tuple[str, str], int]
    left_out: dict[str, int]


def overview(data: DataModule) -> Overview:
    """Look at all samples of a data set, as they are served to a network in evaluation.

    Args:
        data: prepared and set up.

    Examples:
        >>> from cnnlab.data.tabular import Pima
        >>> data = Pima(missing=["insulin"])
        >>> data.setup()
        >>> found = overview(data)
        >>> found.parts["test"].classes, int(found.parts["test"].inputs.missing[4])
        (array([103,  51]), 78)
    """
    contents = data.contents()
    parts = dict(zip(PARTS, data.splits.parts(), strict=True))
    digests = {name: contents[part.stored].digests[part.rows] for name, part in parts.items()}
    used = {stored: [part.rows for part in parts.values() if part.stored == stored] for stored in contents}
    left = {stored: len(contents[stored].labels) - sum(map(len, rows)) for stored, rows in used.items()}
    return Overview(
        parts={name: _of_part(data, part, contents[part.stored]) for name, part in parts.items()},
        repeated={name: len(found) - len(np.unique(found)) for name, found in digests.items()},
        shared={
            (one, other): int(np.isin(digests[one], digests[other]).sum())
            for one, other in itertools.combinations(PARTS, 2)
        },
        left_out={stored: number for stored, number in left.items() if number},
    )


def moments(blocks: Iterator[Tensor]) -> Moments:
    """Mean and spread of columns that come in blocks (Chan, Golub and LeVeque 1979).

    Args:
        blocks: rows of a table, ``(rows, columns)`` of any type, one block or more.

    Examples:
        >>> found = moments(iter([torch.tensor([[1.0], [3.0]]), torch.tensor([[8.0], [float("nan")]])]))
        >>> found.mean, found.spread.round(3), found.missing
        (array([4.]), array([2.944]), array([1]))
    """
    total, present = 0, np.zeros(1, np.int64)
    mean, squares = np.zeros(1), np.zeros(1)
    smallest, largest = np.full(1, np.inf), np.full(1, -np.inf)
    for block in blocks:
        values = block.to(torch.float64).numpy()
        there = ~np.isnan(values)
        count = there.sum(0)
        own = np.sum(values, 0, where=there) / np.maximum(count, 1)
        apart = np.sum((values - own) ** 2, 0, where=there)
        both = np.maximum(present + count, 1)
        squares = squares + apart + (own - mean) ** 2 * present * count / both
        mean = mean + (own - mean) * count / both
        total, present = total + len(values), present + count
        smallest = np.minimum(smallest, np.min(values, 0, where=there, initial=np.inf))
        largest = np.maximum(largest, np.max(values, 0, where=there, initial=-np.inf))
    spread = np.sqrt(squares / np.maximum(present, 1))
    return _moments(present, total - present, mean, spread, smallest, largest)


def pixel_moments(blocks: Iterator[Tensor]) -> Moments:
    """Mean and spread of each channel of images, exactly, by counting how often each value stands there.

    Args:
        blocks: images uint8 ``(images, channels, height, width)``, one block or more.

    Examples:
        >>> found = pixel_moments(iter([torch.tensor([0, 10, 20, 250], dtype=torch.uint8).view(2, 2, 1, 1)]))
        >>> found.mean, found.spread
        (array([ 10., 130.]), array([ 10., 120.]))
    """
    counts = np.zeros((1, _SHADES), np.int64)
    for block in blocks:
        channels = block.transpose(0, 1).flatten(1).numpy()
        counts = counts + np.stack([np.bincount(pixels, minlength=_SHADES) for pixels in channels])
    shades, there, present = np.arange(_SHADES), counts > 0, counts.sum(1)
    mean = counts @ shades / np.maximum(present, 1)
    squares = (counts * (shades - mean[:, np.newaxis]) ** 2).sum(1)
    smallest, largest = there.argmax(1), _SHADES - 1 - there[:, ::-1].argmax(1)
    spread = np.sqrt(squares / np.maximum(present, 1))
    return _moments(present, 0 * present, mean, spread, smallest, largest)


def _moments(
    present: NDArray[np.int64], missing: NDArray[np.int64], *columns: NDArray[np.floating | np.integer]
) -> Moments:
    return Moments(present, missing, *(np.where(present, column, np.nan) for column in columns))


def example_rows(data: DataModule, most: int = 64) -> Indices:
    """Choose training samples to be shown: the first ones of each class, class by class.

    Args:
        data: prepared and set up.
        most: number of samples; each class has at least one, and 100 classes are shown at most.

    Returns:
        int64 row numbers in the stored split of ``data.splits.train``; as many of each class as there are,
        up to one number for all.

    Examples:
        >>> from cnnlab.data.tabular import Pima
        >>> data = Pima()
        >>> data.setup()
        >>> data.samples("train").targets[example_rows(data, 6)]
        tensor([0, 0, 0, 1, 1, 1])
    """
    part, classes = data.splits.train, len(data.spec.class_names)
    if not classes:
        return part.rows[:most]
    labels = data.contents()[part.stored].labels[part.rows]
    each = max(1, most // classes)
    rows = [part.rows[np.flatnonzero(labels == c)[:each]] for c in range(min(classes, MOST_SHOWN_CLASSES))]
    return np.concatenate(rows)


def _of_part(data: DataModule, part: Part, content: Content) -> PartOverview:
    spec, samples = data.spec, data.samples(part.stored)
    classes = np.bincount(content.labels[part.rows], minlength=spec.outputs) if spec.class_names else None
    texts = inputs = values = None
    if isinstance(samples, Texts):
        texts = _of_texts(samples, part.rows)
    else:
        measure = pixel_moments if spec.kind == "image" else moments
        inputs = measure(taken for taken, _ in _blocks(data, part))
    if spec.target == "values":
        values = moments(target for _, target in _blocks(data, part))
    return PartOverview(len(part.rows), classes, inputs, values, texts)


def _blocks(data: DataModule, part: Part) -> Iterator[Batch]:
    samples, rows = data.samples(part.stored), torch.from_numpy(part.rows)
    yield samples.batch(rows[:0], torch.Generator())  # an empty part has columns as well
    yield from Batches(samples, rows, max(1, _BLOCK // data.spec.features))


def _of_texts(samples: Texts, rows: Indices) -> TextNumbers:
    offsets = samples.texts.offsets.numpy()
    # Unknown words before each place, so that those of a text are a difference.
    before = np.concatenate([[0], np.cumsum(samples.texts.ids.numpy() == UNKNOWN)])
    lengths = np.diff(offsets)[rows]
    return TextNumbers(
        lengths=moments(iter([torch.from_numpy(lengths).unsqueeze(1)])),
        unknown=int((before[offsets[rows + 1]] - before[offsets[rows]]).sum()),
        empty=int((lengths == 0).sum()),
        cut=int((lengths > samples.length).sum()) if samples.view == "sequences" else 0,
    )
