"""Data module of the IMDB reviews: token ids in a store, served as sequences or as counts of words."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cnnlab.config.ranges import Count
from cnnlab.data.ragged import Cut, Padding, Ragged
from cnnlab.data.reviews import REVIEW_CLASSES, encode_reviews, read_reviews
from cnnlab.data.samples import Samples
from cnnlab.data.spec import DataSpec
from cnnlab.data.store import Option
from cnnlab.data.store_writer import StoreWriter
from cnnlab.data.stored import StoredDataModule

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
        length: ids in a sequence.
        padding: ``before`` or ``after`` a short text.
        cut: the ``start`` or the ``end`` of a long text.

    Examples:
        >>> IMDB(view="counts").spec.input_shape, IMDB().spec.input_shape
        ((10000,), (400,))
    """

    dataset_name: ClassVar[str] = "imdb"

    view: View = "sequences"
    words: Annotated[int, Field(ge=3, le=1_000_000)] = 10_000
    length: Count = 400
    padding: Padding = "before"
    cut: Cut = "start"

    @property
    def spec(self) -> DataSpec:
        """Texts of two classes."""
        kind: Literal["tokens", "counts"] = "tokens" if self.view == "sequences" else "counts"
        shape = (self.length if self.view == "sequences" else self.words,)
        return DataSpec(
            self.dataset_name, kind, shape, "classes", 2, REVIEW_CLASSES, vocabulary_size=self.words
        )

    @property
    def stored_options(self) -> dict[str, Option]:
        """The size of the vocabulary: both views are made from the same ids."""
        return {"words": self.words}

    def write(self, writer: StoreWriter) -> None:
        """Store the ids of all reviews."""
        reviews = encode_reviews(read_reviews(self.raw_root, self.verify), self.words)
        writer.vocabulary = reviews.vocabulary
        for name, part in reviews.splits.items():
            writer.add_ids(name, part.ids, part.offsets, part.labels)

    def stored_samples(self, stored: str) -> Texts:
        """All reviews of a stored split."""
        ids, offsets = (torch.from_numpy(array) for array in self.opened.splits[stored].ids())
        return Texts(
            Ragged(ids, offsets),
            self.targets(stored),
            view=self.view,
            length=self.length,
            words=self.words,
            padding=self.padding,
            cut=self.cut,
        )
