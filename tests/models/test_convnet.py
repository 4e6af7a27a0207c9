import numpy as np
import pytest
import torch
from torch import nn

from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.convnet import ConvNet, ConvNetModule
from cnnlab.models.layers import squared_kernels

KERAS_BATCH_NORM = {"norm_momentum": 0.01, "norm_eps": 1e-3}


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_convnet")


def nchw(array):
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def take_conv(conv, keras, name):
    conv.weight.data = torch.from_numpy(keras[f"{name}/kernel"]).permute(3, 2, 0, 1).contiguous()
    conv.bias.data = torch.from_numpy(keras[f"{name}/bias"])


def take_dense(dense, keras, name, channels, side):
    """Keras flattens height, width, channels; torch channels, height, width."""
    kernel = keras[f"{name}/kernel"].reshape(side, side, channels, -1).transpose(2, 0, 1, 3)
    dense.weight.data = torch.from_numpy(kernel.reshape(channels * side * side, -1).T.copy())
    dense.bias.data = torch.from_numpy(keras[f"{name}/bias"])


def take_norm(norm, keras, name, order=slice(None)):
    for ours, theirs in (
        ("weight", "gamma"),
        ("bias", "beta"),
        ("running_mean", "moving_mean"),
        ("running_var", "moving_variance"),
    ):
        getattr(norm, ours).data = torch.from_numpy(keras[f"{name}/{theirs}"][order].copy())


def test_even_kernels_and_strides_with_same_padding_are_keras(keras):
    net = ConvNet(
        (2, 9, 9),
        5,
        features=[3, 4, "P"],
        kernel_size=[2, 3],
        stride=[1, 2],
        activation="leaky_relu",
        negative_slope=0.3,
    )
    # Keras's network has its activation behind the first convolution alone.
    net.features.leaky_relu2 = nn.Identity()
    take_conv(net.features.conv1, keras, "net1/conv1")
    take_conv(net.features.conv2, keras, "net1/conv2")
    take_dense(net.classifier[-1], keras, "net1/dense", channels=4, side=2)
    outputs = net(nchw(keras["net1/input"]))
    np.testing.assert_allclose(outputs.detach(), keras["net1/output"], atol=1e-5)


@pytest.mark.parametrize("act", ["relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu"])
@pytest.mark.parametrize("norm", ["none", "before", "after"])
def test_the_order_of_activation_and_pool_changes_nothing(act, norm):
    net = ConvNet((2, 8, 8), 3, features=[4, 4, "P"], activation=act, norm=norm)
    names = ["conv1", f"{act}1", "conv2", f"{act}2", "pool1"]
    if norm != "none":
        for number, place in ((2, 3), (1, 1)):
            names.insert(place + (norm == "after"), f"norm{number}")
    images = torch.randn(16, 2, 8, 8)
    layers = dict(net.features.named_children())
    assert set(layers) == set(names)
    textbook = nn.Sequential(*(layers[name] for name in names), net.classifier)
    found, expected = (
        torch.autograd.grad(outputs.square().sum(), list(net.parameters()))
        for outputs in (net(images), textbook(images))
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def batch_norm_net(keras):
    net = ConvNet(
        (3, 8, 8),
        5,
        features=[4],
        kernel_size=11,
        stride=2,
        norm="before",
        norm_flatten=True,
        **KERAS_BATCH_NORM,
    )
    order = np.arange(64).reshape(4, 4, 4).transpose(2, 0, 1).ravel()
    take_conv(net.features[0], keras, "net2/conv1")
    take_norm(net.features[1], keras, "net2/norm1")
    take_norm(net.classifier.norm, keras, "net2/norm2", order)
    take_dense(net.classifier[-1], keras, "net2/dense", channels=4, side=4)
    return net, order


def test_batch_norm_in_evaluation_is_keras(keras):
    net, _ = batch_norm_net(keras)
    outputs = net.eval()(nchw(keras["net2/input"]))
    np.testing.assert_allclose(outputs.detach(), keras["net2/output"], atol=1e-5)


def test_batch_norm_in_training_is_keras(keras):
    net, order = batch_norm_net(keras)
    outputs = net.train()(nchw(keras["net2/input"]))
    np.testing.assert_allclose(outputs.detach(), keras["net2/training/output"], atol=1e-4)
    means = net.features[1].running_mean, net.classifier.norm.running_mean
    np.testing.assert_allclose(means[0], keras["net2/training/norm1/moving_mean"], atol=1e-5)
    np.testing.assert_allclose(means[1], keras["net2/training/norm2/moving_mean"][order], atol=1e-5)
    # Of a batch torch takes the variance over n - 1, Keras 3 that over n.
    for norm, name, n, where in (
        (net.features[1], "norm1", 4 * 4 * 4, slice(None)),
        (net.classifier.norm, "norm2", 4, order),
    ):
        before = keras[f"net2/{name}/moving_variance"][where]
        over_n = keras[f"net2/training/{name}/moving_variance"][where] - 0.99 * before
        expected = 0.99 * before + over_n * n / (n - 1)
        np.testing.assert_allclose(norm.running_var, expected, atol=1e-5)


def test_valid_padding_and_average_pooling_are_keras(keras):
    net = ConvNet(
        (1, 7, 7), 1, features=[3, 2, "P"], kernel_size=[4, 5], padding=["same", "valid"], pool="avg"
    )
    take_conv(net.features[0], keras, "net3/conv1")
    take_conv(net.features[2], keras, "net3/conv2")
    first = net.features[0](nchw(keras["net3/input"]))
    np.testing.assert_allclose(first.permute(0, 2, 3, 1).detach(), keras["net3/conv1/output"], atol=1e-5)
    net.features[1] = net.features[3] = nn.Identity()
    outputs = net.features(nchw(keras["net3/input"]))
    np.testing.assert_allclose(outputs.permute(0, 2, 3, 1).detach(), keras["net3/output"], atol=1e-5)


def test_keras_initialisation_is_glorot_uniform_with_zero_biases():
    torch.manual_seed(0)
    net = ConvNet((3, 32, 32), 10, features=[64, "P"], classifier=[512], init="keras")
    conv, dense = net.features[0], net.classifier[1]
    for layer, fan_in, fan_out in ((conv, 3 * 9, 64 * 9), (dense, 64 * 16 * 16, 512)):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        assert layer.weight.abs().max() <= limit
        assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        ("none", ["SameConv2d", "ReLU"]),
        ("before", ["SameConv2d", "BatchNorm2d", "ReLU"]),
        ("after", ["SameConv2d", "ReLU", "BatchNorm2d"]),
    ],
)
def test_norm_stands_before_or_after_the_activation(place, kinds):
    net = ConvNet((1, 8, 8), 2, features=[4], norm=place)
    assert [type(layer).__name__ for layer in net.features] == kinds


