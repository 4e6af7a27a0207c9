"""Fitted preprocessing as the first layer of a model, so that a checkpoint predicts from raw images."""

from collections.abc import Iterable, Sequence
from math import prod

import torch
from torch import Tensor

from cnnlab.models.fitted import Fitted
from cnnlab.models.impute import Impute
from cnnlab.models.moments import EPSILON, Moments, features, in_32_bits, whitening
from cnnlab.models.patches import FILTERS_PER_CHANNEL, SIZE, PatchMoments, whitened, whitening_filters
from cnnlab.models.steps import FEATUREWISE, PREPROCESS_STEPS, SAMPLEWISE, checked_steps

# That are worked on at once in fitting; of 224x224 RGB it is 83 images.
CHUNK_IMAGES, CHUNK_NUMBERS = 4096, 4096 * 3072
# A deviation of less than this part of the mean is rounding: the training samples are all the same.
STILL = 1e-9
# Of red, green and blue over ImageNet's training images, on a scale from 0 to 1, as torchvision has them:
# https://docs.pytorch.org/vision/stable/models.html
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preprocess(Fitted):
    """Keras's standardisation of images: fitted once on the training images, then part of the model.

    Takes ``(batch, channels, ...)`` of any dtype and gives float32 of the same shape, if no step below says
    otherwise, also under autocast, channels last where the input is (after ``zca`` always). Without steps
    uint8 becomes float32 and any other dtype passes as it is.

    Whatever order they are given in, the steps are done in that of
    :data:`~cnnlab.models.steps.PREPROCESS_STEPS`:

    - ``scale``: divide by 255.
    - ``impute``: put the column's mean in place of what is missing in a table, see :class:`Impute`.
    - ``missing_indicator``: behind the columns as the other steps leave them, as many more that are 1 where a
      value was missing and else 0. Implies ``impute``.
    - ``samplewise_center``, ``samplewise_std``: each sample's own mean to 0, its deviation to 1.
    - ``featurewise_center``, ``featurewise_std``: likewise each channel, over all training images. What is
      the same in all of them, as a category that only the test has, keeps its scale.
    - ``zca``: whiten (Krizhevsky, "Learning multiple layers of features from tiny images", 2009, appendix A).
    - ``patch_whitening``: the components of 2x2 patches brought to one variance, the positive and the
      negative part of each a channel (Jordan, arXiv 2404.00498): of ``(3, 32, 32)`` becomes ``(24, 31, 31)``.
    - ``imagenet``: as torchvision's pretrained weights want it: divide by 255, and of red, green and blue
      subtract :data:`IMAGENET_MEAN` and divide by :data:`IMAGENET_STD`. Nothing is fitted. A grey image is
      repeated: three channels come out, channels last. It stands alone.

    A ``_std`` and ``zca`` imply the centring before them, ``patch_whitening`` both. The featurewise
    statistics are of the images as the steps before left them. Where samplewise and featurewise steps meet,
    that is more than Keras does: it takes statistics of the images before the samplewise steps.

    Args:
        input_shape: shape of one sample, channels first.
        steps: names from :data:`~cnnlab.models.steps.PREPROCESS_STEPS`.
        zca_epsilon: added to the variances in ``zca``, see :func:`~cnnlab.models.moments.whitening`.
        feature_names: of a table's columns, for what :class:`Impute` says.

    Raises:
        UserError: see :func:`~cnnlab.models.steps.checked_steps`.

    Examples:
        >>> images = torch.randint(0, 256, (100, 3, 8, 8), dtype=torch.uint8)
        >>> preprocess = Preprocess((3, 8, 8), ["scale", "featurewise_std"])
        >>> preprocess.fit(images)
        >>> torch.allclose(preprocess(images).std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-3)
        True
        >>> grey = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
        >>> Preprocess((1, 8, 8), ["imagenet"])(grey)[0, :, 0, 0]
        tensor([2.2489, 2.4286, 2.6400])
    """

    mean: Tensor
    std: Tensor
    zca_matrix: Tensor
    patch_filters: Tensor
    offset: Tensor
    factor: Tensor

    def __init__(
        self,
        input_shape: tuple[int, ...],
        steps: Sequence[str],
        zca_epsilon: float = 0.0,
        feature_names: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.zca_epsilon = zca_epsilon
        self.input_shape = tuple(input_shape)
        self.steps = checked_steps(steps, self.input_shape)
        self.impute = Impute(self.input_shape[0], feature_names) if "impute" in self.steps else None
        self.is_imagenet = "imagenet" in self.steps
        self.repeats = self.is_imagenet and self.input_shape[0] == 1
        self.indicates = "missing_indicator" in self.steps
        self.standard_shape = (3, *self.input_shape[1:]) if self.repeats else self.input_shape
        self.output_shape = (2 * self.input_shape[0],) if self.indicates else self.standard_shape
        if "patch_whitening" in self.steps:
            channels, height, width = self.input_shape
            self.output_shape = (channels * FILTERS_PER_CHANNEL, height - SIZE + 1, width - SIZE + 1)
        # Whether channels are shifted and scaled by numbers of their own, which are part of the state.
        self.standardises = self.is_imagenet or bool(self.steps & FEATUREWISE)
        # Where nothing comes between the two, the scaling is part of the featurewise step.
        scales = "scale" in self.steps and self.standardises and not self.steps & SAMPLEWISE
        self.folds_scale = self.is_imagenet or scales
        if self.standardises:
            self._register_statistics()
        if self.is_imagenet:
            self.mean.copy_(torch.tensor(IMAGENET_MEAN).view_as(self.mean))
            self.std.copy_(torch.tensor(IMAGENET_STD).view_as(self.std))
            self.mark_fitted()
        if self.standardises:
            self.restored()

    def _register_statistics(self) -> None:
        channels = (1, self.standard_shape[0], *(1 for _ in self.input_shape[1:]))
        self.expect_fit()
        self.register_buffer("mean", torch.zeros(channels))
        if self.is_imagenet or "featurewise_std" in self.steps:
            self.register_buffer("std", torch.ones(channels))
        if "zca" in self.steps:
            self.register_buffer("zca_matrix", torch.eye(prod(self.input_shape)))
        if "patch_whitening" in self.steps:
            filters = torch.zeros(self.output_shape[0], self.input_shape[0], SIZE, SIZE)
            self.register_buffer("patch_filters", filters)
        # What forward uses: as large as a sample, which on a CPU is 7 times as fast as to broadcast
        # three channels. Not saved, since they follow from the mean and the deviation.
        self.register_buffer("offset", torch.empty(0), persistent=False)
        self.register_buffer("factor", torch.empty(0), persistent=False)

    @property
    def all_fitted(self) -> bool:
        """Whether nothing is left to be fitted."""
        return self.is_fitted and (self.impute is None or self.impute.is_fitted)

    def extra_repr(self) -> str:
        """Name the steps."""
        return ", ".join(step for step in PREPROCESS_STEPS if step in self.steps)

    @property
    def block_length(self) -> int:
        """Images that are worked on at once, fewer of large ones, which bounds the memory."""
        return max(1, min(CHUNK_IMAGES, CHUNK_NUMBERS // prod(self.input_shape)))

    def fit(self, images: Tensor | Iterable[Tensor]) -> None:
        """Compute the statistics of the training images, in float64 and where the images are.

        Without featurewise steps nothing is done.

        Args:
            images: ``(n, *input_shape)``, uint8 or float; whole, or block after block, so that they need
                not all lie in memory.

        Raises:
            ValueError: if there are no images or they have another shape.
        """
        if self.impute is not None:
            rows = self._checked(images if isinstance(images, Tensor) else torch.cat(list(images)))
            self.impute.fit(rows)
            images = self.impute(rows)
        blocks = torch.split(images, self.block_length) if isinstance(images, Tensor) else images
        moments = Moments(self.input_shape[0], products="zca" in self.steps)
        of_patches = PatchMoments(self.input_shape[0]) if "patch_whitening" in self.steps else None
        for block in blocks:
            part = self._checked(block)
            if not self.steps & FEATUREWISE:
                return
            # float64 does not exist on Apple's GPUs.
            device = "cpu" if part.device.type == "mps" else part.device
            samples = self._samplewise(self._scaled(part.to(device, torch.float64, copy=True)))
            moments.add(features(samples))
            if of_patches is not None:
                of_patches.add(samples)
        if not moments.count:
            raise ValueError("there are no images to fit the preprocessing on.")
        self.mean.copy_(moments.mean.reshape(self.mean.shape))
        if "featurewise_std" in self.steps:
            self.std.copy_(moments.std.reshape(self.std.shape))
        if of_patches is not None:
            deviations = (moments.std + EPSILON).repeat_interleave(SIZE * SIZE)
            covariance = of_patches.covariance() / torch.outer(deviations, deviations)
            self.patch_filters.copy_(whitening_filters(covariance))
        if "zca" in self.steps:
            self.zca_matrix.copy_(whitening(moments.centred_products, moments.count, self.zca_epsilon))
        self.mark_fitted()
        self.restored()

    def _checked(self, images: Tensor) -> Tensor:
        if tuple(images.shape[1:]) != self.input_shape or not len(images):
            raise ValueError(
                f"images of shape {tuple(images.shape)} do not fit an input of shape {self.input_shape}."
            )
        return images

    def forward(self, x: Tensor) -> Tensor:
        """Preprocess a raw batch.

        Raises:
            RuntimeError: if there are featurewise steps and neither :meth:`fit` was called nor a fitted state
                loaded. On the meta device, where only shapes count, that is no matter.
        """
        self.require_fitted(
            x, "This model's preprocessing was never fitted: call fit with the training images."
        )
        if not self.steps:
            return x.to(torch.float32) if x.dtype == torch.uint8 else x
        if self.indicates:
            return torch.cat([self._stepped(x), x.isnan().to(torch.float32)], dim=1)
        return self._stepped(x)

    def _stepped(self, x: Tensor) -> Tensor:
        # A copy even of a float32 batch, which belongs to the caller: all that follows works in place.
        if self.repeats:
            x = x.expand(-1, 3, -1, -1).to(torch.float32, copy=True, memory_format=torch.channels_last)
        else:
            x = x.to(torch.float32, copy=True) if self.impute is None else self.impute(x)
        if not self.folds_scale:
            x = self._samplewise(self._scaled(x))
        if not self.standardises:
            return x
        x = x.sub_(self.offset)
        if self.folds_scale or "featurewise_std" in self.steps:
            x = x.mul_(self.factor)
        if "patch_whitening" in self.steps:
            return whitened(x, self.patch_filters)
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
        with in_32_bits(x):
            white: Tensor = features(x) @ self.zca_matrix
        return white.reshape(x.shape[0], *self.input_shape[1:], self.input_shape[0]).movedim(-1, 1)

    def restored(self) -> None:
        """Make from mean and deviation what forward subtracts and multiplies by."""
        scale = 1 / 255 if self.folds_scale else 1.0
        deviation = torch.ones_like(self.mean)
        if self.is_imagenet:
            deviation = self.std
        elif "featurewise_std" in self.steps:
            still = self.std <= STILL * self.mean.abs()
            small = (
                EPSILON if len(self.input_shape) > 1 else 0.0
            )  # columns have units, and may be of any size
            deviation = torch.where(still, 1.0, self.std + small)
        layout = torch.channels_last if len(self.input_shape) == 3 else torch.contiguous_format
        shape = (1, *self.standard_shape)
        self.offset = (self.mean / scale).expand(shape).contiguous(memory_format=layout)
        self.factor = (scale / deviation).expand(shape).contiguous(memory_format=layout)
