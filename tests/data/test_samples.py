import numpy as np
import pytest
import torch
from scipy.stats import kstest

from cnnlab.data.augment import Augment
from cnnlab.data.samples import Images, NoisyImages

DRAWS = np.random.default_rng(0)
PICTURES = DRAWS.integers(0, 256, (20, 6, 5, 3), dtype=np.uint8)
ORDER = DRAWS.permutation(30)
ROWS = torch.tensor([7, 3, 3, 19])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(kind=Images, **settings):
    return kind(torch.from_numpy(PICTURES), torch.arange(20), **settings)


def permuted(pictures):
    """Pixels (n, height, width, channels) in their new order, by numpy."""
    return pictures.reshape(len(pictures), 30, 3)[:, ORDER].reshape(pictures.shape)


def test_pixels_change_their_places_and_keep_their_colours():
    taken, targets = images(permutation=torch.from_numpy(ORDER)).batch(ROWS, generator())
    np.testing.assert_array_equal(taken.permute(0, 2, 3, 1), permuted(PICTURES[ROWS]))
    assert targets.tolist() == ROWS.tolist()
    assert taken.is_contiguous(memory_format=torch.channels_last)


def test_pixels_are_permuted_after_the_augmentation():
    augment = Augment(horizontal_flip=True, shift=1)
    augmented = images(augment=augment).inputs(ROWS, generator()).permute(0, 2, 3, 1).numpy()
    both = images(permutation=torch.from_numpy(ORDER)).augmented(augment).inputs(ROWS, generator())
    np.testing.assert_array_equal(both.permute(0, 2, 3, 1), permuted(augmented))
    assert not np.array_equal(augmented, PICTURES[ROWS])


def test_noise_is_normal_and_of_the_asked_deviation():
    grey = torch.full((50, 20, 20, 1), 128, dtype=torch.uint8)
    noisy, clean = NoisyImages(grey, torch.arange(50), noise=0.1).batch(torch.arange(50), generator())
    assert noisy.dtype == clean.dtype == torch.uint8
    assert torch.equal(clean, grey.permute(0, 3, 1, 2))
    # The rounding to whole numbers is undone by an even draw within them.
    spread = noisy.numpy().ravel().astype(int) - 128 + DRAWS.uniform(-0.5, 0.5, noisy.numel())
    assert kstest(spread / 25.5, "norm").pvalue > 0.01


def test_noise_is_cut_off_at_black_and_white():
    halves = torch.zeros((50, 20, 20, 1), dtype=torch.uint8)
    halves[:, :10] = 255
    noisy, _ = NoisyImages(halves, torch.arange(50), noise=0.5).batch(torch.arange(50), generator())
    # Half of the noise is below zero; 255 is two deviations away.
    assert (noisy[:, :, 10:] == 0).double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (noisy[:, :, :10] == 255).double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (noisy[:, :, 10:] == 255).double().mean().item() == pytest.approx(0.0228, abs=0.005)


def test_the_target_is_the_augmented_and_permuted_image():
    settings = {"augment": Augment(vertical_flip=True, shift=2), "permutation": torch.from_numpy(ORDER)}
    expected = images(**settings).inputs(ROWS, generator())
    noisy, clean = images(NoisyImages, noise=0.3, **settings).batch(ROWS, generator())
    assert torch.equal(clean, expected)
    assert not torch.equal(noisy, clean)


def test_noise_is_of_the_generator_and_of_each_sample():
    samples = images(NoisyImages, noise=0.3)
    first, again, other = (samples.inputs(ROWS, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[1], first[2])


@pytest.mark.parametrize(("kind", "settings"), [(Images, {}), (NoisyImages, {"noise": 0.2})])
def test_copies_keep_everything_else(kind, settings):
    samples = images(kind, permutation=torch.from_numpy(ORDER), **settings)
    expected = samples.inputs(ROWS, generator())
    for copied in (samples.to(torch.device("cpu")), samples.augmented(Augment())):
        assert type(copied) is kind
        assert torch.equal(copied.inputs(ROWS, generator()), expected)
    turned = samples.augmented(Augment(vertical_flip=True))
    assert samples.augment is None
    assert turned.augment is not None
