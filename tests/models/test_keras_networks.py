"""Every reference network, whole, computes what Keras computes with the same weights."""

import runpy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab.config.compose import compose, groups
from cnnlab.models.text_cnn import TextCNN
from cnnlab.training.build import build

SCRIPT = Path(__file__).parent.parent / "golden" / "make_keras_networks.py"

# Keras's network, and the experiments that train it.
EXPERIMENTS = {
    "deep_cnn": ["cifar10_cnn_sgd", "cifar10_cnn_rmsprop", "cifar10_augment"],
    "shallow_cnn": ["cifar10_kernel_sweep"],
    "double_conv": ["cifar10_double_conv"],
    "strided": ["cifar10_strided"],
    "base_net": ["cifar100_base", "cifar100_base_augment", "cifar100_base_zca"],
    "improved_net": ["cifar100_improved"],
    "improved_net_bn_before": ["cifar100_improved_bn_before"],
    "improved_net_bn_after": ["cifar100_improved_bn_after", "cifar100_improved_bn_after_zca"],
    "planes_logistic": ["planes_logistic_batch", "planes_logistic_minibatch"],
    "planes_hidden_sigmoid": ["planes_hidden_sigmoid"],
    "planes_hidden_relu": ["planes_hidden_relu"],
    "planes_grid_16_relu": ["planes_grid"],
    "random_logistic": ["random_sanity"],
    "mnist_mlp": ["mnist_mlp", "mnist_mlp_quarter", "mnist_mlp_more_dropout", "mnist_mlp_no_dropout"],
    "mnist_mlp_one_layer": ["mnist_mlp_one_layer"],
    "mnist_mlp_sigmoid": ["mnist_mlp_sigmoid"],
    "boston": ["boston_linear"],
    "cifar10_mlp": ["cifar10_mlp_mse", "cifar10_mlp_cce"],
    "xor": ["xor"],
    "logistic_map": ["logistic_map"],
    "pima": ["pima"],
    "imdb_mlp": ["imdb_mlp"],
    "imdb_cnn": ["imdb_cnn"],
    "denoise": ["denoise_mnist"],
    "mnist_dense": ["mnist_dense"],
    "mnist_conv": ["mnist_conv", "mnist_conv_permuted"],
    "alexnet_cifar10": ["alexnet_cifar10"],
    "alexnet_cifar100": ["alexnet_cifar100"],
    "vgg_cifar10": ["vgg_cifar10"],
    "vgg_cifar100": ["vgg_cifar100"],
    "fashion_2_blocks": ["fashion_2_blocks"],
    "fashion_3_blocks": ["fashion_3_blocks"],
    "fashion_bn_before": ["fashion_bn_before_rmsprop", "fashion_bn_before_adam"],
    "fashion_bn_after": ["fashion_bn_after_rmsprop"],
}
# Networks that the documents ask for beside those: an experiment, and what is typed behind it.
VARIANTS = {
    "shallow_cnn_k2": "cifar10_kernel_sweep model.kernel_size=2",
    **{f"deep_cnn_k{size}": f"cifar10_cnn_sgd model.kernel_size={size}" for size in (2, 4, 5, 6, 7, 8, 9)},
    "double_conv_k5533": "cifar10_double_conv model.kernel_size=[5,5,3,3]",
    "double_conv_k3355": "cifar10_double_conv model.kernel_size=[3,3,5,5]",
    "planes_grid_64_128_sigmoid": "planes_grid model.hidden=[64,128] model.activation=sigmoid",
    "xor_joined": "xor model.hidden=[1] model.joined=true",
    "pima_relu": "pima model.activation=relu",
    "pima_sigmoid": "pima model.output_activation=sigmoid",
    "pima_deeper": "pima model.hidden=[10,10]",
    "imdb_mlp_without_norm": "imdb_mlp model.norm=none",
    "imdb_cnn_relu": "imdb_cnn model.conv_activation=relu",
    "denoise_16": "denoise_mnist model.channels=[32,16]",
    "denoise_8": "denoise_mnist model.channels=[32,8]",
}
PAIRS = [(one, name) for name, experiments in EXPERIMENTS.items() for one in experiments]
PAIRS += [(words, name) for name, words in VARIANTS.items()]
# Their body is torchvision's ResNet, which is compared with torchvision.
BIRDS = "birds_"
NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_networks")


