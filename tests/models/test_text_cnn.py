import numpy as np
import pytest
import torch
from torch import nn

from cnnlab.errors import UserError
from cnnlab.models.describe import describe
from cnnlab.models.layers import squared_kernels
from cnnlab.models.mlp import MLP
from cnnlab.models.text_cnn import Dropout, TextCNN


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_text")


def take_conv(conv, keras, name):
    """Keras's kernel is length, in, out; ours out, in, a height of 1, length."""
    conv.weight.data = torch.from_numpy(keras[f"{name}/kernel"]).permute(2, 1, 0).unsqueeze(2).contiguous()
    conv.bias.data = torch.from_numpy(keras[f"{name}/bias"])


def take_dense(dense, keras, name, channels=1):
    """Keras flattens length, channels; torch channels, length."""
    kernel = keras[f"{name}/kernel"]
    kernel = kernel.reshape(-1, channels, kernel.shape[1]).transpose(1, 0, 2).reshape(kernel.shape)
    dense.weight.data = torch.from_numpy(kernel.T.copy())
    dense.bias.data = torch.from_numpy(keras[f"{name}/bias"])


def keras_text(keras):
    net = TextCNN(
        (11,),
        1,
        vocabulary_size=20,
        embedding_dim=5,
        filters=[3],
        classifier=[6],
        dropout_embedding=0.5,
        dropout_pool=0.5,
        l2_dense=0.01,
    )
    net.embedding.weight.data = torch.from_numpy(keras["text/embedding/embeddings"])
    take_conv(net.features.conv1, keras, "text/conv1")
    take_dense(net.classifier.dense1, keras, "text/dense1", channels=3)
    take_dense(net.classifier.output, keras, "text/dense2")
    return net.eval()


def test_an_even_kernel_and_an_odd_text_are_keras(keras):
    outputs = keras_text(keras)(torch.from_numpy(keras["text/input"]))
    np.testing.assert_allclose(outputs.sigmoid().detach(), keras["text/output"], atol=1e-5)


def test_the_penalty_is_keras(keras):
    penalty = squared_kernels(keras_text(keras).penalised())
    assert penalty.item() == pytest.approx(float(keras["text/penalty"]), rel=1e-5)


def test_valid_padding_and_average_pooling_are_keras(keras):
    net = TextCNN(
        (13,),
        2,
        vocabulary_size=9,
        embedding_dim=4,
        filters=[3, 2],
        kernel_size=[3, 2],
        padding="valid",
        pool="avg",
        pool_size=[3, 1],
        classifier=[],
        activation="leaky_relu",
        negative_slope=0.3,
    ).eval()
    net.embedding.weight.data = torch.from_numpy(keras["valid/embedding/embeddings"])
    take_conv(net.features.conv1, keras, "valid/conv1")
    take_conv(net.features.conv2, keras, "valid/conv2")
    take_dense(net.classifier.output, keras, "valid/dense1", channels=2)
    outputs = net(torch.from_numpy(keras["valid/input"]))
    np.testing.assert_allclose(outputs.detach(), keras["valid/output"], atol=1e-5)


def test_a_dense_network_of_word_counts_is_keras(keras):
    net = MLP((12,), 1, hidden=[7, 5], norm="after", norm_eps=1e-3, dropout=0.5, l2=0.01).eval()
    # Keras's network has its norm behind the first layer alone.
    net.layers.norm2 = nn.Identity()
    take_dense(net.layers.dense1, keras, "bag/dense1")
    take_dense(net.layers.dense2, keras, "bag/dense2")
    take_dense(net.layers.output, keras, "bag/dense3")
    for ours, theirs in (
        ("weight", "gamma"),
        ("bias", "beta"),
        ("running_mean", "moving_mean"),
        ("running_var", "moving_variance"),
    ):
        getattr(net.layers.norm1, ours).data = torch.from_numpy(keras[f"bag/norm1/{theirs}"])
    outputs = net(torch.from_numpy(keras["bag/input"])).sigmoid()
    np.testing.assert_allclose(outputs.detach(), keras["bag/output"], atol=1e-5)
    assert squared_kernels(net.penalised()).item() == pytest.approx(float(keras["bag/penalty"]), rel=1e-5)


