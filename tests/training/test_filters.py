import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from cnnlab.config.compose import compose
from cnnlab.training.build import build
from cnnlab.training.filters import dense_filters, first_and_last

IMAGES = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def built(*words):
    return build(compose(["data=digits", "data.size=8", *words]))[1]


CONV = ["model=convnet", "model.features=[4,P,6]", "model.classifier=[]", "model.preprocess=[scale]"]


@pytest.mark.parametrize("flip", ["false", "true"])
def test_maps_are_the_convolutions_own_before_the_activation(flip):
    model = built(*CONV, f"model.test_time_flip={flip}")
    first, last = first_and_last(model, IMAGES)
    assert (first.name, last.name) == ("features.conv1", "features.conv2")
    one, two = model.network.features.conv1, model.network.features.conv2
    with torch.no_grad():
        expected = F.conv2d(IMAGES / 255, one.weight, one.bias, padding="same")
        assert_allclose(first.maps, expected, atol=1e-6)
        assert (first.maps < 0).any(), "the activation works in place, on something else"
        pooled = F.relu(F.max_pool2d(expected, 2))
        assert_allclose(last.maps, F.conv2d(pooled, two.weight, two.bias, padding="same"), atol=1e-6)
    assert first.kernels.shape == (4, 1, 3, 3)


def test_the_order_is_that_of_the_run():
    first, last = first_and_last(built("model=resnet18", "data.size=32"), IMAGES.repeat(1, 1, 4, 4))
    # Made before the second convolution of its block is the shortcut's, and it runs after it.
    assert first.name == "body.conv1"
    assert last.name == "body.layer4.1.conv2"


def test_one_convolution_is_the_first_and_there_may_be_none():
    (only,) = first_and_last(built("model=convnet", "model.features=[4]", "model.classifier=[]"), IMAGES)
    assert only.name == "features.conv1"
    assert first_and_last(built("model=mlp"), IMAGES) == ()


def test_a_dense_layer_on_images_has_filters_of_their_shape():
    model = built("model=mlp", "model.hidden=[5]")
    name, kernels = dense_filters(model)
    assert name == "layers.dense1"
    np.testing.assert_array_equal(kernels[2, 0, 3], model.network.layers.dense1.weight[2, 24:32].detach())
    table = build(compose(["data=boston", "model=linear"]))[1]
    assert dense_filters(table) is None
