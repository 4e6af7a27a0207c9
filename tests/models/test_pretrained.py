import hashlib
import os
import pickle
import socket

import pytest
import torch
import torchvision

from cnnlab.errors import UserError
from cnnlab.models.pretrained import fetch, load_pretrained, locate
from cnnlab.models.resnet import cut_body


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return torchvision.models.resnet18(num_classes=7).state_dict()


@pytest.fixture
def body():
    return cut_body(18, "layer4")[0]


@pytest.fixture(autouse=True)
def torch_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch"


@pytest.fixture
def offline(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")


def written(tmp_path, content, **settings):
    path = tmp_path / "weights.pth"
    torch.save(content, path, **settings)
    return path


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("stage", ["layer2", "layer4"])
def test_a_file_gives_all_that_the_body_has(tmp_path, state, zipped, stage):
    body, _ = cut_body(18, stage)
    path = written(tmp_path, state, _use_new_zipfile_serialization=zipped)
    load_pretrained(body, str(path), "resnet18")
    for name, tensor in body.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_checkpoint_of_our_own_gives_its_body(tmp_path, state, body):
    ours = {f"network.body.{name}": t for name, t in state.items() if not name.startswith("fc.")}
    others = {"network.head.output.weight": torch.zeros(4, 512), "preprocess.mean": torch.zeros(3)}
    path = written(tmp_path, {"epoch": 3, "state_dict": {**ours, **others}, "optimizer_states": [{}]})
    load_pretrained(body, str(path), "resnet18")
    for name, tensor in body.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    path = written(tmp_path, {"epoch": 3, "state_dict": {"network.layers.0.weight": torch.zeros(1)}})
    with pytest.raises(UserError, match=r"weights\.pth: it is a checkpoint, but not of a ResNet"):
        load_pretrained(body, str(path), "resnet18")


def test_files_from_before_2018_count_no_batches(tmp_path, state, body):
    old = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    load_pretrained(body, str(written(tmp_path, old)), "resnet18")
    assert torch.equal(body.layer4[1].bn2.weight, state["layer4.1.bn2.weight"])


def test_a_file_without_its_last_layer_is_enough(tmp_path, state, body):
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    load_pretrained(body, str(written(tmp_path, headless)), "resnet18")
    assert torch.equal(body.conv1.weight, state["conv1.weight"])


def test_a_body_of_a_part_needs_only_that_part(tmp_path, state):
    body, _ = cut_body(18, "layer2")
    part = {name: state[name] for name in body.state_dict()}
    load_pretrained(body, str(written(tmp_path, part)), "resnet18")
    assert torch.equal(body.layer2[1].conv2.weight, state["layer2.1.conv2.weight"])


def other_network():
    with torch.device("meta"):
        shapes = torchvision.models.resnet50().state_dict()
    return {name: torch.zeros(tensor.shape) for name, tensor in shapes.items() if "layer4" not in name}


def changed(state, **others):
    return {**state, **{name.replace("__", "."): value for name, value in others.items()}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda state: other_network(),
            r"not the weights of a resnet18: layer4\.0\.conv1\.weight is missing.*and \d+ more\.$",
        ),
        (
            lambda state: changed(state, conv1__weight=torch.zeros(64, 1, 7, 7)),
            r"not the weights of a resnet18: conv1\.weight is 64x1x7x7, not 64x3x7x7\.$",
        ),
        (
            lambda state: changed(state, layer1__2__conv1__weight=torch.zeros(64, 64, 3, 3)),
            r"not the weights of a resnet18: layer1\.2\.conv1\.weight is not in it\.$",
        ),
        (
            lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
            r"conv1\.weight is missing, bn1\.weight is missing, .* and \d+ more\.$",
        ),
        (
            lambda state: changed(state, bn1__bias=torch.full((64,), torch.nan)),
            r"bn1\.bias holds what is no number",
        ),
        (lambda state: {"state_dict": dict(state), "epoch": 3}, "checkpoint, but not of a ResNet that cnn"),
        (lambda state: {}, "it holds no weights, but a dict"),
        (lambda state: [1, 2], "it holds no weights, but a list"),
    ],
)
def test_other_content_is_refused_and_nothing_is_loaded(tmp_path, state, body, content, message):
    path = written(tmp_path, content(state))
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    with pytest.raises(UserError, match=message) as caught:
        load_pretrained(body, str(path), "resnet18")
    assert str(caught.value).startswith(f"model.weights={path}: ")
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_damaged_and_foreign_files_are_refused(tmp_path, state, body):
    trap = tmp_path / "sprung"
    whole = written(tmp_path, state).read_bytes()
    older = written(tmp_path, state, _use_new_zipfile_serialization=False).read_bytes()
    rubbish = {
        "cut zip": whole[:-1000],
        "half a zip": whole[: len(whole) // 2],
        "half of an old one": older[: len(older) // 2],
        "text": b"404 not found\n",
        "empty": b"",
        "code": pickle.dumps(Trap(trap)),
    }
    for name, content in rubbish.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"it is damaged, or no state dict as torch\.save writes it"):
            load_pretrained(body, str(path), "resnet18")
    torch.save({"conv1.weight": Trap(trap)}, tmp_path / "trap.pth")
    with pytest.raises(UserError, match="it is damaged"):
        load_pretrained(body, str(tmp_path / "trap.pth"), "resnet18")
    assert not trap.exists()


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("missing.pth", r"model\.weights=missing\.pth: it is no file, .*IMAGENET1K_V1 .*or null\.$"),
        ("imagenet1k_v3", r"=imagenet1k_v3: .*did you mean IMAGENET1K_V1\?$"),
        ("IMAGENET1K_V2", r"did you mean IMAGENET1K_V1\?$"),  # of ResNet50 alone
        (".", r"it is a folder"),
        ("x" * 5000, r"it cannot be read: File name too long"),
    ],
)
def test_what_is_not_there_is_refused_even_without_reading(weights, message, device):
    with torch.device(device):
        body, _ = cut_body(18, "layer1")
    with pytest.raises(UserError, match=message):
        load_pretrained(body, weights, "resnet18")


