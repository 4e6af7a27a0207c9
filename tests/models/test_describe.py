import io

import pytest
import torch
import torchvision
from rich.console import Console
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cnnlab.errors import UserError
from cnnlab.models.describe import Description, describe

IMAGE = (3, 224, 224)


@pytest.mark.parametrize(
    ("name", "trained", "fixed", "giga_multiply_adds"),
    [
        # Trained parameters and GFLOPS as torchvision publishes them with its weights (multiply-adds).
        # Fixed: ResNet-50's batch norms have 64 + 3*(64+64+256) + 4*(128+128+512) + 6*(256+256+1024)
        # + 3*(512+512+2048) + 256+512+1024+2048 = 26,560 channels, with two statistics each.
        ("alexnet", 61_100_840, 0, 0.714),
        ("vgg16", 138_357_544, 0, 15.47),
        ("resnet50", 25_557_032, 53_120, 4.089),
        ("vit_b_16", 86_567_656, 0, 17.564),
    ],
)
def test_published_networks(name: str, trained: int, fixed: int, giga_multiply_adds: float) -> None:
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    description = describe(network, IMAGE, torch.float32)
    assert (description.trained, description.fixed) == (trained, fixed)
    assert description.parameters == trained + fixed
    assert description.flops == pytest.approx(2e9 * giga_multiply_adds, rel=1e-3)


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "size"), [(3, 1, 1, 32), (5, 2, 1, 16), (3, 1, 4, 32)]
)
def test_flops_of_a_convolution(kernel: int, stride: int, groups: int, size: int) -> None:
    with torch.device("meta"):
        network = nn.Conv2d(8, 16, kernel, stride=stride, padding=kernel // 2, groups=groups)
    description = describe(network, (8, 32, 32), torch.float32)
    assert description.rows[0].output_shape == (16, size, size)
    assert description.flops == 2 * kernel * kernel * (8 // groups) * 16 * size * size
    assert description.trained == kernel * kernel * (8 // groups) * 16 + 16


def test_flops_of_a_linear_layer() -> None:
    with torch.device("meta"):
        network = nn.Linear(100, 10)
    assert describe(network, (100,), torch.float32).flops == 2 * 100 * 10


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_flops_of_an_lstm(device: str) -> None:
    enabled = torch.backends.mkldnn.enabled
    with torch.device(device):
        network = nn.LSTM(8, 16, batch_first=True)
    description = describe(network, (5, 8), torch.float32)
    assert description.flops == 2 * 5 * 4 * 16 * (8 + 16)
    assert description.rows[0].output_shape == (5, 16)
    assert torch.backends.mkldnn.enabled == enabled


def small_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.3),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Flatten(), nn.Dropout(0.25), nn.Linear(8 * 4 * 4, 10)),
    )


def test_rows_in_order_with_their_shapes_and_numbers() -> None:
    with torch.device("meta"):
        rows = describe(small_network(), (3, 16, 16), torch.float32).rows
    assert [(row.name, row.kind, row.output_shape, row.trained, row.fixed) for row in rows] == [
        ("0", "Conv2d 3x3 stride 2", (8, 8, 8), 3 * 3 * 3 * 8 + 8, 0),
        ("1", "BatchNorm2d", (8, 8, 8), 16, 16),
        ("2", "LeakyReLU 0.3", (8, 8, 8), 0, 0),
        ("3", "MaxPool2d 2x2", (8, 4, 4), 0, 0),
        ("4.0", "Flatten", (128,), 0, 0),
        ("4.1", "Dropout 0.25", (128,), 0, 0),
        ("4.2", "Linear", (10,), 1290, 0),
    ]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Conv2d(4, 8, (3, 5), stride=(2, 1), groups=2), "Conv2d 3x5 stride 2x1 groups 2"),
        (nn.Conv1d(4, 8, 3, dilation=2), "Conv1d 3 dilation 2"),
        (nn.AvgPool2d(3, stride=2), "AvgPool2d 3x3 stride 2"),
        (nn.AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d to 1x1"),
    ],
)
def test_kinds_tell_layers_of_one_class_apart(layer: nn.Module, kind: str) -> None:
    shape = (4, 20) if isinstance(layer, nn.Conv1d) else (4, 20, 20)
    assert describe(layer, shape, torch.float32).rows[0].kind == kind


def test_frozen_parameters_are_fixed() -> None:
    network = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, 2))
    description = describe(network, (4,), torch.float32)
    assert (description.trained, description.fixed) == (8, 15)


class Preprocess(nn.Module):
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return images.float() / 255 - self.mean


