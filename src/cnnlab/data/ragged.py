"""Token ids of samples of different length, and the two shapes in which networks take them."""

from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor

Padding = Literal["before", "after"]
Cut = Literal["start", "end"]

PADDING = 0
"""The id that fills what a sample is too short for; it stands for no word."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """Token ids of ``n`` samples, one sample after the other.

    Args:
        ids: ids of all samples, of any integer type, shape ``(tokens,)``; none of them negative.
        offsets: int64 ``(n + 1,)``, on the device of ``ids``; sample ``i`` is
            ``ids[offsets[i]:offsets[i + 1]]``, and may be empty.

    Raises:
        ValueError: if the offsets do not cut all of the ids into samples, or an id is negative.

    Examples:
        >>> ragged = Ragged(torch.tensor([5, 6, 7, 5, 5]), torch.tensor([0, 3, 3, 5]))
        >>> len(ragged)
        3
        >>> ragged.sequences(torch.tensor([0, 2]), 4, padding="before", cut="start")
        tensor([[0, 5, 6, 7],
                [0, 0, 5, 5]])
    """

    ids: Tensor
    offsets: Tensor
    _largest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids, offsets = self.ids, self.offsets
        if ids.ndim != 1 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise ValueError(f"ids are {ids.dtype} {tuple(ids.shape)}, not whole numbers of shape (tokens,)")
        if offsets.ndim != 1 or offsets.dtype != torch.int64 or not len(offsets):
            raise ValueError(f"offsets are {offsets.dtype} {tuple(offsets.shape)}, not int64 (n + 1,)")
        if offsets[0] != 0 or offsets[-1] != len(ids) or bool((offsets.diff() < 0).any()):
            raise ValueError(f"offsets do not rise from 0 to the {len(ids)} ids")
        smallest, largest = (int(bound) for bound in ids.aminmax()) if len(ids) else (0, 0)
        if smallest < 0:
            raise ValueError(f"the id {smallest} is negative")
        object.__setattr__(self, "_largest", largest)  # asked for once: on a GPU each question waits

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device | str) -> Self:
        """Return the same samples on another device."""
        return type(self)(self.ids.to(device), self.offsets.to(device))

    def sequences(self, rows: Tensor, length: int, *, padding: Padding, cut: Cut) -> Tensor:
        """Take samples as rows of equal length, as Keras's ``pad_sequences`` makes them.

        Args:
            rows: int64 row numbers of the batch, shape ``(batch,)``.
            length: tokens per sample.
            padding: whether the zeros of a short sample stand ``before`` it (Keras's ``pre``) or ``after``.
            cut: whether a long sample loses its ``start`` (Keras's ``pre``) or its ``end``.

        Returns:
            int64 ``(batch, length)``, on the device of ``ids``.

        Raises:
            ValueError: for another word than those in ``padding`` or ``cut``.

        Examples:
            >>> ragged = Ragged(torch.tensor([1, 2, 3, 4]), torch.tensor([0, 3, 4]))
            >>> ragged.sequences(torch.tensor([0, 1]), 2, padding="after", cut="start")
            tensor([[2, 3],
                    [4, 0]])
        """
        if padding not in ("before", "after") or cut not in ("start", "end"):
            raise ValueError(f"padding={padding} is not before or after, or cut={cut} is not start or end")
        starts, lengths = self._spans(rows)
        kept = lengths.clamp(max=length)
        if cut == "start":
            starts = starts + lengths - kept
        token = torch.arange(length, device=self.ids.device).unsqueeze(0)
        if padding == "before":
            token = token - (length - kept).unsqueeze(1)
        inside = (token >= 0) & (token < kept.unsqueeze(1))
        if not len(self.ids):
            return torch.full_like(inside, PADDING, dtype=torch.int64)
        # Places outside of a sample read the first id of all, which is thrown away.
        found = self.ids[(starts.unsqueeze(1) + token).masked_fill_(~inside, 0)]
        return found.to(torch.int64).masked_fill_(~inside, PADDING)

    def counts(self, rows: Tensor, words: int, *, binary: bool = False) -> Tensor:
        """Count how often each id stands in each sample, as scikit-learn's ``CountVectorizer``.

        Args:
            rows: int64 row numbers of the batch, shape ``(batch,)``.
            words: number of ids, one column for each; larger than every id.
            binary: say only whether an id stands there, as 0 and 1.

        Returns:
            float32 ``(batch, words)``, on the device of ``ids``.

        Raises:
            ValueError: if there are ids without a column.

        Examples:
            >>> ragged = Ragged(torch.tensor([1, 3, 1, 2]), torch.tensor([0, 3, 4]))
            >>> ragged.counts(torch.tensor([0, 1]), 4)
            tensor([[0., 2., 0., 1.],
                    [0., 0., 1., 0.]])
        """
        if words <= self._largest:
            raise ValueError(f"words={words}: the largest id is {self._largest}, which needs a column")
        starts, lengths = self._spans(rows)
        ends = lengths.cumsum(0)
        sample = torch.repeat_interleave(lengths)
        token = torch.arange(len(sample), device=self.ids.device) + (starts - ends + lengths)[sample]
        column = self.ids[token].to(torch.int64) + sample * words
        flat = torch.zeros(len(lengths) * words, device=self.ids.device)
        # Sums of ones are exact in any order, so that the counts are the same on each device.
        flat.scatter_add_(0, column, torch.ones(1, device=flat.device).expand(len(column)))
        table = flat.view(len(lengths), words)
        return table.clamp_(max=1) if binary else table

    def _spans(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(self.offsets.device)
        starts = self.offsets[:-1][rows]
        return starts, self.offsets[1:][rows] - starts
