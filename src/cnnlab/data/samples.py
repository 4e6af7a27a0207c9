"""All samples of one stored split with their targets, from which batches are taken."""

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from cnnlab.data.augment import Augment

Batch = tuple[Tensor, Tensor]


class Samples(ABC):
    """Samples and targets that lie in memory, or in a mapped file, as a whole.

    Args:
        targets: int64 classes ``(n,)`` or float32 values ``(n, outputs)``.
    """

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.targets)

    @property
    def device(self) -> torch.device:
        """Where the samples lie, and where row numbers are expected."""
        return self.targets.device

    @property
    @abstractmethod
    def sample_bytes(self) -> int:
        """Bytes of one sample in a batch."""

    @property
    def total_bytes(self) -> int:
        """Bytes of all samples, which a device would have to hold."""
        return self.sample_bytes * len(self)

    @abstractmethod
    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take what goes into the network, raw.

        Args:
            rows: int64 row numbers ``(batch,)`` on the samples' device.
            generator: on the CPU, for whatever is drawn at random.
        """

    @abstractmethod
    def to(self, device: torch.device) -> Self:
        """Give the same samples on a device."""

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Take inputs and targets of some rows, see :meth:`inputs`."""
        return self.inputs(rows, generator), self.targets.index_select(0, rows)


class Images(Samples):
    """Images uint8 ``(n, height, width, channels)``, contiguous; batches are channels first.

    Args:
        images: all of them.
        targets: see :class:`Samples`.
        augment: what is done to each image that is taken; None is nothing.

    Examples:
        >>> images = Images(torch.zeros(10, 8, 8, 3, dtype=torch.uint8), torch.arange(10))
        >>> images.batch(torch.tensor([3, 4]), torch.Generator())[0].shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, images: Tensor, targets: Tensor, augment: Augment | None = None) -> None:
        super().__init__(targets)
        self.images = images
        self.augment = augment if augment is not None and augment.active else None

    @property
    def sample_bytes(self) -> int:
        """One byte a pixel and channel."""
        return self.images[0].numel()

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take images uint8 ``(batch, channels, height, width)``, channels last in memory."""
        if self.augment is None:
            taken = self.images.index_select(0, rows)
        else:
            taken = self.augment(self.images, rows, generator)
        return taken.permute(0, 3, 1, 2)

    def to(self, device: torch.device) -> "Images":
        """Give the same images on a device."""
        return Images(self.images.to(device), self.targets.to(device), self.augment)

    def augmented(self, augment: Augment) -> "Images":
        """Give the same images, each augmented when it is taken."""
        return Images(self.images, self.targets, augment)


class Rows(Samples):
    """Rows of a table, float32 ``(n, columns)``; a missing value is NaN."""

    def __init__(self, features: Tensor, targets: Tensor) -> None:
        super().__init__(targets)
        self.features = features

    @property
    def sample_bytes(self) -> int:
        """Four bytes a column."""
        return self.features[0].numel() * 4

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take rows float32 ``(batch, columns)``."""
        return self.features.index_select(0, rows)

    def to(self, device: torch.device) -> "Rows":
        """Give the same rows on a device."""
        return Rows(self.features.to(device), self.targets.to(device))