def test_pooling_by_strided_convolution_halves_the_image():
    net = ConvNet((3, 32, 32), 10, features=[8, "P"], pool="conv")
    assert net.features(torch.zeros(1, 3, 32, 32)).shape == (1, 8, 16, 16)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in net.features)


def test_the_penalty_of_a_kernel_is_keras(keras):
    net = ConvNet((2, 8, 8), 2, features=[4], l2_conv=float(keras["l2/factor"]))
    net.features.conv1.weight.data = torch.from_numpy(keras["l2/kernel"]).permute(3, 2, 0, 1)
    assert squared_kernels(net.penalised()).item() == pytest.approx(float(keras["l2/penalty"]), rel=1e-6)


def test_kernels_are_penalised_by_part():
    net = ConvNet((1, 8, 8), 2, features=[4, "P"], classifier=[5], l2_conv=0.1, l2_dense=0.01)
    assert [(factor, tuple(kernel.shape)) for factor, kernel in net.penalised()] == [
        (0.1, (4, 1, 3, 3)), (0.01, (5, 64)), (0.01, (2, 5)),
    ]  # fmt: skip


def test_weights_are_channels_last_unless_told_otherwise():
    image = torch.zeros(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    for memory_format, expected in (("auto", True), ("contiguous", False)):
        net = ConvNet((3, 8, 8), 2, features=[16], memory_format=memory_format)
        weight = net.features[0].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is expected
    assert net(image).shape == (1, 2)


def test_an_image_too_small_is_refused_by_the_layer():
    with pytest.raises(UserError, match=r"features\[9\] \(P\).*1x1 here.*2x2 pool.*16x16"):
        ConvNet((1, 16, 16), 10, features=[8, "P", 8, "P", 8, "P", 8, "P", 8, "P"])
    with pytest.raises(UserError, match=r"features\[0\] \(8\).*5x5 kernel"):
        ConvNet((1, 4, 4), 10, features=[8], kernel_size=5, padding="valid")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": [8, "Q"]}, r"features\[1\]=Q"),
        ({"features": [0]}, r"features\[0\]=0"),
        ({"features": [8, 8], "kernel_size": [3, 3, 3]}, "model.kernel_size lists 3 values for 2 layers"),
        (
            {"features": [8, "P"], "dropout_pool": [0.1, 0.2]},
            "model.dropout_pool lists 2 values for 1 layers",
        ),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        ConvNet((1, 8, 8), 10, **settings)


def flipping(**settings):
    spec = DataSpec("shapes", "image", (3, 8, 8), "classes", 4)
    torch.manual_seed(0)
    module = ConvNetModule(
        spec, features=[5, "P"], norm="before", preprocess=["scale", "featurewise_std"], **settings
    )
    module.preprocess.fit(torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8))
    return module


def test_with_test_time_flip_an_image_and_its_mirror_image_have_the_mean_of_both_outputs():
    plain, both = flipping(), flipping(test_time_flip=True)
    raw = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    mirrored = torch.from_numpy(raw.numpy()[..., ::-1].copy())
    with torch.inference_mode():
        alone, other = plain.eval()(raw), plain(mirrored)
        outputs = both.eval()(raw)
    assert (alone - other).abs().max() > 1e-3
    torch.testing.assert_close(outputs, (alone + other) / 2)
    torch.testing.assert_close(both(mirrored), outputs)


def test_test_time_flip_leaves_training_as_it_is():
    plain, both = flipping(), flipping(test_time_flip=True)
    raw = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(plain.train()(raw), both.train()(raw))


def test_test_time_flip_is_not_for_images_to_predict():
    spec = DataSpec("noisy", "image", (1, 8, 8), "image", 64)
    with pytest.raises(UserError, match="test_time_flip: data=noisy has images to predict"):
        ConvNetModule(spec, features=[4], test_time_flip=True)