def test_the_layers_are_those_of_the_published_table():
    net = TextCNN((400,), 1, vocabulary_size=10_000, dropout_embedding=0.5, dropout_pool=0.5)
    description = describe(net, (400,), torch.int64)
    assert [(row.output_shape, row.trained) for row in description.rows] == [
        ((400, 50), 500_000),
        ((400, 50), 0),
        ((16, 1, 400), 3_216),
        ((16, 1, 400), 0),
        ((16, 1, 200), 0),
        ((16, 1, 200), 0),
        ((3200,), 0),
        ((30,), 96_030),
        ((30,), 0),
        ((1,), 31),
    ]
    assert description.parameters == 599_277


def test_keras_initialisation():
    torch.manual_seed(0)
    net = TextCNN((400,), 1, vocabulary_size=1000, init="keras")
    # Glorot's fans of a 1d convolution are its length times its channels.
    for weight, limit in (
        (net.embedding.weight, 0.05),
        (net.features.conv1.weight, (6 / (4 * 50 + 4 * 16)) ** 0.5),
        (net.classifier.dense1.weight, (6 / (3200 + 30)) ** 0.5),
    ):
        assert weight.abs().max() <= limit
        assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
    assert not net.features.conv1.bias.any()


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        ("none", ["SameConv2d", "Tanh", "MaxPool2d"]),
        ("before", ["SameConv2d", "BatchNorm2d", "Tanh", "MaxPool2d"]),
        ("after", ["SameConv2d", "Tanh", "BatchNorm2d", "MaxPool2d"]),
    ],
)
def test_norm_stands_before_or_after_the_activation(place, kinds):
    net = TextCNN((20,), 2, vocabulary_size=9, norm=place, activation="tanh")
    assert [type(layer).__name__ for layer in net.features] == kinds


def test_kernels_are_penalised_by_part():
    net = TextCNN((20,), 2, vocabulary_size=9, classifier=[5], l2_conv=0.1, l2_dense=0.01)
    assert [(factor, tuple(kernel.shape)) for factor, kernel in net.penalised()] == [
        (0.1, (16, 50, 1, 4)), (0.01, (5, 160)), (0.01, (2, 5)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": [3, 3]}, "model.kernel_size lists 2 values for 1 layers"),
        ({"dropout_pool": [0.1, 0.2]}, "model.dropout_pool lists 2 values for 1 layers"),
        ({"pool_size": 7}, r"model.filters\[0\].*6 tokens long here.*pool of 7; the input has 6"),
        ({"kernel_size": 7, "padding": "valid"}, r"model.filters\[0\].*kernel of 7"),
        ({"filters": [8, 8, 8]}, r"model.filters\[2\].*1 token long here"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        TextCNN((6,), 1, vocabulary_size=9, **settings)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    kept = Dropout(p)(torch.ones(1000, 101))
    values = kept.unique()
    assert values.tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-4)
    sigma = (p * (1 - p) / kept.numel()) ** 0.5
    assert (kept == 0).double().mean().item() == pytest.approx(p, abs=4 * sigma)
    # Neighbours in memory come from the same draw of 64 bits, and have to be independent all the same.
    dropped = (kept == 0).flatten().double() - p
    for lag in (1, 2, 3, 4):
        assert abs((dropped[lag:] * dropped[:-lag]).mean().item()) < 4 * p * (1 - p) / kept.numel() ** 0.5


def test_dropout_is_seeded_and_its_gradient_is_what_it_kept():
    images = torch.rand(2, 3, 5, 7).to(memory_format=torch.channels_last).requires_grad_()
    outputs = []
    for _ in range(2):
        torch.manual_seed(5)
        outputs.append(Dropout(0.3)(images))
    assert torch.equal(*outputs)
    assert outputs[0].is_contiguous(memory_format=torch.channels_last)
    outputs[0].sum().backward()
    torch.testing.assert_close(images.grad * images, outputs[0])


def test_dropout_in_evaluation_is_none():
    x = torch.rand(3, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
