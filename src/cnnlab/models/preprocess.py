"""Fitted preprocessing as the first layer of a model, so that a checkpoint predicts from raw images."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cnnlab.errors import UserError, did_you_mean
from cnnlab.models.impute import Impute

Step = Literal[
    "scale",
    "impute",
    "samplewise_center",
    "samplewise_std",
    "featurewise_center",
    "featurewise_std",
    "zca",
]
PREPROCESS_STEPS: tuple[Step, ...] = get_args(Step)
SAMPLEWISE = frozenset({"samplewise_center", "samplewise_std"})
FEATUREWISE = frozenset({"featurewise_center", "featurewise_std", "zca"})
# As in Keras, whose generator centres too where it is told only to scale or to whiten.
IMPLIED = {
    "samplewise_std": "samplewise_center",
    "featurewise_std": "featurewise_center",
    "zca": "featurewise_center",
}
EPSILON = 1e-6
ZCA_MOST_FEATURES = 4096


def checked_steps(steps: Sequence[str], input_shape: tuple[int, ...]) -> frozenset[str]:
    """Return the steps with those that they imply.

    Raises:
        UserError: for an unknown name, a name given twice, or steps that do not go together or not with
            this shape.

    Examples:
        >>> sorted(checked_steps(["featurewise_std", "scale"], (3, 32, 32)))
        ['featurewise_center', 'featurewise_std', 'scale']
    """
    for step in steps:
        if step not in PREPROCESS_STEPS:
            raise UserError(
                f"model.preprocess: {step!r} is not among the steps {', '.join(PREPROCESS_STEPS)}"
                f"{did_you_mean(step, PREPROCESS_STEPS)}"
            )
        if list(steps).count(step) > 1:
            raise UserError(f"model.preprocess names {step!r} more than once.")
    if "impute" in steps and len(input_shape) != 1:
        raise UserError("model.preprocess: impute is for tables, in which values may be missing.")
    if "zca" in steps and "featurewise_std" in steps:
        raise UserError("model.preprocess: zca already scales, so leave out featurewise_std.")
    if "zca" in steps and prod(input_shape) > ZCA_MOST_FEATURES:
        raise UserError(
            f"model.preprocess: zca takes at most {ZCA_MOST_FEATURES} features, and an input of shape "
            f"{'x'.join(map(str, input_shape))} has {prod(input_shape)}."
        )
    return frozenset(steps) | {IMPLIED[step] for step in steps if step in IMPLIED}


class Preprocess(nn.Module):
    """Keras's standardisation of images: fitted once on the training images, then part of the model.

    Takes ``(batch, channels, ...)`` of any dtype and gives float32 of the same shape, also under autocast,
    channels last where the input is (after ``zca`` always). Without steps uint8 becomes float32 and any other
    dtype passes as it is.

    Whatever order they are given in, the steps are done in that of :data:`PREPROCESS_STEPS`:

    - ``scale``: divide by 255.
    - ``impute``: put the column's mean in place of what is missing in a table, see :class:`Impute`.
    - ``samplewise_center``, ``samplewise_std``: each sample's own mean to 0, its deviation to 1.
    - ``featurewise_center``, ``featurewise_std``: likewise each channel, over all training images.
    - ``zca``: whiten (Krizhevsky, "Learning multiple layers of features from tiny images", 2009, appendix A).

    A ``_std`` and ``zca`` imply the centring before them. The featurewise statistics are of the images as the
    steps before left them. Where samplewise and featurewise steps meet, that is more than Keras does: it
    takes statistics of the images before the samplewise steps.

    Args:
        input_shape: shape of one sample, channels first.
        steps: names from :data:`PREPROCESS_STEPS`.

    Raises:
        UserError: see :func:`checked_steps`.

    Examples:
        >>> images = torch.randint(0, 256, (100, 3, 8, 8), dtype=torch.uint8)
        >>> preprocess = Preprocess((3, 8, 8), ["scale", "featurewise_std"])
        >>> preprocess.fit(images)
        >>> torch.allclose(preprocess(images).std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-3)
        True
    """

    fitted: Tensor
    mean: Tensor
    std: Tensor
    zca_matrix: Tensor
    offset: Tensor
    factor: Tensor

    def __init__(self, input_shape: tuple[int, ...], steps: Sequence[str]) -> None:
        super().__init__()
        self.input_shape = tuple(input_shape)
        self.steps = checked_steps(steps, self.input_shape)
        self.impute = Impute(self.input_shape[0]) if "impute" in self.steps else None
        # A bool beside the buffer, since to ask a buffer in each forward would wait for the GPU.
        self.is_fitted = not self.steps & FEATUREWISE
        # Where nothing comes between the two, the scaling is part of the featurewise step.
        self.folds_scale = "scale" in self.steps and not self.is_fitted and not self.steps & SAMPLEWISE
        if not self.is_fitted:
            channels = (1, self.input_shape[0], *(1 for _ in self.input_shape[1:]))
            self.register_buffer("fitted", torch.tensor(False))
            self.register_buffer("mean", torch.zeros(channels))
            if "featurewise_std" in self.steps:
                self.register_buffer("std", torch.ones(channels))
            if "zca" in self.steps:
                self.register_buffer("zca_matrix", torch.eye(prod(self.input_shape)))
            # What forward uses: as large as a sample, which on a CPU is 7 times as fast as to broadcast
            # three channels. Not saved, since they follow from the mean and the deviation.
            self.register_buffer("offset", torch.empty(0), persistent=False)
            self.register_buffer("factor", torch.empty(0), persistent=False)
            self._fold()

    @property
    def all_fitted(self) -> bool:
        """Whether nothing is left to be fitted."""
        return self.is_fitted and (self.impute is None or self.impute.is_fitted)

    def extra_repr(self) -> str:
        """Name the steps."""
        return ", ".join(step for step in PREPROCESS_STEPS if step in self.steps)

    def fit(self, images: Tensor, chunk: int = 4096) -> None:
        """Compute the statistics of the training images, in float64 and where the images are.

        Without featurewise steps nothing is done.

        Args:
            images: ``(n, *input_shape)``, uint8 or float.
            chunk: images that are worked on at once, which bounds the memory.

        Raises:
            ValueError: if there are no images or they have another shape.
        """
        if tuple(images.shape[1:]) != self.input_shape or not len(images):
            raise ValueError(
                f"images of shape {tuple(images.shape)} do not fit an input of shape {self.input_shape}."
            )
        if self.impute is not None:
            self.impute.fit(images)
            images = self.impute(images)
        if not self.steps & FEATUREWISE:
            return
        moments = Moments(self.input_shape[0], products="zca" in self.steps)
        for part in torch.split(images, chunk):
            # float64 does not exist on Apple's GPUs.
            device = "cpu" if part.device.type == "mps" else part.device
            moments.add(features(self._samplewise(self._scaled(part.to(device, torch.float64, copy=True)))))
        self.mean.copy_(moments.mean.reshape(self.mean.shape))
        if "featurewise_std" in self.steps:
            self.std.copy_(moments.std.reshape(self.std.shape))
        if "zca" in self.steps:
            self.zca_matrix.copy_(whitening(moments.centred_products, moments.count))
        self.fitted.fill_(True)
        self.is_fitted = True
        self._fold()

    def forward(self, x: Tensor) -> Tensor:
        """Preprocess a raw batch.

        Raises:
            RuntimeError: if there are featurewise steps and neither :meth:`fit` was called nor a fitted state
                loaded. On the meta device, where only shapes count, that is no matter.
        """
        if not self.is_fitted and not x.is_meta:
            raise RuntimeError(
                "This model's preprocessing was never fitted: call fit with the training images."
            )
        if not self.steps:
            return x.to(torch.float32) if x.dtype == torch.uint8 else x
        # A copy even of a float32 batch, which belongs to the caller: all that follows works in place.
        x = x.to(torch.float32, copy=True) if self.impute is None else self.impute(x)
        if not self.folds_scale:
            x = self._samplewise(self._scaled(x))
        if not self.steps & FEATUREWISE:
            return x
        x = x.sub_(self.offset)
        if self.folds_scale or "featurewise_std" in self.steps:
            x = x.mul_(self.factor)
        return self._whitened(x) if "zca" in self.steps else x

    def _scaled(self, x: Tensor) -> Tensor:
        return x.mul_(1 / 255) if "scale" in self.steps else x

    def _samplewise(self, x: Tensor) -> Tensor:
        sample = tuple(range(1, x.ndim))
        if "samplewise_center" in self.steps:
            x = x.sub_(x.mean(sample, keepdim=True))
        if "samplewise_std" in self.steps:
            # Not in place: the gradient to a raw image, as of a saliency map, needs both sides.
            x = x / (x.square().mean(sample, keepdim=True).sqrt() + EPSILON)
        return x

    def _whitened(self, x: Tensor) -> Tensor:
        # There is no autocast on the meta device, and asking for it fails.
        with torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False):
            white: Tensor = features(x) @ self.zca_matrix
        return white.reshape(x.shape[0], *self.input_shape[1:], self.input_shape[0]).movedim(-1, 1)

    def _fold(self) -> None:
        """Make from mean and deviation what forward subtracts and multiplies by."""
        scale = 1 / 255 if self.folds_scale else 1.0
        deviation = self.std + EPSILON if "featurewise_std" in self.steps else torch.ones_like(self.mean)
        layout = torch.channels_last if len(self.input_shape) == 3 else torch.contiguous_format
        shape = (1, *self.input_shape)
        self.offset = (self.mean / scale).expand(shape).contiguous(memory_format=layout)
        self.factor = (scale / deviation).expand(shape).contiguous(memory_format=layout)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        *args: Any,  # noqa: ANN401 - torch's own, handed on
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        fitted = state_dict.get(f"{prefix}fitted")
        if self.steps & FEATUREWISE and fitted is not None:
            self.is_fitted = bool(fitted)
            self._fold()


def features(x: Tensor) -> Tensor:
    """Flatten each sample with the channels last, as Keras does: ``(n, features)``.

    Examples:
        >>> features(torch.tensor([[[[1, 2]], [[3, 4]]]]))
        tensor([[1, 3, 2, 4]])
    """
    return x.movedim(1, -1).flatten(1)


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


def whitening(products: Tensor, count: int) -> Tensor:
    """Return Keras's ZCA matrix ``U diag(sqrt(n) / (s + 1e-6)) U^T``, with s the data's singular values.

    From the sum of products ``(features, features)`` of ``count`` centred samples, whose eigenvalues are the
    squares of s. Directions in which the samples do not vary are left out: Keras multiplies the rounding
    error there by up to ``1e6 * sqrt(n)``.

    Examples:
        >>> whitening(torch.tensor([[16.0, 0.0], [0.0, 0.0]]), count=4)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    values, vectors = torch.linalg.eigh(products)
    noise = values[-1] * len(values) * torch.finfo(values.dtype).eps
    inverse = (values > noise) * count**0.5 / (values.clamp(min=0).sqrt() + EPSILON)
    matrix: Tensor = (vectors * inverse) @ vectors.T
    return matrix
