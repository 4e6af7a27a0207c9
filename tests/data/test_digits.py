"""The digits of scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cnnlab.data.digits import DIGITS_CLASSES, Digits, read_digits
from cnnlab.data.store_writer import StoreWriter
from cnnlab.errors import UserError


def test_the_originals_scaled_to_bytes() -> None:
    images, labels = read_digits(8)
    theirs = load_digits()
    assert images.shape == (1797, 8, 8, 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.array_equal(labels, theirs.target)
    assert np.abs(images[..., 0] / 255 - theirs.images / 16).max() <= 0.5 / 255 + 1e-9
    assert list(DIGITS_CLASSES) == [str(name) for name in theirs.target_names]


@pytest.mark.parametrize("size", [4, 16, 32])
def test_resized_digits_look_like_the_originals(size: int) -> None:
    images, _ = read_digits(size)
    originals, _ = read_digits(8)
    assert images.shape == (1797, size, size, 1)
    assert images.dtype == np.uint8
    coarse = min(size, 8)
    ours, theirs = (
        x.reshape(1797, coarse, x.shape[1] // coarse, coarse, x.shape[1] // coarse).mean((2, 4))
        for x in (images, originals)
    )
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95


def test_a_store_of_images_of_another_shape_is_refused(tmp_path: Path) -> None:
    data = Digits(size=8, store=tmp_path)
    with StoreWriter(
        data.store_path,
        class_names=data.spec.class_names,
        source="a stranger",
        verified=True,
        options=data.stored_options,
    ) as writer:
        images = np.random.default_rng(0).integers(0, 256, (200, 5, 5, 3), np.uint8)
        writer.add("train", images, np.arange(200) % 10)
    data.prepare_data()
    data.setup()
    with pytest.raises(UserError, match="train holds 5 x 5 x 3, and this data is 8 x 8 x 1"):
        data.samples("train")
