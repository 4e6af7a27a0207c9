"""Names of the preprocessing steps, what they imply, and which go together."""

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

from cnnlab.errors import UserError, did_you_mean
from cnnlab.models.patches import SIZE

Step = Literal[
    "scale",
    "impute",
    "missing_indicator",
    "samplewise_center",
    "samplewise_std",
    "featurewise_center",
    "featurewise_std",
    "zca",
    "patch_whitening",
    "imagenet",
]
PREPROCESS_STEPS: tuple[Step, ...] = get_args(Step)
SAMPLEWISE = frozenset({"samplewise_center", "samplewise_std"})
FEATUREWISE = frozenset({"featurewise_center", "featurewise_std", "zca", "patch_whitening"})
# As in Keras, whose generator centres too where it is told only to scale or to whiten. What says that a value
# was missing needs another in its place.
IMPLIED: dict[str, tuple[Step, ...]] = {
    "missing_indicator": ("impute",),
    "samplewise_std": ("samplewise_center",),
    "featurewise_std": ("featurewise_center",),
    "zca": ("featurewise_center",),
    "patch_whitening": ("featurewise_center", "featurewise_std"),
}
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
    _check_together(frozenset(steps))
    _check_shape(frozenset(steps), input_shape)
    return frozenset(steps).union(*(IMPLIED.get(step, ()) for step in steps))


def _check_together(steps: frozenset[str]) -> None:
    """Refuse steps that do the same, or that leave no room for others."""
    if "imagenet" in steps and len(steps) > 1:
        raise UserError("model.preprocess: imagenet scales and standardises already, so it stands alone.")
    if "zca" in steps and "featurewise_std" in steps:
        raise UserError("model.preprocess: zca already scales, so leave out featurewise_std.")
    if "zca" in steps and "patch_whitening" in steps:
        raise UserError("model.preprocess: zca and patch_whitening both whiten, so leave out one of them.")


def _check_shape(steps: frozenset[str], input_shape: tuple[int, ...]) -> None:
    """Refuse steps that this input is not for."""
    shape = "x".join(map(str, input_shape))
    if "imagenet" in steps and (len(input_shape) != 3 or input_shape[0] not in (1, 3)):
        raise UserError(
            f"model.preprocess: imagenet is for images of 1 or 3 channels, and the input is {shape}."
        )
    if "patch_whitening" in steps and (len(input_shape) != 3 or min(input_shape[1:]) < SIZE):
        raise UserError(
            f"model.preprocess: patch_whitening is for images of 2x2 pixels or more; the input is {shape}."
        )
    for step in ("impute", "missing_indicator"):
        if step in steps and len(input_shape) != 1:
            raise UserError(f"model.preprocess: {step} is for tables, in which values may be missing.")
    if "zca" in steps and prod(input_shape) > ZCA_MOST_FEATURES:
        raise UserError(
            f"model.preprocess: zca takes at most {ZCA_MOST_FEATURES} features, and an input of shape "
            f"{shape} has {prod(input_shape)}."
        )
