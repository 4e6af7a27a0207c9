import inspect

import numpy as np
import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.errors import UserError
from cnnlab.models.autoencoder import Autoencoder, AutoencoderModule
from cnnlab.models.describe import describe
from cnnlab.training.build import build
from cnnlab.training.checkpoints import followed


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_text")


def nchw(array):
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def keras_autoencoder(keras):
    net = Autoencoder((1, 8, 12), 96, channels=[4, 3])
    convs = net.encoder.conv1, net.encoder.conv2, net.decoder.conv1, net.decoder.conv2, net.decoder.output
    for i, conv in enumerate(convs, 1):
        kernel = torch.from_numpy(keras[f"autoencoder/conv{i}/kernel"])
        conv.weight.data = kernel.permute(3, 2, 0, 1).contiguous()
        conv.bias.data = torch.from_numpy(keras[f"autoencoder/conv{i}/bias"])
    return net


def test_the_outputs_are_keras(keras):
    outputs = keras_autoencoder(keras)(nchw(keras["autoencoder/input"])).sigmoid()
    np.testing.assert_allclose(outputs.permute(0, 2, 3, 1).detach(), keras["autoencoder/output"], atol=1e-5)


def test_the_code_is_keras(keras):
    code = keras_autoencoder(keras).encoder(nchw(keras["autoencoder/input"]))
    theirs = nchw(keras["autoencoder/conv2/output"])
    pooled = theirs.reshape(4, 3, 2, 2, 3, 2).amax((3, 5))
    torch.testing.assert_close(code.detach(), pooled, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bottleneck", [8, 16, 32])
def test_the_published_shapes(bottleneck):
    net = Autoencoder((1, 28, 28), 784, channels=[32, bottleneck])
    description = describe(net, (1, 28, 28), torch.float32)
    shapes = [row.output_shape for row in description.rows if row.trained or "Pool" in row.kind]
    assert shapes == [
        (32, 28, 28), (32, 14, 14), (bottleneck, 14, 14), (bottleneck, 7, 7),
        (bottleneck, 7, 7), (32, 14, 14), (1, 28, 28),
    ]  # fmt: skip


def test_kernels_by_layer():
    net = Autoencoder((3, 8, 8), 192, channels=[4], kernel_size=[5, 3, 1], memory_format="contiguous")
    kernels = [tuple(p.shape) for p in net.parameters() if p.ndim == 4]
    assert kernels == [(4, 3, 5, 5), (4, 4, 3, 3), (3, 4, 1, 1)]


@pytest.mark.parametrize("norm", ["none", "before", "after"])
def test_every_parameter_has_a_gradient(norm):
    torch.manual_seed(0)
    net = Autoencoder((1, 8, 8), 64, channels=[4, 6], norm=norm, init="keras", activation="leaky_relu")
    images = torch.rand(4, 1, 8, 8)
    torch.nn.functional.binary_cross_entropy_with_logits(net(images), images).backward()
    assert sum(name.startswith("norm") for name in dict(net.decoder.named_children())) == 2 * (norm != "none")
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_data_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"image of 30x28 cannot be halved 2 times.*multiples of 4"):
        Autoencoder((1, 30, 28), 840)
    with pytest.raises(UserError, match="784 values, and the data has 10 outputs"):
        Autoencoder((1, 28, 28), 10)
    with pytest.raises(UserError, match=r"model\.kernel_size lists 2 values for 5 layers"):
        Autoencoder((1, 28, 28), 784, kernel_size=[3, 3])


def test_data_of_classes_is_refused_and_told_what_is_not():
    with pytest.raises(
        UserError, match=r"model=autoencoder: data=digits has classes to predict.*data\.noise"
    ):
        build(compose(["model=autoencoder", "data=digits"]))


def test_every_setting_of_the_network_is_in_its_file():
    settings = set(compose(["model=autoencoder", "data=mnist", "data.noise=1"]).model) - {"_target_"}
    assert settings == set(inspect.signature(AutoencoderModule).parameters) - {
        "spec",
        "optimizer",
        "schedule",
    }


def test_the_best_epoch_is_that_of_the_least_loss():
    _, model = build(compose(["model=autoencoder", "data=mnist", "data.noise=0.5"]))
    assert followed(model) == ("val/loss", "min")