@pytest.fixture(scope="module")
def drawn():
    """How the script draws inputs and weights; it is read without Keras."""
    return runpy.run_path(str(SCRIPT))


@cache
def composed(experiment):
    return compose([f"experiment={experiment}"])


def built(words):
    """The module that an experiment trains, with the values that are typed behind it."""
    experiment, *values = words.split()
    cfg = composed(experiment).copy()
    cfg.merge_with_dotlist(values)
    return build(cfg)[1]


def order_of_flattened(network, x):
    """For each number of the flattened vector, its place in Keras's: channels are last there."""
    shapes = []
    (flatten,) = (layer for layer in network.modules() if isinstance(layer, nn.Flatten))
    with flatten.register_forward_hook(lambda layer, inputs, output: shapes.append(inputs[0].shape[1:])):
        network(x)
    channels, *sides = shapes[0]
    places = np.arange(np.prod(shapes[0])).reshape(*sides, channels)
    return np.moveaxis(places, -1, 0).ravel()


def weights(network, order):
    """Each weight in the order of definition: ours, Keras's name and shape, and the way from there."""
    flattened = False
    for layer in network.modules():
        if isinstance(layer, nn.Flatten):
            flattened = True
        elif isinstance(layer, nn.Embedding):
            yield layer.weight, "embeddings", tuple(layer.weight.shape), np.asarray
        elif isinstance(layer, nn.Conv2d):
            outputs, inputs, *sides = layer.weight.shape
            full = *sides, inputs, outputs
            # Keras's convolution of a text has no height.
            shape = full[1:] if isinstance(network, TextCNN) else full
            yield layer.weight, "kernel", shape, lambda a, s=full: a.reshape(s).transpose(3, 2, 0, 1)
            yield layer.bias, "bias", (outputs,), np.asarray
        elif isinstance(layer, nn.Linear):
            rows = order if flattened else slice(None)
            yield layer.weight, "kernel", tuple(layer.weight.T.shape), lambda a, rows=rows: a[rows].T
            yield layer.bias, "bias", tuple(layer.bias.shape), np.asarray
            flattened = False
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            rows = order if flattened else slice(None)
            for theirs, ours in NORM.items():
                yield getattr(layer, ours), theirs, (layer.num_features,), lambda a, rows=rows: a[rows]


def fill(network, order, draw):
    """Draw all weights; what was drawn, by name and shape."""
    found, count = [], 0
    for ours, name, shape, converted in weights(network, order):
        value = draw(name, shape)
        assert not ((value == 0) | (value == 1)).any()
        ours.copy_(torch.from_numpy(np.ascontiguousarray(converted(value))))
        found.append(f"{name} {shape}")
        count += ours.numel()
    state = network.state_dict()
    assert count == sum(t.numel() for key, t in state.items() if not key.endswith("num_batches_tracked"))
    return found


@pytest.mark.parametrize(("words", "name"), PAIRS, ids=[words for words, _ in PAIRS])
@torch.no_grad()
def test_the_outputs_are_keras(keras, drawn, words, name):
    module = built(words)
    network, shape = module.network.eval(), module.preprocess.output_shape
    last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    rng = drawn["stream"](name)
    x = torch.from_numpy(drawn["draw_input"](rng, name, last))
    x = x.permute(0, 3, 1, 2) if len(shape) == 3 else x
    order = None if name.startswith("denoise") else order_of_flattened(network, x)
    found = fill(network, order, lambda *told: drawn["draw"](rng, *told))
    assert [f"input {last}", *found] == keras[f"{name}/weights"].tolist()
    outputs = network(x)
    outputs = outputs.permute(0, 2, 3, 1) if outputs.ndim == 4 else outputs
    np.testing.assert_allclose(outputs, keras[f"{name}/outputs"], atol=1e-5, rtol=1e-5)


def test_no_network_is_left_out(keras):
    assert {name for _, name in PAIRS} == {key.partition("/")[0] for key in keras}
    rows = {name for name in groups()["experiment"] if not name.startswith(("best/", BIRDS))}
    assert rows == {one for experiments in EXPERIMENTS.values() for one in experiments}
