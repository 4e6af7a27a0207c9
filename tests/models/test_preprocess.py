import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights
from torchvision.transforms.functional import normalize

from cnnlab.models.preprocess import Preprocess

CASES = {
    "featurewise_center": ["featurewise_center"],
    "featurewise_center_std": ["featurewise_center", "featurewise_std"],
    "samplewise_center": ["samplewise_center"],
    "samplewise_center_std": ["samplewise_std", "samplewise_center"],
    "scale_featurewise_center_std": ["featurewise_std", "scale", "featurewise_center"],
    "featurewise_center_zca": ["featurewise_center", "zca"],
    "scale_featurewise_center_zca": ["zca", "scale"],
}
EVERY_KIND = [
    [],
    ["scale"],
    ["samplewise_std"],
    ["scale", "featurewise_center"],
    ["scale", "featurewise_std"],
    ["scale", "samplewise_std", "featurewise_std"],
    ["featurewise_std"],
    ["scale", "zca"],
    ["scale", "patch_whitening"],
    ["imagenet"],
]
FITTED = {"featurewise_center", "featurewise_std", "zca", "patch_whitening"}
FITTED_KINDS = [steps for steps in EVERY_KIND if FITTED & {*steps}]
every_kind = pytest.mark.parametrize("steps", EVERY_KIND, ids="+".join)
fitted_kinds = pytest.mark.parametrize("steps", FITTED_KINDS, ids="+".join)


