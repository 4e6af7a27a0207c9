"""Statistics by channel, summed up over any number of samples, and the whitening that they give."""

import torch
from torch import Tensor

EPSILON = 1e-6  # Keras's, added to a deviation before it divides


def features(x: Tensor) -> Tensor:
    """Flatten each sample with the channels last, as Keras does: ``(n, features)``.

    Examples:
        >>> features(torch.tensor([[[[1, 2]], [[3, 4]]]]))
        tensor([[1, 3, 2, 4]])
    """
    return x.movedim(1, -1).flatten(1)


def in_32_bits(x: Tensor) -> torch.autocast:
    """Switch autocast off where ``x`` is, for what 16 bits would be too coarse.

    Examples:
        >>> with torch.autocast("cpu", torch.bfloat16), in_32_bits(torch.zeros(1)):
        ...     (torch.eye(2) @ torch.eye(2)).dtype
        torch.float32
    """
    # There is no autocast on the meta device, and asking for it fails.
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


class Moments:
    """Running sums of features, for a mean and a deviation by channel.

    Kept about a first estimate of the mean, without which large means would drown small deviations.

    Args:
        channels: the features are ``(positions, channels)``, flattened.
        products: also sum the products of all pairs of features.

    Examples:
        >>> moments = Moments(channels=2)
        >>> moments.add(torch.tensor([[1.0, 10.0, 3.0, 10.0]]))
        >>> moments.mean.tolist(), moments.std.tolist()
        ([2.0, 10.0], [1.0, 0.0])
    """

    def __init__(self, channels: int, *, products: bool = False) -> None:
        self.channels, self.products = channels, products
        self.count = 0
        self.pivot = self.sums = self.squares = self.pairs = torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Add samples ``(n, features)``."""
        if not self.count:
            self.pivot = x.reshape(-1, self.channels).mean(0).repeat(x.shape[1] // self.channels)
            self.sums = self.squares = torch.zeros_like(self.pivot)
            self.pairs = x.new_zeros(x.shape[1], x.shape[1]) if self.products else self.pairs
        self.count += len(x)
        x = x - self.pivot
        self.sums = self.sums + x.sum(0)
        self.squares = self.squares + x.square().sum(0)
        if self.products:
            self.pairs.addmm_(x.T, x)

    @property
    def _shift(self) -> Tensor:
        return self.sums.reshape(-1, self.channels).mean(0) / self.count

    @property
    def mean(self) -> Tensor:
        """Mean of each channel."""
        return self.pivot[: self.channels] + self._shift

    @property
    def std(self) -> Tensor:
        """Deviation of each channel, of the population."""
        squares = self.squares.reshape(-1, self.channels).mean(0) / self.count
        return (squares - self._shift.square()).clamp(min=0).sqrt()

    @property
    def centred_products(self) -> Tensor:
        """Sum over all samples of the products of features less their channels' means."""
        shift = self._shift.repeat(len(self.sums) // self.channels)
        mixed = torch.outer(shift, self.sums)
        return self.pairs - mixed - mixed.T + self.count * torch.outer(shift, shift)


def whitening(products: Tensor, count: int, epsilon: float = 0.0) -> Tensor:
    """Return Keras's ZCA matrix ``U diag(sqrt(n) / (s + 1e-6)) U^T``, with s the data's singular values.

    From the sum of products ``(features, features)`` of ``count`` centred samples, whose eigenvalues are the
    squares of s. Directions in which the samples do not vary are left out: Keras multiplies the rounding
    error there by up to ``1e6 * sqrt(n)``. With an ``epsilon`` it is
    ``U diag(1 / sqrt(s^2 / n + epsilon)) U^T``, as Keras had it in 2019: directions of less variance than
    that are not brought up to the others.

    Examples:
        >>> whitening(torch.tensor([[16.0, 0.0], [0.0, 0.0]]), count=4)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    values, vectors = torch.linalg.eigh(products)
    if epsilon:
        damped: Tensor = (vectors / (values.clamp(min=0) / count + epsilon).sqrt()) @ vectors.T
        return damped
    noise = values[-1] * len(values) * torch.finfo(values.dtype).eps
    inverse = (values > noise) * count**0.5 / (values.clamp(min=0).sqrt() + EPSILON)
    matrix: Tensor = (vectors * inverse) @ vectors.T
    return matrix
