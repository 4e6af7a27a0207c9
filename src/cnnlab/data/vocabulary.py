"""Numbering the commonest words of texts, and runs of neighbouring words (n-grams) beside them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 1
"""The id of every word that is not in the vocabulary."""

FIRST_WORD = 2
"""The id of the commonest word."""

TEXTS_AT_ONCE = 2048  # Encoding takes about a hundred bytes for each of their words, beside the ids.


@dataclass(frozen=True, eq=False)
class Numbered:
    """Texts as numbers of their words.

    Args:
        words: int32 ``(tokens,)``, the number of each word, one text after the other.
        lengths: int64 ``(n,)``, words in each text.
    """

    words: NDArray[np.int32]
    lengths: NDArray[np.int64]

    @property
    def texts(self) -> NDArray[np.int64]:
        """int64 ``(tokens,)``: the text that each word stands in."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def parts(self, texts: int) -> Iterator["Numbered"]:
        """The same some texts at a time.

        Examples:
            >>> numbered = Numbered(np.array([3, 1, 4, 1], np.int32), np.array([2, 1, 1]))
            >>> [part.words.tolist() for part in numbered.parts(2)]
            [[3, 1, 4], [1]]
        """
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        for first in range(0, max(len(self.lengths), 1), texts):
            lengths = self.lengths[first : first + texts]
            yield Numbered(self.words[ends[first] : ends[first + len(lengths)]], lengths)


@dataclass(frozen=True, eq=False)
class Grams:
    """Runs of ``n`` neighbouring words within a text, each with a code of its own.

    Args:
        codes: int64 ``(grams,)``; the digits of a code, to the base of the number of words, are the words.
        texts: int64 ``(grams,)``, the text that each stands in, rising.
        n: words in a run.
        base: number of words.
    """

    codes: NDArray[np.int64]
    texts: NDArray[np.int64]
    n: int
    base: int

    def spell(self, code: int, words: list[str]) -> str:
        """The words of a code, with spaces between them."""
        digits = [code // self.base**place % self.base for place in reversed(range(self.n))]
        return " ".join(words[digit] for digit in digits)


def grams(numbered: Numbered, n: int, base: int) -> Grams:
    """Every run of ``n`` neighbouring words.

    Examples:
        >>> two = grams(Numbered(np.array([3, 1, 4, 1], np.int32), np.array([3, 1])), 2, 10)
        >>> two.codes.tolist(), two.texts.tolist()
        ([31, 14], [0, 0])
    """
    texts, words = numbered.texts, numbered.words.astype(np.int64)
    codes = words
    for place in range(1, n):
        codes = codes[: len(words) - place] * base + words[place:]
    inside = texts[: len(codes)] == texts[n - 1 :] if len(words) >= n else np.zeros(0, bool)
    return Grams(codes[: len(inside)][inside], texts[: len(inside)][inside], n, base)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The ids of words and n-grams.

    Args:
        spelled: what the ids from ``FIRST_WORD`` on stand for.
        codes: for each length of run, the known codes, rising.
        ids: int32, the ids of these.
    """

    spelled: tuple[str, ...]
    codes: tuple[NDArray[np.int64], ...]
    ids: tuple[NDArray[np.int32], ...]

    def encode(self, numbered: Numbered, base: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Ids of texts: all words of a text in their order, then those of its n-grams that have an id.

        Args:
            numbered: the texts.
            base: number of words, as in the codes.

        Returns:
            int32 ids of all texts ``(tokens,)``, and int64 numbers of them in each ``(n,)``.
        """
        parts = [self._encode(part, base) for part in numbered.parts(TEXTS_AT_ONCE)]
        return np.concatenate([ids for ids, _ in parts]), np.concatenate([numbers for _, numbers in parts])

    def _encode(self, numbered: Numbered, base: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        found, texts = [], []
        for n, (codes, ids) in enumerate(zip(self.codes, self.ids, strict=True), 1):
            runs = grams(numbered, n, base)
            place = np.minimum(np.searchsorted(codes, runs.codes), max(len(codes) - 1, 0))
            known = codes[place] == runs.codes if len(codes) else np.zeros(len(runs.codes), bool)
            given = np.full(len(runs.codes), UNKNOWN, np.int32)
            given[known] = ids[place[known]]
            kept = known | (n == 1)  # an unknown word is counted, an unknown pair says nothing more
            found.append(given[kept])
            texts.append(runs.texts[kept])
        owner = np.concatenate(texts)
        order = np.argsort(owner, kind="stable")
        return np.concatenate(found)[order], np.bincount(owner, minlength=len(numbered.lengths))


def commonest(numbered: Numbered, words: list[str], most: int, longest: int) -> Vocabulary:
    """Number the commonest words and n-grams, the commonest first, equally common ones by their letters.

    Args:
        numbered: the texts that are counted.
        words: all words by their numbers.
        most: how many get an id.
        longest: words in the longest n-grams; 1 is single words alone.
    """
    counted = []
    for n in range(1, longest + 1):
        runs = grams(numbered, n, len(words))
        codes, counts = np.unique(runs.codes, return_counts=True)
        counted.append((runs, codes, counts))
    every = np.concatenate([counts for _, _, counts in counted])
    # Only those that can come in are spelled.
    least = np.partition(every, len(every) - most)[len(every) - most] if len(every) > most else 1
    candidates: list[tuple[int, str, int, int]] = []
    for runs, codes, counts in counted:
        spell: Callable[[int, list[str]], str] = runs.spell
        high = np.flatnonzero(counts >= least)
        candidates += [(-int(counts[i]), spell(int(codes[i]), words), runs.n, int(codes[i])) for i in high]
    chosen = sorted(candidates)[:most]
    known: list[NDArray[np.int64]] = []
    ids: list[NDArray[np.int32]] = []
    for n in range(1, longest + 1):
        pairs = sorted((code, FIRST_WORD + i) for i, (_, _, size, code) in enumerate(chosen) if size == n)
        known.append(np.array([code for code, _ in pairs], np.int64))
        ids.append(np.array([number for _, number in pairs], np.int32))
    return Vocabulary(tuple(spelled for _, spelled, _, _ in chosen), tuple(known), tuple(ids))


def encoder(vocabulary: Sequence[str]) -> Callable[[Sequence[str]], list[int]]:
    """Make what turns the words of one text into ids, in the order of :meth:`Vocabulary.encode`.

    Args:
        vocabulary: what the ids from ``FIRST_WORD`` on stand for; n-grams have spaces between their words.

    Examples:
        >>> encode = encoder(["good", "not", "not good"])
        >>> encode(["not", "good", "plot"])
        [3, 2, 1, 4]
    """
    ids = {spelled: number for number, spelled in enumerate(vocabulary, FIRST_WORD)}
    longest = 1 + max((spelled.count(" ") for spelled in ids), default=0)

    def encode(words: Sequence[str]) -> list[int]:
        runs = [" ".join(words[i : i + n]) for n in range(2, longest + 1) for i in range(len(words) - n + 1)]
        return [ids.get(word, UNKNOWN) for word in words] + [ids[run] for run in runs if run in ids]

    return encode