@pytest.fixture(scope="module")
def keras(golden: Callable[[str], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return golden("keras_preprocessing")


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (300, 3, 5, 4), dtype=torch.uint8, generator=generator)


def channels_first(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def fitted(images: Tensor, steps: list[str]) -> Preprocess:
    preprocess = Preprocess(tuple(images.shape[1:]), steps)
    preprocess.fit(images)
    return preprocess


@pytest.mark.parametrize(
    ("images", "case"),
    [(name, case) for name in ("colour", "grey") for case in CASES if "zca" not in case]
    + [("zca", case) for case in CASES if "zca" in case],
)
def test_gives_what_keras_gives(keras: dict[str, np.ndarray], images: str, case: str) -> None:
    raw = channels_first(keras[f"{images}/images"])
    preprocess = fitted(raw, CASES[case])
    expected = channels_first(keras[f"{images}/{case}/output"])
    # A rounding or two of float32 at the size of the values in between, which without a deviation is 255.
    tolerance = 4e-6 if "zca" in case else 1e-6 if "std" in case else 1.6e-5
    torch.testing.assert_close(preprocess(raw[: len(expected)]), expected, rtol=3e-7, atol=tolerance)
    for name in ("mean", "std"):
        key = f"{images}/{case}/{name}"
        if key in keras:
            state = getattr(preprocess, name).flatten()
            torch.testing.assert_close(state, torch.from_numpy(keras[key]).flatten(), rtol=1.2e-7, atol=0)


@pytest.mark.parametrize("case", [case for case in CASES if "zca" in case])
def test_zca_matrix_is_that_of_keras_with_features_channels_last(
    keras: dict[str, np.ndarray], case: str
) -> None:
    matrix = fitted(channels_first(keras["zca/images"]), CASES[case]).zca_matrix
    expected = torch.from_numpy(keras[f"zca/{case}/zca_matrix"])
    torch.testing.assert_close(matrix, expected, rtol=1e-6, atol=1e-7 * float(expected.abs().max()))


def test_zca_makes_the_training_images_white(images: Tensor) -> None:
    white = fitted(images, ["scale", "zca"])(images).flatten(1).double()
    torch.testing.assert_close(white.T @ white / len(white), torch.eye(60).double(), rtol=0, atol=1e-4)


def test_an_epsilon_is_added_to_the_variances_as_in_keras_of_2019(images: Tensor) -> None:
    preprocess = Preprocess(tuple(images.shape[1:]), ["scale", "zca"], zca_epsilon=1e-3)
    preprocess.fit(images)
    # Features channels last, centred by channel.
    rows = images.double().div(255).movedim(1, -1)
    flat = (rows - rows.mean((0, 1, 2))).reshape(len(images), -1).numpy()
    u, s, _ = np.linalg.svd(flat.T @ flat / len(flat))
    expected = (u / np.sqrt(s + 1e-3)) @ u.T
    np.testing.assert_allclose(preprocess.zca_matrix.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_zca_leaves_out_directions_without_variation(images: Tensor) -> None:
    constant = images.clone()
    constant[:, :, 0] = 7
    preprocess = fitted(constant, ["scale", "zca"])
    # A test image that does vary there: Keras would give values in the millions.
    assert preprocess(images).abs().max() < 20
    few = fitted(images[:10], ["scale", "zca"])
    white = few(images[:10]).flatten(1).double()
    # As many directions as images, each of deviation 1.
    torch.testing.assert_close(white @ white.T / 10, torch.eye(10).double(), rtol=0, atol=1e-4)


def test_scale_alone_and_nothing_at_all(images: Tensor) -> None:
    assert torch.equal(Preprocess((3, 5, 4), ["scale"])(images), images.float() * (1 / 255))
    assert torch.equal(Preprocess((3, 5, 4), [])(images), images.float())


def test_without_steps_ids_and_rows_pass_as_they_are() -> None:
    ids, rows = torch.arange(12).reshape(3, 4), torch.randn(3, 4)
    preprocess = Preprocess((4,), [])
    assert preprocess(ids) is ids
    assert preprocess(rows) is rows


def test_rows_of_a_table_are_standardised_by_column_even_far_from_zero() -> None:
    rows = torch.randn(500, 3).double() * torch.tensor([1.0, 1e-3, 1e3]) + torch.tensor([0.0, 5.0, 1e6])
    standard = fitted(rows, ["featurewise_std"])(rows.float())
    expected = (rows - rows.mean(0)) / rows.std(0, correction=0)
    torch.testing.assert_close(standard.double(), expected, rtol=0, atol=1e-3)


def test_columns_are_standardised_as_scikit_learn_does_whatever_their_units() -> None:
    rows = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)).double()
    rows = rows * torch.tensor([1e-9, 1.0, 0.0, 0.0]) + torch.tensor([5e-9, -3.0, 0.0, 0.1])
    fresh = torch.tensor([[7e-9, 2.0, 1.0, 4.1]])
    scaler = StandardScaler().fit(rows.numpy())
    preprocess = fitted(rows.float(), ["featurewise_std"])
    for part in (rows, fresh):
        expected = torch.from_numpy(scaler.transform(part.numpy())).float()
        torch.testing.assert_close(preprocess(part.float()), expected, rtol=1e-4, atol=1e-4)


def test_a_column_without_a_value_in_training_keeps_its_scale() -> None:
    rows = torch.tensor([[1.0, torch.nan], [3.0, torch.nan]])
    preprocess = fitted(rows, ["impute", "featurewise_std"])
    assert preprocess(torch.tensor([[2.0, 5.0]])).tolist() == [[0.0, 5.0]]


def test_featurewise_statistics_are_of_what_the_samplewise_steps_left(images: Tensor) -> None:
    output = fitted(images, ["scale", "samplewise_std", "featurewise_std"])(images).double()
    torch.testing.assert_close(output.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(output.std((0, 2, 3), correction=0), torch.ones(3).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_imagenet_is_torchvisions_and_repeats_grey(images: Tensor, channels: int) -> None:
    raw = images[:, :channels]
    preset = ResNet18_Weights.IMAGENET1K_V1.transforms()
    theirs = normalize(raw.expand(-1, 3, -1, -1) / 255, preset.mean, preset.std)
    preprocess = Preprocess((channels, 5, 4), ["imagenet"])
    assert preprocess.all_fitted
    assert preprocess.output_shape == (3, 5, 4)
    torch.testing.assert_close(preprocess(raw), theirs, rtol=1e-6, atol=1e-6)
    preprocess.fit(raw)
    torch.testing.assert_close(preprocess(raw), theirs, rtol=1e-6, atol=1e-6)


@every_kind
def test_the_order_given_is_no_matter(images: Tensor, steps: list[str]) -> None:
    assert torch.equal(fitted(images, steps)(images), fitted(images, steps[::-1])(images))


@every_kind
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_input_stays_unchanged(images: Tensor, steps: list[str], dtype: torch.dtype) -> None:
    raw = images.to(dtype)
    preprocess = fitted(raw, steps)
    preprocess(raw)
    assert torch.equal(raw, images.to(dtype))


def test_fitting_on_float64_leaves_the_rows_alone() -> None:
    rows = torch.rand(20, 3, dtype=torch.float64) * 255
    before = rows.clone()
    Preprocess((3,), ["scale", "samplewise_center", "featurewise_std"]).fit(rows)
    assert torch.equal(rows, before)


@every_kind
def test_is_float32_under_autocast(images: Tensor, steps: list[str]) -> None:
    preprocess = fitted(images, steps)
    plain = preprocess(images)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = preprocess(images)
    assert plain.dtype == mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)


@every_kind
def test_keeps_channels_last(images: Tensor, steps: list[str]) -> None:
    preprocess = fitted(images, steps)
    output = preprocess(images.contiguous(memory_format=torch.channels_last))
    assert output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, preprocess(images), rtol=1e-6, atol=1e-6)
    if "zca" not in steps:
        assert preprocess(images).is_contiguous()


@fitted_kinds
@pytest.mark.parametrize("chunk", [1, 7, 299, 1000])
def test_fit_block_by_block_equals_fit_at_once(images: Tensor, steps: list[str], chunk: int) -> None:
    whole, parts = Preprocess((3, 5, 4), steps), Preprocess((3, 5, 4), steps)
    whole.fit(images)
    parts.fit(torch.split(images, chunk))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=2e-7, atol=1e-7)


