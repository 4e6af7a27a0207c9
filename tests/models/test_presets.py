"""Every network of conf/model, exact to the parameter, and every one takes a training step."""

import pytest
import torch

from cnnlab.config.compose import compose, groups
from cnnlab.models.describe import describe
from cnnlab.training.build import build

# Network, data, all parameters, parameters that are not trained; from the documents that cnnlab takes over.
PUBLISHED = [
    ("deep_cnn", "cifar10", 2_141_514, 0),
    ("shallow_cnn", "cifar10", 8_396_042, 0),
    ("double_conv", "cifar10", 4_460_106, 0),
    ("strided_cnn", "cifar10", 4_644_618, 0),
    ("base_net", "cifar100 data.classes=25", 24_197, 0),
    ("improved_net", "cifar100 data.classes=25", 1_258_553, 0),
    ("improved_net_bn_before", "cifar100 data.classes=25", 1_259_321, 384),
    ("improved_net_bn_after", "cifar100 data.classes=25", 1_259_321, 384),
    ("vgg_like", "cifar100", 6_151_892, 0),
    ("vgg_like", "cifar10", 6_061_802, 0),
    ("alexnet_like", "cifar100", 4_334_824, 1_536),
    ("alexnet_like", "cifar10", 4_289_734, 1_536),
    ("fashion_3_blocks", "fashion_mnist", 56_318, 0),
    ("fashion_2_blocks", "fashion_mnist", 77_638, 0),
    ("fashion_bn_before", "fashion_mnist", 78_374, 368),
    ("fashion_bn_after", "fashion_mnist", 78_374, 368),
    ("mnist_dense", "mnist", 79_510, 0),
    ("mnist_conv", "mnist", 6_000, 0),
    ("mlp", "mnist", 669_706, 0),
    ("bag_of_words", "imdb data.view=counts", 1_003_561, 200),
    ("text_cnn", "imdb", 599_277, 0),
    ("fast_text", "imdb", 500_051, 0),
    ("autoencoder", "mnist data.noise=0.5", 28_353, 0),
    ("resnet18", "cifar100 data.classes=25", 11_198_937, 9_600),
    ("mlp model.hidden=[512]", "mnist", 407_050, 0),
]

# What a network takes, where that is not digits.
DATA = {
    "autoencoder": "mnist data.noise=0.5",
    "bag_of_words": "imdb data.view=counts",
    "fast_text": "imdb",
    "logistic": "pima",
    "text_cnn": "imdb",
}
DTYPES = {"image": torch.uint8, "tabular": torch.float32, "counts": torch.float32, "tokens": torch.int64}


def built(model, data):
    return build(
        compose(
            [f"model={part}" if i == 0 else part for i, part in enumerate(model.split())]
            + [f"data={part}" if i == 0 else part for i, part in enumerate(data.split())]
        )
    )


@pytest.mark.parametrize(("model", "data", "parameters", "fixed"), PUBLISHED)
def test_the_published_number_of_parameters(model, data, parameters, fixed):
    module, network = built(model, data)
    description = describe(network.network, module.spec.input_shape, network.network_dtype)
    assert (description.parameters, description.fixed) == (parameters, fixed)


def test_the_layers_of_vgg_like_are_those_of_its_table():
    module, network = built("vgg_like", "cifar100")
    description = describe(network.network, module.spec.input_shape, torch.float32)
    with_parameters = [row.trained for row in description.rows if row.trained]
    assert with_parameters == [
        1792, 36928, 73856, 295168, 590080, 1180160, 2359808, 513000, 1001000, 100100,
    ]  # fmt: skip
    pooled = [row.output_shape for row in description.rows if "Pool" in row.kind]
    assert pooled == [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (512, 1, 1)]


@pytest.mark.parametrize("model", groups()["model"])
def test_every_network_takes_a_step(model):
    module, network = built(model, DATA.get(model, "digits"))
    spec = module.spec
    inputs = torch.randint(0, 256, (4, *spec.input_shape), dtype=DTYPES[spec.kind])
    network.preprocess.fit(inputs)
    outputs = network(inputs)
    assert outputs.flatten(1).shape == (4, network.objective.outputs)
    targets = inputs if spec.target == "image" else torch.arange(4) % spec.outputs
    loss, _ = network.objective(outputs, targets, train=True)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_the_first_weights_depend_on_the_seed_and_the_network_alone():
    def first(*overrides):
        _, network = build(compose(["model=deep_cnn", "data=cifar10", *overrides]))
        return network.network.features[0].weight

    assert torch.equal(first("seed=0"), first("seed=0", "data.batch_size=7", "data.validation=0.3"))
    assert not torch.equal(first("seed=0"), first("seed=1"))