def test_on_the_meta_device_nothing_is_downloaded(offline, torch_home):
    with torch.device("meta"):
        body, _ = cut_body(50, "layer4")
    load_pretrained(body, "IMAGENET1K_V2", "resnet50")
    assert not torch_home.exists()


def test_without_a_network_the_sentence_says_where_the_file_belongs(offline, torch_home, body):
    with pytest.raises(UserError) as caught:
        load_pretrained(body, "IMAGENET1K_V1", "resnet18")
    message = str(caught.value)
    assert "\n" not in message
    assert f"put resnet18-f37072fd.pth into {torch_home / 'hub' / 'checkpoints'}" in message
    assert "model.weights=FILE" in message
    assert "model.weights=null" in message
    assert not list((torch_home / "hub" / "checkpoints").iterdir())


def published(tmp_path, content, digits):
    """The URL of a file that is named by its checksum, as torchvision's are."""
    path = tmp_path / f"net-{digits}.pth"
    path.write_bytes(content)
    return path.as_uri()


def test_a_download_is_kept_and_tested(tmp_path, torch_home):
    content = b"weights" * 1000
    url = published(tmp_path, content, hashlib.sha256(content).hexdigest()[:8])
    path = fetch(url, "resnet18")
    assert path.parent == torch_home / "hub" / "checkpoints"
    assert path.read_bytes() == content
    (tmp_path / path.name).unlink()
    assert fetch(url, "resnet18") == path  # without the network
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match=rf"{path.name} is not the official file.*delete it"):
        fetch(url, "resnet18")


def test_a_download_with_another_checksum_leaves_nothing(tmp_path, torch_home):
    with pytest.raises(
        UserError, match=r"could not be downloaded \(invalid hash value.*net-00000000\.pth into"
    ):
        fetch(published(tmp_path, b"weights", "00000000"), "resnet18")
    assert not list((torch_home / "hub" / "checkpoints").iterdir())


def test_a_cache_that_cannot_be_written_to(tmp_path, torch_home):
    torch_home.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"could not be downloaded .*or say model\.weights=FILE"):
        fetch(published(tmp_path, b"weights", "00000000"), "resnet18")


def test_both_depths_have_torchvisions_names():
    assert locate("IMAGENET1K_V1", "resnet18").endswith("/resnet18-f37072fd.pth")
    assert locate("IMAGENET1K_V1", "resnet50").endswith("/resnet50-0676ba61.pth")
    assert locate("IMAGENET1K_V2", "resnet50").endswith("/resnet50-11ad3fa6.pth")
