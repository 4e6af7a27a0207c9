import pytest

from cnnlab.errors import UserError
from cnnlab.models.steps import PREPROCESS_STEPS, checked_steps


@pytest.mark.parametrize(
    ("shape", "steps", "message"),
    [
        ((3, 8, 8), ["featurewise_centre"], "did you mean featurewise_center?"),
        ((3, 8, 8), ["whiten"], f"not among the steps {', '.join(PREPROCESS_STEPS)}"),
        ((3, 8, 8), ["scale", "zca", "scale"], "names 'scale' more than once"),
        ((3, 8, 8), ["featurewise_std", "zca"], "leave out featurewise_std"),
        ((3, 8, 8), ["imagenet", "scale"], "imagenet scales and standardises already, so it stands alone"),
        ((4, 8, 8), ["imagenet"], "imagenet is for images of 1 or 3 channels, and the input is 4x8x8"),
        ((7,), ["imagenet"], "imagenet is for images of 1 or 3 channels, and the input is 7"),
        ((3, 8, 8), ["patch_whitening", "zca"], "both whiten, so leave out one of them"),
        ((3, 1, 8), ["patch_whitening"], "images of 2x2 pixels or more; the input is 3x1x8"),
        ((4,), ["patch_whitening"], "images of 2x2 pixels or more; the input is 4"),
        ((3, 64, 64), ["zca"], "at most 4096 features, and an input of shape 3x64x64 has 12288"),
    ],
)
def test_wrong_steps_are_refused(shape, steps, message):
    with pytest.raises(UserError) as caught:
        checked_steps(steps, shape)
    assert message in str(caught.value)


def test_steps_imply_what_they_build_on():
    assert checked_steps(["patch_whitening"], (3, 8, 8)) == {
        "featurewise_center",
        "featurewise_std",
        "patch_whitening",
    }
    assert checked_steps(["missing_indicator"], (4,)) == {"impute", "missing_indicator"}
