"""All samples of one stored split with their targets, from which batches are taken."""

from abc import ABC, abstractmethod
from copy import copy
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
        permutation: int64 ``(height * width,)``: which pixel of the augmented image, counted line by line,
            comes to each place; None leaves them where they are.

    Examples:
        >>> images = Images(torch.zeros(10, 8, 8, 3, dtype=torch.uint8), torch.arange(10))
        >>> images.batch(torch.tensor([3, 4]), torch.Generator())[0].shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        augment: Augment | None = None,
        permutation: Tensor | None = None,
    ) -> None:
        super().__init__(targets)
        self.images = images
        self.augment = augment if augment is not None and augment.active else None
        self.permutation = permutation

    @property
    def sample_bytes(self) -> int:
        """One byte a pixel and channel."""
        return self.images[0].numel()

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take images uint8 ``(batch, channels, height, width)``, channels last in memory."""
        return self.taken(rows, generator).permute(0, 3, 1, 2)

    def taken(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take images uint8 ``(batch, height, width, channels)``, augmented and permuted."""
        if self.augment is None:
            taken = self.images.index_select(0, rows)
        else:
            taken = self.augment(self.images, rows, generator)
        if self.permutation is None:
            return taken
        return taken.flatten(1, 2).index_select(1, self.permutation).view(taken.shape)

    def to(self, device: torch.device) -> Self:
        """Give the same images on a device."""
        moved = copy(self)
        moved.images, moved.targets = self.images.to(device), self.targets.to(device)
        moved.permutation = None if self.permutation is None else self.permutation.to(device)
        return moved

    def augmented(self, augment: Augment) -> Self:
        """Give the same images, each augmented when it is taken."""
        changed = copy(self)
        changed.augment = augment if augment.active else None
        return changed


class NoisyImages(Images):
    """Images with noise, drawn anew whenever they are taken; the target of each is itself without noise.

    Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, 2008.

    Args:
        images: see :class:`Images`.
        targets: one for each image; they are not served.
        augment: see :class:`Images`; the augmented image is the target.
        permutation: see :class:`Images`.
        noise: standard deviation of the Gaussian noise, where black is 0 and white is 1; what comes out
            darker than black or brighter than white is cut off.

    Examples:
        >>> grey = torch.full((10, 8, 8, 1), 128, dtype=torch.uint8)
        >>> samples = NoisyImages(grey, torch.arange(10), noise=0.1)
        >>> noisy, clean = samples.batch(torch.arange(4), torch.Generator())
        >>> clean.unique().tolist(), noisy.shape, round(noisy.float().std().item() / 255, 1)
        ([128], torch.Size([4, 1, 8, 8]), 0.1)
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        augment: Augment | None = None,
        permutation: Tensor | None = None,
        *,
        noise: float,
    ) -> None:
        super().__init__(images, targets, augment, permutation)
        self.noise = noise

    def inputs(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Take noisy images uint8 ``(batch, channels, height, width)``, channels last in memory."""
        return self.batch(rows, generator)[0]

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """Take noisy images and clean ones, both uint8 ``(batch, channels, height, width)``."""
        clean = self.taken(rows, generator)
        # On the CPU, so that a batch is the same on every device.
        noise = torch.randn(clean.shape, generator=generator).mul_(255 * self.noise).to(clean.device)
        noisy = noise.add_(clean).round_().clamp_(0, 255).to(torch.uint8)
        return noisy.permute(0, 3, 1, 2), clean.permute(0, 3, 1, 2)


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
