"""Data module of the IMDB reviews: token ids in a store, served as sequences or as counts of words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cnnlab.config.ranges import Count
from cnnlab.data.datamodule import Content
from cnnlab.data.input_format import InputFormat
from cnnlab.data.ragged import Cut, Padding, Ragged
from cnnlab.data.reviews import REVIEW_CLASSES, encode_reviews, read_reviews
from cnnlab.data.samples import Samples
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import Option, broken
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import StoredDataModule
from cnnlab.data.vocabulary import FIRST_WORD, UNKNOWN
from cnnlab.errors import UserError

View = Literal["sequences", "counts"]


class Texts(Samples):
    """Texts of token ids, each batch made into what the network takes.

    Args:
        texts: all of them.
        targets: int64 classes ``(n,)``.
        view: ``sequences``, int64 ids ``(batch, length)``, or ``counts``, float32 ``(batch, words)``.
        length: of a sequence.
        words: number of ids.
        padding: where a short text is filled up.
        cut: where a long text is cut.
    """

    def __init__(
        self,
        texts: Ragged,
        targets: Tensor,
        *,
        view: View,
        length: int,
        words: int,
        padding: Padding,
        cut: Cut,
    ) -> None:
        super().__init__(targets)
        self.texts, self.view, self.length, self.words = texts, view, length, words
        self.padding, self.cut = padding, cut

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample in a batch, ids or counts."""
        return self.length * 8 if self.view == "sequences" else self.words * 4

    @property
    def total_bytes(self) -> int:
        """Bytes of the ids."""
        return self.texts.ids.numel() * self.texts.ids.element_size()

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take ids or counts of some texts."""
        if self.view == "counts":
            return self.texts.counts(rows, self.words)
        return self.texts.sequences(rows, self.length, padding=self.padding, cut=self.cut)

    def to(self, device: torch.device) -> "Texts":
        """Give the same texts on a device."""
        return Texts(
            self.texts.to(device),
            self.targets.to(device),
            view=self.view,
            length=self.length,
            words=self.words,
            padding=self.padding,
            cut=self.cut,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class IMDB(StoredDataModule):
    """50,000 film reviews, half of them good (Maas et al. 2011).

    Args:
        view: ``sequences`` of ids, or ``counts`` of words.
        words: number of ids: 0 is padding, 1 an unknown word, the others the commonest words of train.
        ngrams: words in the longest run of neighbours that may be among the ``words``; 1 is single words.
        length: ids in a sequence.
        padding: ``before`` or ``after`` a short text.
        cut: the ``start`` or the ``end`` of a long text.
        drop_leaks: leave the reviews of train whose ids also stand in test out of training and validation.

    Raises:
        UserError: if leaks are to be dropped with folds, which do not use the test split.

    Examples:
        >>> IMDB(view="counts").spec.input_shape, IMDB().spec.input_shape
        ((10000,), (400,))
    """

    dataset_name: ClassVar[str] = "imdb"

    view: View = "sequences"
    words: Annotated[int, Field(ge=3, le=1_000_000)] = 10_000
    ngrams: Annotated[int, Field(ge=1, le=3)] = 1
    length: Count = 400
    padding: Padding = "before"
    cut: Cut = "start"
    drop_leaks: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drop_leaks and self.folds is not None:
            raise UserError(
                "data.drop_leaks=true: nothing leaks with data.folds, which leave the test split unused."
            )

    @property
    def spec(self) -> DataSpec:
        """Texts of two classes."""
        kind: Literal["tokens", "counts"] = "tokens" if self.view == "sequences" else "counts"
        shape = (self.length if self.view == "sequences" else self.words,)
        return DataSpec(
            self.dataset_name, kind, shape, "classes", 2, REVIEW_CLASSES, vocabulary_size=self.words
        )

    @property
    def input_format(self) -> InputFormat:
        """Texts, and the words that the ids stand for."""
        return InputFormat(
            spec=self.spec, vocabulary=self.opened.vocabulary, padding=self.padding, cut=self.cut
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """The vocabulary is that of the stored train split, whatever is cut from it."""
        if self.folds is None:
            return ()
        return ("the vocabulary counts the words of all folds, also of the one that is tested",)

    @property
    def stored_options(self) -> dict[str, Option]:
        """The size of the vocabulary: both views are made from the same ids."""
        # The stores of single words are older than the option.
        runs: dict[str, Option] = {"ngrams": self.ngrams} if self.ngrams > 1 else {}
        return {"words": self.words} | runs

    @property
    def raw_files(self) -> tuple[str, ...]:
        """The unpacked folder, or the archive."""
        return ("aclImdb*",)

    def write(self, writer: StoreWriter) -> None:
        """Store the ids of all reviews."""
        reviews = encode_reviews(read_reviews(self.raw_root, self.verify), self.words, self.ngrams)
        writer.vocabulary = reviews.vocabulary
        writer.counted = {"bad bytes": {name: part.bad_bytes for name, part in reviews.splits.items()}}
        for name, part in reviews.splits.items():
            writer.add_ids(name, part.ids, part.offsets, part.labels)

    def contents(self) -> dict[str, Content]:
        """Classes and digests; leaks are samples that are not used, if they are to be dropped."""
        found = super().contents()
        if self.drop_leaks and "test" in found:
            labels, digests = found["train"]
            labels = np.where(np.isin(digests, found["test"].digests), -1, labels)
            found["train"] = Content(labels, digests)
        return found

    def spelled(self, ids: Iterable[int]) -> list[str]:
        """The words that ids stand for; ``?`` is an unknown one."""
        vocabulary = self.opened.vocabulary
        return ["?" if number == UNKNOWN else vocabulary[number - FIRST_WORD] for number in ids]

    def stored_samples(self, stored: str) -> Texts:
        """All reviews of a stored split.

        Raises:
            UserError: if an id stands for no word.
        """
        ids, offsets = (torch.from_numpy(array) for array in self.opened.splits[stored].ids())
        smallest, largest = (int(bound) for bound in ids.aminmax()) if len(ids) else (UNKNOWN, UNKNOWN)
        known = min(self.words, FIRST_WORD + len(self.opened.vocabulary))
        if smallest < UNKNOWN or largest >= known:
            raise broken(
                self.opened.path,
                f"{stored} holds ids from {smallest} to {largest}, and words are {UNKNOWN} to {known - 1}",
            )
        return Texts(
            Ragged(ids, offsets),
            self.targets(stored),
            view=self.view,
            length=self.length,
            words=self.words,
            padding=self.padding,
            cut=self.cut,
        )
