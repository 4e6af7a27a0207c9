from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from cnnlab.config.check import check
from cnnlab.config.compose import compose
from cnnlab.data.spec import DataSpec
from cnnlab.errors import UserError
from cnnlab.models.describe import describe
from cnnlab.models.resnet import ResNet, ResNetModule

SMALL = (3, 32, 32)


pytestmark = pytest.mark.usefixtures("one_thread")


def small(**settings):
    """A third of the layers and a quarter of the parameters, for speed."""
    return ResNet(SMALL, 4, depth=18, **{"last_stage": "layer3"} | settings)


def images(n=4, shape=SMALL):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def torchvisions():
    """torchvision's own network, with running statistics that are not those of the start."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(num_classes=5)
    for _ in range(3):
        network(torch.randn(8, 3, 64, 64) * 2 + 1)
    return network.eval()


@pytest.fixture(scope="module")
def file(torchvisions, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvisions.state_dict(), path)
    return str(path)


# https://docs.pytorch.org/vision/stable/models.html names the numbers of parameters.
@pytest.mark.parametrize(("depth", "parameters"), [(18, 11_689_512), (50, 25_557_032)])
def test_number_of_parameters_is_the_published_one(depth, parameters):
    with torch.device("meta"):
        net = ResNet((3, 224, 224), 1000, depth=depth)
    assert sum(p.numel() for p in net.parameters()) == parameters


RESNET50_BODY = 23_508_032  # without its last layer, (2048 + 1) * 1000


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, (2048 + 1) * 200),
        ({"hidden": [1024]}, (2048 + 1) * 1024 + (1024 + 1) * 200),
        ({"hidden": [1024], "dropout": 0.75}, (2048 + 1) * 1024 + (1024 + 1) * 200),
        (
            {"head": "conv", "hidden": [1024], "dropout": 0.4},
            (2048 * 9 + 1) * 64 + (64 + 1) * 1024 + (1024 + 1) * 200,
        ),
    ],
)
def test_the_four_heads_on_birds(settings, parameters):
    with torch.device("meta"):
        net = ResNet((3, 224, 224), 200, trained="head", **settings)
        assert net(torch.zeros(2, 3, 224, 224)).shape == (2, 200)
    description = describe(net, (3, 224, 224), torch.float32)
    assert description.trained == parameters
    assert sum(p.numel() for p in net.parameters()) == parameters + RESNET50_BODY


def test_convolutional_head_has_the_layers_of_the_text():
    with torch.device("meta"):
        net = ResNet((3, 224, 224), 200, head="conv", hidden=[1024], dropout=0.4)
    assert net.features(torch.zeros(1, 3, 224, 224, device="meta")).shape == (1, 2048, 7, 7)
    assert [type(layer).__name__ for layer in net.head] == [
        "Conv2d", "ReLU", "Dropout", "AdaptiveAvgPool2d", "Flatten", "Linear", "ReLU", "Dropout", "Linear",
    ]  # fmt: skip
    assert [layer.p for layer in net.head if isinstance(layer, nn.Dropout)] == [0.2, 0.4]
    assert net.head.conv(torch.zeros(1, 2048, 7, 7, device="meta")).shape == (1, 64, 5, 5)


def test_outputs_are_torchvisions(torchvisions, file):
    net = ResNet((3, 64, 64), 5, depth=18, weights=file).eval()
    net.head.output.load_state_dict(torchvisions.fc.state_dict())
    x = images(4, (3, 64, 64))
    torch.testing.assert_close(net(x), torchvisions(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stage", ["layer1", "layer2", "layer3", "layer4"])
def test_a_cut_body_gives_what_torchvision_has_there(torchvisions, file, stage):
    net = ResNet((3, 64, 64), 5, depth=18, weights=file, last_stage=stage).eval()
    x = images(2, (3, 64, 64))
    expected = create_feature_extractor(torchvisions, [stage])(x)[stage]
    torch.testing.assert_close(net.body(x), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net.features(x), expected.mean((2, 3)), rtol=1e-4, atol=1e-4)


def test_a_grey_image_is_repeated(torchvisions, file):
    net = ResNet((1, 64, 64), 5, depth=18, weights=file).eval()
    net.head.output.load_state_dict(torchvisions.fc.state_dict())
    x = images(2, (1, 64, 64))
    torch.testing.assert_close(net(x), torchvisions(torch.cat([x, x, x], 1)), rtol=1e-4, atol=1e-4)


def steps(net, optimizer, count=2):
    net.train()
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(net(images()), torch.arange(4)).backward()
        optimizer.step()


def changed(net, before):
    """Parts of the network of which a parameter or a running statistic is no longer the same bits."""
    return {
        ".".join(name.split(".")[: 2 if name.startswith("body") else 1])
        for name, tensor in net.state_dict().items()
        if not torch.equal(tensor, before[name])
    }


def copied(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        ("head", {"head"}),
        ("layer3", {"body.layer3", "head"}),
        ("layer1", {"body.layer1", "body.layer2", "body.layer3", "head"}),
        ("all", {"body.conv1", "body.bn1", "body.layer1", "body.layer2", "body.layer3", "head"}),
    ],
)
def test_training_steps_change_nothing_frozen(file, trained, expected):
    net = small(weights=file, trained=trained)
    before = copied(net)
    steps(net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1))
    assert changed(net, before) == expected


def test_all_statistics_of_trained_stages_move(file):
    net = small(weights=file, trained="layer3")
    before = copied(net)
    steps(net, torch.optim.SGD(net.parameters(), lr=0.01), count=1)
    statistics = [name for name in before if "layer3" in name and "running" in name]
    assert len(statistics) == 10  # five batch norms in a stage of a ResNet18
    assert not any(torch.equal(net.state_dict()[name], before[name]) for name in statistics)


def test_features_of_a_frozen_body_can_be_kept(file):
    net = small(weights=file, trained="head", hidden=[16])
    x = images()
    kept = net.train().features(x)
    assert not kept.requires_grad
    # One by one, since a batch's own statistics would show.
    alone = torch.cat([net.features(image) for image in x.split(1)])
    torch.testing.assert_close(alone, kept, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net.head(kept), net(x))


def test_gradual_unfreezing_adds_stage_after_stage(file):
    net = small(weights=file, trained="head")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    seen = set(map(id, net.head.parameters()))
    for stage, parts in (("layer3", {"body.layer3"}), ("layer2", {"body.layer2", "body.layer3"})):
        assert net.is_frozen(stage)
        thawed = net.unfreeze(stage)
        assert not net.is_frozen(stage)
        assert seen.isdisjoint(map(id, thawed))
        seen |= set(map(id, thawed))
        before = copied(net)
        steps(net, optimizer)
        assert changed(net, before) == parts | {"head"}
    assert seen == {id(p) for p in net.parameters() if p.requires_grad}
    assert net.unfreeze("layer3") == []  # what is trained stays so


def test_unfreezing_in_evaluation_stays_in_evaluation():
    net = small(trained="head").eval()
    net.unfreeze("all")
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def module(spec=None, **settings):
    spec = spec or DataSpec("photos", "image", SMALL, "classes", 4, tuple("abcd"))
    settings = {
        "depth": 18,
        "last_stage": "layer3",
        "optimizer": partial(torch.optim.Adam, lr=0.1),
    } | settings
    return ResNetModule(spec, **settings)


def test_the_body_has_a_share_of_the_heads_rate():
    net = module(hidden=[16], body_rate=0.25)
    optimizer = net.configure_optimizer()
    head, body = optimizer.param_groups
    assert (head["lr"], body["lr"]) == (0.1, 0.025)
    assert (head["fused"], body["fused"]) == (True, True)
    assert [id(p) for p in head["params"]] == [id(p) for p in net.network.head.parameters()]
    assert [id(p) for p in body["params"]] == [id(p) for p in net.network.body.parameters()]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_no_optimizer_moves_what_is_frozen(kind):
    """Not by its weight decay, which does without a gradient."""
    trained = module(trained="layer3", optimizer=partial(kind, lr=0.01, weight_decay=0.5))
    before = copied(trained.network)
    steps(trained.network, trained.configure_optimizer())
    assert changed(trained.network, before) == {"body.layer3", "head"}


def test_colours_are_standardised_as_imagenets_with_and_without_weights(file):
    raw = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms(crop_size=32, resize_size=32)(raw)
    for weights in (None, file):
        torch.testing.assert_close(module(weights=weights).preprocess(raw), expected, rtol=1e-5, atol=1e-5)


def test_features_go_to_the_head(file):
    for settings in ({}, {"head": "conv", "kernel_size": 2, "filters": 8}):
        net = module(weights=file, trained="head", **settings).eval()
        raw = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
        kept = net.network.features(net.preprocess(raw))
        torch.testing.assert_close(net(kept), net(raw))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.body_rate=0", r"model\.body_rate=0: allowed is a number \(above 0\)"),
        ("model.cache_features=yes", r"model\.cache_features=yes: allowed is auto or true or false"),
        ("model.preprocess=scale", r"model\.preprocess=scale: allowed is auto or a list"),
        ("model.depth=34", r"model\.depth=34: allowed is one of 18, 50"),
        ("model.label_smoothing=1", r"model\.label_smoothing=1: allowed is a number"),
        ("+model.body_lr=1", r"model\.body_lr: ResNetModule has no such argument; did you mean body_rate\?"),
    ],
)
def test_settings_of_module_and_network_are_checked(override, message):
    check(compose(["model=resnet18"]))
    with pytest.raises(UserError, match=message):
        check(compose(["model=resnet18", override]))


def test_images_to_predict_are_refused():
    with pytest.raises(UserError, match="data=noisy has images to predict"):
        module(DataSpec("noisy", "image", SMALL, "image", 3 * 32 * 32))


def test_keras_initialisation_leaves_pretrained_weights_alone(torchvisions, file):
    torch.manual_seed(0)
    net = small(weights=file, init="keras", hidden=[300])
    torch.testing.assert_close(net.body.conv1.weight, torchvisions.conv1.weight)
    limit = (6 / (256 + 300)) ** 0.5
    assert net.head.dense1.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
    assert net.head.dense1.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.05)
    assert not net.head.dense1.bias.any()


def test_the_first_head_depends_on_the_seed_alone(file):
    heads = []
    for weights in (None, file):
        torch.manual_seed(3)
        heads.append(small(weights=weights).head.output.weight)
    assert torch.equal(*heads)


def test_weights_are_channels_last_unless_told_otherwise():
    for memory_format, expected in (("auto", True), ("contiguous", False)):
        weight = small(memory_format=memory_format).body.layer1[0].conv1.weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is expected


def test_on_the_meta_device_no_weights_are_read(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_text("not read")
    with torch.device("meta"):
        net = small(weights=str(file), trained="layer3")
    assert all(p.is_meta for p in net.parameters())
    with pytest.raises(UserError, match=r"weights\.pth: it is damaged"):
        small(weights=str(file))


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((4, 32, 32), {}, "4 channels; a ResNet takes 3, or 1"),
        (
            (3, 32, 32),
            {"head": "conv"},
            r"model.head=conv: behind layer4 the image is 1x1.*3x3 kernel.*32x32",
        ),
        (
            (3, 32, 32),
            {"trained": "layer4", "last_stage": "layer2"},
            r"model.trained=layer4: the body ends behind layer2.*allowed are all, layer1, layer2, head",
        ),
        (
            (3, 32, 32),
            {"hidden": [8, 8], "dropout": [0.1]},
            "model.dropout lists 1 values for 2 layers",
        ),
    ],
)
def test_wrong_settings_are_named(shape, settings, message):
    with torch.device("meta"), pytest.raises(UserError, match=message):
        ResNet(shape, 5, depth=18, **settings)


def test_a_stage_behind_the_cut_cannot_be_unfrozen():
    net = small(last_stage="layer2", trained="head")
    with pytest.raises(UserError, match=r"callbacks\.unfreeze\.layer3: the body ends behind layer2"):
        net.unfreeze("layer3")
    assert net.body_is_frozen


@pytest.mark.parametrize(
    ("side", "stage", "map_side"), [(33, "layer4", 2), (97, "layer3", 7), (96, "layer4", 3)]
)
def test_the_map_is_as_large_as_reckoned(side, stage, map_side):
    """The convolutional head just fits, and does not with a kernel larger by one."""
    settings = {"depth": 18, "head": "conv", "last_stage": stage}
    with torch.device("meta"):
        net = ResNet((3, side, side), 5, kernel_size=map_side, **settings)
        assert net.features(torch.zeros(1, 3, side, side)).shape[2:] == (map_side, map_side)
        assert net(torch.zeros(1, 3, side, side)).shape == (1, 5)
        with pytest.raises(UserError, match=f"{map_side}x{map_side}, too small"):
            ResNet((3, side, side), 5, kernel_size=map_side + 1, **settings)
