import numpy as np
import pytest
import torch

from cnnlab.data.augment import Augment
from cnnlab.data.batches import Batches, mixed_seed
from cnnlab.data.samples import Images

N = 103
IMAGES = torch.randint(0, 256, (N, 6, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(N)


def batches(**settings):
    augment = settings.pop("augment", Augment(horizontal_flip=True, shift=1))
    samples = Images(IMAGES, LABELS, augment)
    loader = Batches(samples, torch.arange(N), 10, **{"shuffle": True, **settings})
    loader.block_length = 4
    return loader


def seen(loader):
    return [(images.clone(), labels.clone()) for images, labels in loader]


def assert_same(first, second):
    assert len(first) == len(second)
    for (images, labels), (other_images, other_labels) in zip(first, second, strict=True):
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)


def test_an_epoch_serves_each_sample_once():
    labels = torch.cat([labels for _, labels in batches()])
    assert sorted(labels.tolist()) == list(range(N))
    assert labels.tolist() != list(range(N))


def test_images_stay_with_their_labels():
    for images, labels in batches(augment=None):
        assert torch.equal(images, IMAGES[labels].permute(0, 3, 1, 2))
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_epochs_differ_and_repeat_with_the_seed():
    loader, again, other = batches(seed=0), batches(seed=0), batches(seed=1)
    first, second = seen(loader), seen(loader)
    assert_same(first, seen(again))
    assert_same(second, seen(again))
    assert not torch.equal(first[0][1], second[0][1])
    assert not torch.equal(first[0][1], seen(other)[0][1])


@pytest.mark.parametrize("stopped_after", [0, 1, 5, 10, 11])
def test_a_loaded_state_goes_on_with_the_very_next_batch(stopped_after):
    unbroken = batches()
    seen(unbroken)
    expected = seen(unbroken) + seen(unbroken)
    broken = batches()
    seen(broken)
    running = iter(broken)
    before = [next(running) for _ in range(stopped_after)]
    state = broken.state_dict()
    resumed = batches()
    resumed.load_state_dict(state)
    after = seen(resumed) if 0 < stopped_after < 11 else []
    assert_same(before + after, expected[: len(before + after)])
    assert_same(seen(resumed), expected[11 if stopped_after else 0 :][:11])


def test_batches_are_made_in_blocks_of_a_bounded_size():
    large = Images(torch.zeros(60, 256, 256, 3, dtype=torch.uint8), LABELS)
    assert Batches(Images(IMAGES, LABELS), torch.arange(N), 10).block_length == 102
    assert Batches(large, torch.arange(60), 10).block_length == 2
    assert [len(batches().block(torch.arange(N), 0, start)) for start in (0, 4, 8)] == [4, 4, 3]


def test_ranks_part_each_batch_between_them():
    whole = torch.cat([labels for _, labels in batches(augment=None)])
    shares = [seen(batches(augment=None, rank=rank, world_size=2)) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1]) == len(batches())
    together = torch.cat([torch.cat([a[1], b[1]]) for a, b in zip(*shares, strict=True)])
    assert sorted(together.tolist()) == sorted(whole.tolist())


def test_seeds_are_mixed_without_collisions():
    seeds = {mixed_seed(a, b, c) for a in range(20) for b in range(20) for c in range(20)}
    assert len(seeds) == 20**3
    bits = np.array([[seed >> k & 1 for k in range(63)] for seed in seeds])
    assert abs(bits.mean(0) - 0.5).max() < 0.05