def test_preprocessing_takes_raw_images_and_counts_nothing() -> None:
    with torch.device("meta"):
        description = describe(nn.Sequential(Preprocess(), nn.Conv2d(3, 4, 3)), (3, 8, 8))
    first = description.rows[0]
    assert (first.kind, first.output_shape, first.trained, first.fixed) == ("Preprocess", (3, 8, 8), 0, 0)
    assert description.parameters == 3 * 3 * 3 * 4 + 4


class Tied(nn.Module):
    """One layer called twice, another that shares its weight, and a parameter of the network's own."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.twice.weight
        self.scale = nn.Parameter(torch.ones(4))
        self.idle = nn.Linear(4, 2)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.as_tensor(self.tied(self.twice(self.twice(rows)))) * self.scale


def test_shared_count_once_own_have_a_row_and_idle_come_last() -> None:
    with torch.device("meta"):
        network = Tied()
    description = describe(network, (4,), torch.float32)
    assert [(row.name, row.kind, row.output_shape, row.trained) for row in description.rows] == [
        ("(network)", "Tied's own", None, 4),
        ("twice", "Linear", (4,), 20),
        ("tied", "Linear", (4,), 0),
        ("idle", "Linear", None, 10),
    ]
    assert description.trained == sum(parameter.numel() for parameter in network.parameters())
    assert description.flops == 3 * 2 * 4 * 4


def test_attention_and_parametrised_layers_are_one_row() -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    fused = torch.backends.mha.get_fastpath_enabled()
    layer.linear1 = parametrizations.weight_norm(layer.linear1)
    description = describe(layer, (5, 16), torch.float32)
    rows = {row.name: row for row in description.rows}
    assert rows["self_attn"].trained == 4 * (16 * 16 + 16)
    assert rows["linear1"].trained == 16 * 32 + 32 + 32
    assert not any("parametrizations" in name or "out_proj" in name for name in rows)
    assert torch.backends.mha.get_fastpath_enabled() == fused
    # Projections, feed-forward, and scores and mixtures of 5 positions.
    assert description.flops == 2 * (5 * 4 * 16 * 16 + 5 * 2 * 16 * 32 + 2 * 5 * 5 * 16)


def test_an_image_too_small_for_a_pool_names_the_pool() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(4)))
    with pytest.raises(
        UserError, match=r"^1\.1 \(MaxPool2d 4x4\) cannot take an input of shape 8x2x2: .*too small"
    ) as raised:
        describe(network, (3, 4, 4), torch.float32)
    assert "\n" not in str(raised.value)


def test_a_failure_between_layers_names_the_part_and_a_user_error_passes() -> None:
    class Block(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return rows.view(7)

    class Refusing(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            raise UserError("patch_size does not divide the image")

    with pytest.raises(UserError, match=r"^1 \(Block\) cannot take an input of shape 4: "):
        describe(nn.Sequential(nn.ReLU(), Block()), (4,), torch.float32)
    with pytest.raises(UserError, match=r"^patch_size does not divide the image$"):
        describe(nn.Sequential(Refusing()), (4,), torch.float32)


@pytest.mark.parametrize("size", [16, 1])
def test_the_network_is_left_as_it_was(size: int) -> None:
    network = small_network()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try:
        describe(network, (3, size, size), torch.float32)
    except UserError:
        assert size == 1
    assert [module.training for module in network] == [True, False, True, True, True]
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.fixture
def description() -> Description:
    with torch.device("meta"):
        return describe(small_network(), (3, 16, 16), torch.float32)


SUMMARY = "1,546 parameters: 1,530 trained, 16 fixed; 30.2 kFLOP per sample (2 per multiply-add)"


def test_as_text_is_aligned(description: Description) -> None:
    *table, summary = description.as_text().splitlines()
    assert summary == SUMMARY
    assert len({len(line) for line in table}) == 1
    assert table[1].split() == ["0", "Conv2d", "3x3", "stride", "2", "8x8x8", "224", "0"]
    assert table[-1].split() == ["4.2", "Linear", "10", "1,290", "0"]


def test_as_markdown_is_a_table(description: Description) -> None:
    lines = description.as_markdown().splitlines()
    assert lines[2] == "| 0 | Conv2d 3x3 stride 2 | 8x8x8 | 224 | 0 |"
    assert lines[-2:] == ["", SUMMARY]
    assert {line.count("|") for line in lines[:-2]} == {6}


def test_as_rich_shows_names_as_they_are() -> None:
    with torch.device("meta"):
        network = nn.Sequential()
        network.add_module("block[red]", nn.Linear(2, 2))
    page = io.StringIO()
    Console(file=page, width=120).print(describe(network, (2,), torch.float32).as_rich())
    text = page.getvalue()
    assert "block[red]" in text
    assert "6 parameters: 6 trained" in text
