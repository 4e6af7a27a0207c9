"""IMDB's film reviews, as words and as token ids (https://ai.stanford.edu/~amaas/data/sentiment)."""

import itertools
import os
import re
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.archives import read_members
from cnnlab.data.raw import check_md5, download, read_plain
from cnnlab.data.vocabulary import FIRST_WORD, UNKNOWN, Numbered, commonest
from cnnlab.errors import UserError

REVIEW_CLASSES = ("neg", "pos")
REVIEW_SPLITS = ("train", "test")

_FOLDER = "aclImdb"
_ARCHIVE = "aclImdb_v1.tar.gz"
_ARCHIVE_MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
_URL = f"https://ai.stanford.edu/~amaas/data/sentiment/{_ARCHIVE}"
_PER_CLASS = 12_500  # reviews in each of the four folders of the release
_LARGEST = 2**20  # bytes; the longest of the release has 14 thousand, a damaged archive may declare more

_FILE = re.compile(r"([0-9]{1,9})_[0-9]{1,9}\.txt")  # the review's number and its stars
_MEMBER = re.compile(rf"(?:\./)?{_FOLDER}/(train|test)/(neg|pos)/({_FILE.pattern})")
_LINE_BREAK = re.compile(r"<br\s*/?>")
_PUNCTUATION = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n\r\0', " "))


