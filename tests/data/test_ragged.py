"""Samples of different length: against plain loops, hand-made cases and scikit-learn's counts."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from cnnlab.data.ragged import Cut, Padding, Ragged

LENGTHS = (7, 0, 1, 12, 3, 0, 5, 4)
WORDS = 9


def samples(dtype: type[Any] = np.int32) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, WORDS, length, dtype=dtype).tolist() for length in LENGTHS]


def ragged_of(lists: list[list[int]], dtype: torch.dtype = torch.int32) -> Ragged:
    ids = [token for sample in lists for token in sample]
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(torch.tensor(ids, dtype=dtype), torch.from_numpy(offsets))


def padded(sample: list[int], length: int, padding: Padding, cut: Cut) -> list[int]:
    """Lists have what tensors lack: they grow and shrink one token at a time."""
    sample = list(sample)
    while len(sample) > length:
        sample.pop(0 if cut == "start" else -1)
    while len(sample) < length:
        sample.insert(0 if padding == "before" else len(sample), 0)
    return sample


# Keras's documentation of pad_sequences has these rows.
@pytest.mark.parametrize(
    ("length", "padding", "cut", "expected"),
    [
        (3, "before", "start", [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        (3, "after", "start", [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        (2, "before", "start", [[0, 1], [2, 3], [5, 6]]),
        (2, "after", "end", [[1, 0], [2, 3], [4, 5]]),
    ],
)
def test_kerass_examples(length: int, padding: Padding, cut: Cut, expected: list[list[int]]) -> None:
    ragged = ragged_of([[1], [2, 3], [4, 5, 6]])
    assert ragged.sequences(torch.arange(3), length, padding=padding, cut=cut).tolist() == expected


@pytest.mark.parametrize("padding", ["before", "after"])
@pytest.mark.parametrize("cut", ["start", "end"])
@pytest.mark.parametrize("length", [1, 4, 5, 12, 30])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.uint8])
def test_sequences_are_the_loops(padding: Padding, cut: Cut, length: int, dtype: torch.dtype) -> None:
    lists, rows = samples(), [3, 0, 7, 1, 3, 5, 2]
    taken = ragged_of(lists, dtype).sequences(torch.tensor(rows), length, padding=padding, cut=cut)
    assert taken.dtype == torch.int64
    assert taken.tolist() == [padded(lists[row], length, padding, cut) for row in rows]


@pytest.mark.parametrize("binary", [False, True])
def test_counts_are_scikit_learns(binary: bool) -> None:
    lists, rows = samples(), [3, 0, 7, 1, 3, 5, 2]
    columns = [str(word) for word in range(WORDS)]
    vectorizer = CountVectorizer(analyzer=str.split, vocabulary=columns, binary=binary)
    expected = vectorizer.transform(" ".join(map(str, lists[row])) for row in rows).toarray()
    counted = ragged_of(lists).counts(torch.tensor(rows), WORDS, binary=binary)
    assert counted.dtype == torch.float32
    np.testing.assert_array_equal(counted.numpy(), expected)
    assert expected.max() == (1 if binary else 4)


def test_wide_counts_of_ids_that_uint8_holds() -> None:
    ragged = ragged_of([[255, 255], [1, 255]], torch.uint8)
    assert ragged.counts(torch.tensor([0, 1]), 10_000).nonzero().tolist() == [[0, 255], [1, 1], [1, 255]]


@pytest.mark.parametrize("lists", [[[]], [[], []], [[4], []]])
def test_samples_without_a_token(lists: list[list[int]]) -> None:
    ragged, rows = ragged_of(lists), torch.tensor([len(lists) - 1])
    assert ragged.sequences(rows, 3, padding="before", cut="start").tolist() == [[0, 0, 0]]
    assert ragged.counts(rows, 5).tolist() == [[0.0] * 5]


def test_a_batch_of_no_rows() -> None:
    ragged, rows = ragged_of(samples()), torch.empty(0, dtype=torch.int64)
    assert ragged.sequences(rows, 4, padding="after", cut="end").shape == (0, 4)
    assert ragged.counts(rows, WORDS).shape == (0, WORDS)


def test_rows_that_are_not_there() -> None:
    ragged, rows = ragged_of(samples()), torch.tensor([len(LENGTHS)])
    with pytest.raises(IndexError):
        ragged.sequences(rows, 4, padding="after", cut="end")
    with pytest.raises(IndexError):
        ragged.counts(rows, WORDS)


def test_an_id_needs_a_column() -> None:
    ragged = ragged_of([[1, 2], [8]])
    with pytest.raises(ValueError, match="words=8: the largest id is 8"):
        ragged.counts(torch.tensor([0]), 8)


@pytest.mark.parametrize(("padding", "cut"), [("pre", "start"), ("before", "post")])
def test_unknown_sides_are_refused(padding: Any, cut: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"padding={padding}")):
        ragged_of([[1]]).sequences(torch.tensor([0]), 2, padding=padding, cut=cut)


@pytest.mark.parametrize(
    ("ids", "offsets", "message"),
    [
        ([1, 2], [0, 1], "offsets do not rise from 0 to the 2 ids"),
        ([1, 2], [1, 2], "offsets do not rise"),
        ([1, 2], [0, 2, 1, 2], "offsets do not rise"),
        ([1, -2], [0, 2], "the id -2 is negative"),
        ([1.0, 2.0], [0, 2], "not whole numbers"),
        ([[1, 2]], [0, 2], "not whole numbers"),
        ([1, 2], [], "not int64"),
        ([1, 2], [0.0, 2.0], "not int64"),
    ],
)
def test_what_is_no_ragged(ids: list[Any], offsets: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ragged(torch.tensor(ids), torch.tensor(offsets))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_on_a_gpu() -> None:
    ragged, rows = ragged_of(samples()), torch.tensor([3, 0, 1, 3])
    moved = ragged.to("cuda")
    for there in (rows, rows.cuda()):
        taken = moved.sequences(there, 4, padding="before", cut="start")
        counted = moved.counts(there, WORDS)
        assert taken.is_cuda
        assert counted.is_cuda
        assert torch.equal(taken.cpu(), ragged.sequences(rows, 4, padding="before", cut="start"))
        assert torch.equal(counted.cpu(), ragged.counts(rows, WORDS))
