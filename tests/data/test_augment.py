import numpy as np
import pytest
import torch

from cnnlab.data.augment import Augment, cut_out, move, rotate
from cnnlab.errors import UserError

KERAS_FILL = {"edge": "nearest", "constant": "constant", "reflect": "reflect"}


def as_uint8(images):
    assert np.array_equal(images, images.round())
    return torch.from_numpy(images.astype(np.uint8))


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_preprocessing")


@pytest.mark.parametrize("fill", ["edge", "constant", "reflect"])
def test_shifts_are_keras_shifts(keras, fill):
    images = as_uint8(keras["affine/images"])
    rows = torch.arange(len(images))
    shifted = keras[f"affine/shift/{KERAS_FILL[fill]}"]
    for (tx, ty), expected in zip(keras["affine/shifts"], shifted, strict=True):
        # Keras's tx and ty say where a pixel is read from: the content moves the other way.
        right, down = (torch.full((len(rows), 1), -int(t)) for t in (tx, ty))
        moved = move(images, rows, down, right, None, None, fill)
        np.testing.assert_array_equal(moved.numpy(), expected)


def test_flips_are_keras_flips(keras):
    images = as_uint8(keras["affine/images"])
    rows, yes = torch.arange(len(images)), torch.ones(len(images), 1, dtype=torch.bool)
    mirrored = move(images, rows, None, None, None, yes, "edge")
    np.testing.assert_array_equal(mirrored.numpy(), keras["affine/flip/horizontal"])
    upside_down = move(images, rows, None, None, yes, None, "edge")
    np.testing.assert_array_equal(upside_down.numpy(), keras["affine/flip/vertical"])


@pytest.mark.parametrize("fill", ["edge", "constant"])
def test_rotations_are_keras_rotations(keras, fill):
    images = as_uint8(keras["affine/square_images"])
    for theta, expected in zip(
        keras["affine/thetas"], keras[f"affine/rotation/{KERAS_FILL[fill]}"], strict=True
    ):
        angle = torch.full((len(images),), float(theta))
        turned = rotate(images, angle, fill).float().numpy()
        # At the border of a constant fill Keras does not interpolate with what lies outside; look inside.
        difference = np.abs(turned - expected)[:, 2:-2, 2:-2]
        assert difference.max() <= 1.0, theta


def test_samples_of_a_batch_are_drawn_one_by_one():
    images = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1).repeat(200, 1, 1, 1)
    augment = Augment(horizontal_flip=True, vertical_flip=True, shift=2)
    out = augment(images, torch.arange(200), torch.Generator().manual_seed(0))
    assert len(torch.unique(out.flatten(1), dim=0)) > 60  # of 4 flips times 25 shifts


def test_half_of_the_samples_are_flipped():
    images = torch.tensor([[1, 2]], dtype=torch.uint8).view(1, 1, 2, 1).repeat(4000, 1, 1, 1)
    out = Augment(horizontal_flip=True)(images, torch.arange(4000), torch.Generator().manual_seed(0))
    flipped = (out[:, 0, 0, 0] == 2).float().mean()
    assert abs(flipped - 0.5) < 0.03


@pytest.mark.parametrize(("shift", "expected"), [(3, 3), (0.1, 3), ([0.25, 0.0], 8)])
def test_shifts_reach_their_largest_value_and_no_further(shift, expected):
    images = torch.zeros(2000, 32, 32, 1, dtype=torch.uint8)
    images[:, 16, 16] = 255
    out = Augment(shift=shift, fill="constant")(images, torch.arange(2000), torch.Generator().manual_seed(0))
    place = out.flatten(1).float().argmax(1)
    down = place // 32 - 16
    assert sorted(set(down.tolist())) == list(range(-expected, expected + 1))
    if isinstance(shift, list):
        assert set((place % 32 - 16).tolist()) == {0}


def test_a_crop_with_padding_is_black_outside():
    images = torch.full((500, 8, 8, 3), 255, dtype=torch.uint8)
    out = Augment(crop_padding=2, fill="edge")(images, torch.arange(500), torch.Generator().manual_seed(0))
    assert set(out.unique().tolist()) == {0, 255}
    assert out[:, 2:6, 2:6].min() == 255


def test_cutout_blackens_one_square():
    images = torch.full((3, 9, 9, 2), 7, dtype=torch.uint8)
    centres = torch.tensor([[0.5, 0.5], [0.0, 0.0], [0.99, 0.5]])
    holes = (cut_out(images, centres, 4) == 0)[..., 0]
    assert holes.sum((1, 2)).tolist() == [16, 4, 12]
    assert holes[0, 2:6, 2:6].all()


def test_the_same_generator_gives_the_same_batch():
    images = torch.randint(0, 256, (50, 8, 8, 3), dtype=torch.uint8)
    augment = Augment(horizontal_flip=True, shift=0.2, rotation=20.0, cutout=3, fill="reflect")
    first, again = (augment(images, torch.arange(50), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == images.shape
    assert first.dtype == torch.uint8


@pytest.mark.parametrize(
    "wrong",
    [
        {"shift": -1},
        {"shift": 1.5},
        {"shift": [1, 2, 3]},
        {"shift": 1, "crop_padding": 2},
        {"cutout": -1},
        {"rotation": -3.0},
        {"fill": "wrap"},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(UserError, match=r"data\.augment"):
        Augment(**wrong)