@dataclass(frozen=True, eq=False)
class ReviewTexts:
    """The reviews of one split as they stand in their files.

    Args:
        texts: each review's bytes, by class (neg, pos) and then by the number in the file's name.
        labels: int64 ``(n,)``, an index into ``REVIEW_CLASSES``.
    """

    texts: tuple[bytes, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ReviewSplit:
    """The token ids of one split's reviews.

    Args:
        ids: int32 ``(tokens,)``, one review after the other: 1 for an unknown word, from 2 on words, and
            behind these its n-grams.
        offsets: int64 ``(n + 1,)``; review ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.
        labels: int64 ``(n,)``, an index into ``REVIEW_CLASSES``.
        bad_bytes: bytes that are no UTF-8, for which replacement characters stand, and NULs.
        empty: reviews without a word; they are kept.
        unknown_words: words that are not in the vocabulary, each as often as it stands there.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    bad_bytes: int
    empty: int
    unknown_words: int


@dataclass(frozen=True, eq=False)
class Reviews:
    """Token ids of all splits, and the words that they stand for.

    Args:
        splits: by name, ``train`` and ``test``.
        vocabulary: the words; ``vocabulary[i]`` has the id ``FIRST_WORD + i``.
    """

    splits: dict[str, ReviewSplit]
    vocabulary: tuple[str, ...]


def read_reviews(root: Path, verify: bool) -> dict[str, ReviewTexts]:
    """Read train and test from ``root/aclImdb`` or the archive in ``root``, else fetch the archive.

    The order of the reviews is the same on each file system, and for folder and archive. The archive,
    ``aclImdb_v1.tar.gz`` or the same decompressed to ``.tar``, is read in place. Large Movie Review
    Dataset, Maas et al. 2011.

    Args:
        root: folder of raw files.
        verify: compare the compressed archive with its official checksum, and the number of reviews in
            a folder or ``.tar`` with the official 12,500 in each class of each split.

    Returns:
        ``train`` and ``test``.

    Raises:
        UserError: if the reviews are missing and cannot be fetched, a class holds none, a file cannot be
            read, the archive is damaged or cut short, or they are not the official ones.
    """
    folder, packed = root / _FOLDER, root / _ARCHIVE
    plain = packed.with_suffix("")
    if folder.is_dir():
        where, files = folder, _from_folder(folder)
    elif plain.is_file() and not packed.is_file():
        where, files = plain, _from_archive(plain)
    else:
        if not packed.is_file():
            download([_URL], root, _ARCHIVE, _ARCHIVE_MD5, dataset="IMDB")
        elif verify:
            check_md5(packed, _ARCHIVE_MD5)
        where, files = packed, _from_archive(packed)
    found: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for split, name, file, content in files:
        found[split, name][file] = content
    for split, name in itertools.product(REVIEW_SPLITS, REVIEW_CLASSES):
        _check_number(len(found[split, name]), where, f"{split}/{name}", verify)
    return {split: _in_order([found[split, name] for name in REVIEW_CLASSES]) for split in REVIEW_SPLITS}


def tokenize(text: str) -> list[str]:
    r"""Return the words of a review, as Keras's ``text_to_word_sequence`` would without line breaks.

    Letters become small, ``<br />`` and each of ``!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~``, tab and newline
    become a space, and words are what stands between spaces: apostrophes remain. Carriage returns
    and NULs, which Keras leaves within words, become spaces too.

    Examples:
        >>> tokenize("Don't miss it!<br /><br />10/10 -- GREAT")
        ["don't", 'miss', 'it', '10', '10', 'great']
    """
    spaced = _LINE_BREAK.sub(" ", text.lower()).translate(_PUNCTUATION)
    return [word for word in spaced.split(" ") if word]


def encode_reviews(texts: Mapping[str, ReviewTexts], words: int = 10_000, ngrams: int = 1) -> Reviews:
    """Turn reviews into token ids by the commonest words, or words and n-grams, of ``train``.

    Id 0 is padding and stands in no review, id 1 is every unknown word, and 2 to ``words - 1`` are the
    ``words - 2`` commonest words of train, the commonest first, equally common ones by their letters. So
    an ``Embedding(words, ...)`` or ``words`` counts take every id. As with ``num_words`` of
    ``keras.datasets.imdb``, the special ids count among the ``words``; there is no id for a start.

    Args:
        texts: the splits; ``train`` is one of them.
        words: number of ids. A train split of few words leaves the last of them without a word.
        ngrams: words in the longest run of neighbours that may get an id; 1 is single words alone. The ids
            of a review's runs stand behind those of its words; runs that have none are left out.

    Returns:
        The same splits in the same order.

    Raises:
        UserError: for fewer than 3 ids, or more than int32 holds.

    Examples:
        >>> train = ReviewTexts((b"good, good film", b"bad film"), np.array([1, 0]))
        >>> reviews = encode_reviews({"train": train}, words=4)
        >>> reviews.vocabulary, reviews.splits["train"].ids
        (('film', 'good'), array([3, 3, 2, 1, 2], dtype=int32))
    """
    if not FIRST_WORD < words < 2**31:
        raise UserError(
            f"data.words={words}: it is a whole number from {FIRST_WORD + 1} on,"
            " of which two are for padding and unknown words."
        )
    # Words are numbered as they come, so that train and test need to be split into words only once.
    numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    numbered = {name: _number_words(split.texts, numbers) for name, split in texts.items()}
    spelled = list(numbers)
    vocabulary = commonest(numbered["train"][0], spelled, words - FIRST_WORD, ngrams)
    splits = {}
    for name, (tokens, bad_bytes) in numbered.items():
        ids, lengths = vocabulary.encode(tokens, len(spelled))
        splits[name] = ReviewSplit(
            ids=ids,
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            labels=texts[name].labels,
            bad_bytes=bad_bytes,
            empty=int((lengths == 0).sum()),
            unknown_words=int((ids == UNKNOWN).sum()),
        )
    return Reviews(splits, vocabulary.spelled)


def _from_folder(folder: Path) -> Iterator[tuple[str, str, str, bytes]]:
    for split, name in itertools.product(REVIEW_SPLITS, REVIEW_CLASSES):
        reviews = folder / split / name
        try:
            for file in os.listdir(reviews) if reviews.is_dir() else ():
                if _FILE.fullmatch(file):
                    yield split, name, file, read_plain(reviews / file, _LARGEST)
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read: {error.strerror or error}") from error


def _from_archive(archive: Path) -> Iterator[tuple[str, str, str, bytes]]:
    for name, content in read_members(archive, lambda name: _MEMBER.fullmatch(name) is not None, _LARGEST):
        place = cast(re.Match[str], _MEMBER.fullmatch(name))
        yield place[1], place[2], place[3], content


def _check_number(number: int, where: Path, what: str, verify: bool) -> None:
    if not number:
        raise UserError(f"{where} holds no review in {what}, where files such as 0_3.txt belong")
    if verify and number != _PER_CLASS:
        raise UserError(
            f"{where} holds {number} reviews in {what}, not the official {_PER_CLASS};"
            " replace it, or say data.verify=false to read these"
        )


def _in_order(classes: Sequence[Mapping[str, bytes]]) -> ReviewTexts:
    texts = [files[file] for files in classes for file in sorted(files, key=_number_and_name)]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in classes])
    return ReviewTexts(tuple(texts), labels)


def _number_and_name(file: str) -> tuple[int, str]:
    return int(file.split("_")[0]), file


def _number_words(texts: Sequence[bytes], numbers: Mapping[str, int]) -> tuple[Numbered, int]:
    """Return the number of each word, and how many bytes were no UTF-8 or NULs."""
    pieces, bad_bytes = [np.empty(0, np.int32)], 0
    for text in texts:
        text = text.removeprefix(BOM_UTF8)
        bad_bytes += text.count(0)
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            decoded = text.decode(errors="replace")
            bad_bytes += len(text) - len(text.decode(errors="ignore").encode())
        words = tokenize(decoded)
        pieces.append(np.fromiter(map(numbers.__getitem__, words), np.int32, len(words)))
    lengths = np.array([len(piece) for piece in pieces[1:]], np.int64)
    return Numbered(np.concatenate(pieces), lengths), bad_bytes
