import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from cnnlab.models.patches import VARIANCE_FLOOR, PatchMoments, patches, whitened, whitening_filters
from cnnlab.models.preprocess import Preprocess


@pytest.fixture
def images() -> Tensor:
    """Neighbours and colours that are alike, as in pictures."""
    noise = torch.randn(300, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    mixed = torch.einsum("nchw,dc->ndhw", noise, torch.tensor([[1.0, 0.2, 0.0], [0.6, 1, 0.3], [0.5, 0, 1]]))
    smooth = nn.functional.avg_pool2d(mixed, 3, 1)
    return (smooth * 60 + 120).clamp(0, 255).to(torch.uint8)


def test_patches_are_those_of_unfold(images):
    expected = nn.functional.unfold(images.double(), 2).movedim(1, 2).reshape(-1, 12)
    assert torch.equal(patches(images.double()), expected)


def test_components_are_those_of_scikit_learn(images):
    moments = PatchMoments(3)
    for block in torch.split(images.double() / 60, 70):
        moments.add(block)
    ours = whitening_filters(moments.covariance()).reshape(24, 12)
    theirs = PCA(whiten=True).fit(patches(images.double() / 60).numpy())
    variances = theirs.explained_variance_
    expected = theirs.components_ / np.sqrt(variances + VARIANCE_FLOOR)[:, None]
    signs = np.sign((ours[:12].numpy() * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(ours[:12].numpy(), signs * expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(ours[12:], -ours[:12])


def test_the_answers_to_the_training_images_are_white(images):
    preprocess = Preprocess((3, 7, 6), ["scale", "patch_whitening"])
    preprocess.fit(images)
    output = preprocess(images)
    assert output.shape[1:] == preprocess.output_shape == (24, 6, 5)
    assert output.min() == 0
    positive, negative = output.movedim(1, -1).reshape(-1, 24).double().split(12, dim=1)
    assert not (positive * negative).any()
    covariance = np.cov((positive - negative).numpy(), rowvar=False, ddof=0)
    standard = Preprocess((3, 7, 6), ["scale", "featurewise_std"])
    standard.fit(images)
    pixels = patches(standard(images)).double().numpy()
    variances = PCA().fit(pixels).explained_variance_ * (1 - 1 / len(pixels))  # theirs is the sample's
    expected = np.diag(variances / (variances + VARIANCE_FLOOR))
    np.testing.assert_allclose(covariance, expected, rtol=0, atol=1e-6)


def test_what_hardly_varies_is_not_blown_up(images):
    """Grey images stored in three colours: two of three components are nothing but rounding."""
    grey = images[:, :1].expand(-1, 3, -1, -1)
    preprocess = Preprocess((3, 7, 6), ["patch_whitening"])
    preprocess.fit(grey)
    strengths = preprocess(grey).movedim(1, -1).reshape(-1, 24).std(0)[:12]
    assert (strengths[:4] > 0.3).all()
    assert (strengths[4:] < 1e-3).all()


def test_is_the_same_under_autocast(images):
    filters = whitening_filters(torch.eye(12))
    pixels = images.float()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = whitened(pixels, filters)
    assert torch.equal(mixed, whitened(pixels, filters))