@fitted_kinds
def test_fitting_again_forgets_the_first_fit(images: Tensor, steps: list[str]) -> None:
    preprocess = fitted(images[:100], steps)
    preprocess.fit(images)
    assert torch.equal(preprocess(images), fitted(images, steps)(images))


@fitted_kinds
@pytest.mark.parametrize("assign", [False, True])
def test_state_dict_round_trip(images: Tensor, tmp_path: Path, steps: list[str], assign: bool) -> None:
    model = nn.Sequential(fitted(images, steps), nn.Flatten())
    torch.save(model.state_dict(), tmp_path / "model.pt")
    fresh = nn.Sequential(Preprocess((3, 5, 4), steps), nn.Flatten())
    fresh.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), assign=assign)
    assert torch.equal(fresh(images), model(images))
    assert torch.equal(copy.deepcopy(fresh)(images), model(images))


@fitted_kinds
def test_unfitted_is_refused_also_after_loading_an_unfitted_state(images: Tensor, steps: list[str]) -> None:
    unfitted = Preprocess((3, 5, 4), steps)
    with pytest.raises(RuntimeError, match="never fitted"):
        unfitted(images)
    preprocess = fitted(images, steps)
    preprocess.load_state_dict(unfitted.state_dict())
    with pytest.raises(RuntimeError, match="never fitted"):
        preprocess(images)


@every_kind
def test_shapes_are_known_on_the_meta_device(images: Tensor, steps: list[str]) -> None:
    with torch.device("meta"):
        preprocess = Preprocess((3, 5, 4), steps)
        output = preprocess(torch.zeros(2, 3, 5, 4, dtype=torch.uint8))
    assert output.is_meta
    assert output.shape == ((2, 24, 4, 3) if "patch_whitening" in steps else (2, 3, 5, 4))
    assert output.dtype == torch.float32
    preprocess.load_state_dict(fitted(images, steps).state_dict(), assign=True)
    assert torch.equal(preprocess(images), fitted(images, steps)(images))


@every_kind
def test_exports_with_a_free_batch_size(images: Tensor, steps: list[str]) -> None:
    preprocess = fitted(images, steps)
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(preprocess, (images[:3],), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(images), preprocess(images), rtol=1e-6, atol=1e-6)


@every_kind
def test_gradient_reaches_a_raw_image(images: Tensor, steps: list[str]) -> None:
    raw = images[:2].double().float().requires_grad_()
    fitted(images, steps)(raw).square().sum().backward()
    assert raw.grad is not None
    assert bool(raw.grad.isfinite().all())


def test_fit_refuses_nothing_at_all() -> None:
    with pytest.raises(ValueError, match="no images to fit"):
        Preprocess((3, 5, 4), ["featurewise_center"]).fit(iter(()))


@pytest.mark.parametrize("shape", [(0, 3, 5, 4), (10, 5, 4, 3)])
def test_fit_refuses_no_images_and_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit an input of shape"):
        Preprocess((3, 5, 4), ["featurewise_center"]).fit(torch.zeros(shape))
