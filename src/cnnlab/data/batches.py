"""Batches taken whole from memory, in an order that is a pure function of (seed, epoch)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from cnnlab.data.samples import Batch, Samples

BLOCK_SAMPLES, BLOCK_BYTES = 1024, 1 << 22


def mixed_seed(*parts: int) -> int:
    """Mix some integers into one 63-bit seed (the finaliser of SplitMix64, Steele et al. 2014).

    Neighbouring inputs give unrelated seeds, which a sum would not.

    Examples:
        >>> mixed_seed(0, 1, 2) == mixed_seed(0, 1, 2), mixed_seed(0, 1, 2) == mixed_seed(0, 2, 1)
        (True, False)
    """
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1


class Batches:
    """An iterable of raw batches ``(inputs, targets)``; its state is two integers.

    The order of an epoch depends on (seed, epoch), the augmentation on (seed, epoch, step of its block):
    whatever was iterated before, the same epoch gives the same batches. Each iteration is the next
    epoch, but for the first one after :meth:`load_state_dict`, which goes on in mid-epoch.

    Args:
        samples: all stored samples with their targets.
        rows: which of them to serve, int64 ``(m,)`` on the CPU.
        batch_size: samples in a batch over all devices; the last batch of an epoch may be smaller.
        shuffle: draw a new order for each epoch.
        seed: seed of order and augmentation.
        rank: which share of each batch this process takes.
        world_size: in how many shares each batch is parted.

    Examples:
        >>> from cnnlab.data.samples import Rows
        >>> samples = Rows(torch.rand(10, 3), torch.arange(10))
        >>> [len(targets) for _, targets in Batches(samples, torch.arange(10), 4, shuffle=True)]
        [4, 4, 2]
    """

    def __init__(
        self,
        samples: Samples,
        rows: Tensor,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.samples, self.rows = samples, rows
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.rank, self.world_size = rank, world_size
        bytes_of_a_batch = batch_size * samples.sample_bytes
        self.block_length = max(1, min(BLOCK_SAMPLES // batch_size, BLOCK_BYTES // bytes_of_a_batch))
        self.epoch, self.step = -1, 0
        self._resumed = False

    def __len__(self) -> int:
        """Batches in an epoch; a single sample that is left over in training joins the last batch."""
        full, rest = divmod(len(self.rows), self.batch_size)
        # Batch norm has no variance of one sample.
        alone = self.shuffle and rest == 1 and full > 0
        return full + (rest > 0 and not alone)

    def state_dict(self) -> dict[str, Any]:
        """Epoch and number of batches of it that were handed out."""
        return {"epoch": self.epoch, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where ``state`` was taken."""
        self.epoch, self.step = int(state["epoch"]), int(state["step"])
        self._resumed = 0 < self.step < len(self)

    def order(self, epoch: int) -> Tensor:
        """Row numbers of the epoch in their order, int64 ``(m,)`` on the CPU."""
        if not self.shuffle:
            return self.rows
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, epoch))
        return self.rows[torch.randperm(len(self.rows), generator=generator)]

    def rows_of(self, epoch: int, step: int) -> Tensor:
        """Rows of this process's samples in a batch of an epoch, both counted from 0: int64 on the CPU."""
        return self._rows(self.order(epoch), step)

    def __iter__(self) -> Iterator[Batch]:
        """Serve the next epoch, or the rest of the one that was loaded."""
        if not self._resumed:
            self.epoch, self.step = self.epoch + 1, 0
        self._resumed = False
        order = self.order(self.epoch).to(self.samples.device)
        for start in range(self.step - self.step % self.block_length, len(self), self.block_length):
            # The Trainer stops at len(): nothing after the last yield is sure to run.
            for batch in self.block(order, self.epoch, start)[self.step - start :]:
                self.step += 1
                yield batch

    def block(self, order: Tensor, epoch: int, start: int) -> list[Batch]:
        """Make the batches from ``start`` on, as many as are worth making at once.

        One by one they would cost a multiple: each time, training has driven all of this out of the caches.

        Args:
            order: row numbers of the epoch, on the device of the samples.
            epoch: the epoch, from 0.
            start: the first batch, a multiple of ``block_length``.
        """
        steps = range(start, min(start + self.block_length, len(self)))
        shares = [self._rows(order, step) for step in steps]
        # Samples that are only looked at are the same in every epoch, noise included.
        seed = mixed_seed(self.seed, epoch if self.shuffle else 0, start, self.rank)
        inputs, targets = self.samples.batch(torch.cat(shares), torch.Generator().manual_seed(seed))
        sizes = [len(share) for share in shares]
        return list(zip(torch.split(inputs, sizes), torch.split(targets, sizes), strict=True))

    def _rows(self, order: Tensor, step: int) -> Tensor:
        """Row numbers of this rank's share of a batch."""
        stop = None if step + 1 == len(self) else (step + 1) * self.batch_size
        rows = order[step * self.batch_size : stop]
        return rows[self.rank :: self.world_size] if 1 < self.world_size <= len(rows) else rows
