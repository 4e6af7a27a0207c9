r"""Write ``keras_preprocessing.npz``: what Keras's own ImageDataGenerator makes of a few small images.

The arrays are the ground truth of ``cnnlab.models.preprocess`` and ``cnnlab.data.augment``. They are kept in
the repository, so Keras is no dependency; run this again only to add a case or to look at a newer Keras:

    python -m venv keras-venv
    keras-venv/bin/pip install tensorflow-cpu keras numpy scipy pillow
    keras-venv/bin/python tests/golden/make_keras_arrays.py [--output keras_preprocessing.npz]

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, scipy 1.17.1, python 3.11.
All images are ``(height, width, channels)`` or ``(n, height, width, channels)``, higher than wide, so that a
swap of the two axes shows.

Keys, with ``<set>`` one of ``colour`` (24 images 8x7x3), ``grey`` (24 of 8x7x1), ``zca`` (300 of 5x4x3):

- ``<set>/images``: uint8, what the generator was fitted on. The ``zca`` set has 5 times as many images as
  features, and its largest singular value is only 14 times its smallest: whitening is well conditioned.
- ``<set>/<case>/output``: ``fit`` on all images, then ``standardize`` of each image ALONE, as the generator's
  iterator does (given a whole batch, Keras's samplewise steps would use the batch's mean). For ``zca`` the
  first 32 images only.
- ``<set>/<case>/mean``, ``.../std`` (1, 1, channels), ``.../zca_matrix`` (features, features): the fitted
  state. The features of the matrix are in the order height, width, channels.
- cases: ``featurewise_center``, ``featurewise_center_std``, ``samplewise_center``, ``samplewise_center_std``,
  ``scale_featurewise_center_std`` (``rescale=1/255``); in ``zca``: ``featurewise_center_zca`` and
  ``scale_featurewise_center_zca``, with ``zca_epsilon`` 1e-6 (the default), which Keras adds to the SINGULAR
  VALUES of the centred data: ``U diag(sqrt(n) / (s + epsilon)) U^T``.
- ``affine/images`` (2, 8, 7, 3): the first two of ``colour/images``.
- ``affine/shifts`` (8, 2): pairs ``(tx, ty)``; ``affine/shift/<fill>`` (8, 2, 8, 7, 3): each pair on each
  image through ``apply_affine_transform``; fill is ``nearest``, ``constant`` (``cval=0``) or ``reflect``,
  which is scipy's ``d c b a | a b c d | d c b a``, the edge pixel twice (numpy's ``symmetric``).
  ``out[y, x] = in[y + ty, x + tx]``: a positive ``tx`` moves the picture left, a positive ``ty`` up.
- ``affine/square_images`` (2, 8, 8, 3), ``affine/thetas`` (4,) in degrees, ``affine/rotation/<fill>``
  (4, 2, 8, 8, 3): interpolation of order 1 (bilinear), turned counter-clockwise. Square, since this Keras
  swaps the two halves of the centre and turns other images about a wrong point. With ``constant``, a pixel
  whose source lies outside ``[0, 7]`` by any amount is 0: there is no blending with the fill at the border.
- ``affine/flip/horizontal``, ``affine/flip/vertical`` (2, 8, 7, 3): ``flip_axis`` along width, along height.

All but the images to fit on, the shifts and the angles are float32. The generators compute in float64
(``dtype="float64"``): with their default, float32 sums make the means wrong by 2e-6 of their size already
on these few images, and a comparison could not be tighter than that.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# Only as a script: pytest imports every file of the tests in search of examples, and has no Keras.
if __name__ == "__main__" or TYPE_CHECKING:
    from keras.src.legacy.preprocessing import image as keras_image

CASES: dict[str, dict[str, Any]] = {
    "featurewise_center": {"featurewise_center": True},
    "featurewise_center_std": {"featurewise_center": True, "featurewise_std_normalization": True},
    "samplewise_center": {"samplewise_center": True},
    "samplewise_center_std": {"samplewise_center": True, "samplewise_std_normalization": True},
    "scale_featurewise_center_std": {
        "rescale": 1 / 255,
        "featurewise_center": True,
        "featurewise_std_normalization": True,
    },
}
ZCA_CASES: dict[str, dict[str, Any]] = {
    "featurewise_center_zca": {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-6},
    "scale_featurewise_center_zca": {
        "rescale": 1 / 255,
        "featurewise_center": True,
        "zca_whitening": True,
        "zca_epsilon": 1e-6,
    },
}
SHIFTS = [(1, 0), (0, 1), (-1, 0), (0, -1), (2, -1), (-2, 3), (3, 3), (-6, 5)]
THETAS = [10.0, 30.0, 90.0, -45.0]
FILLS = ("nearest", "constant", "reflect")


def noise(rng: np.random.Generator, n: int, height: int, width: int, channels: int) -> np.ndarray:
    """Unlike means and spreads by channel, and by image, so that no two statistics coincide."""
    level = rng.uniform(60, 200, (n, 1, 1, 1)) + rng.uniform(-40, 40, (1, 1, 1, channels))
    spread = rng.uniform(8, 40, (1, 1, 1, channels))
    pixels = level + spread * rng.standard_normal((n, height, width, channels))
    return pixels.clip(0, 255).astype(np.uint8)


def correlated(rng: np.random.Generator, n: int, height: int, width: int, channels: int) -> np.ndarray:
    """Neighbouring pixels alike, as whitening is for, with enough noise to stay well conditioned."""
    rows = rng.standard_normal((n, height * width * channels))
    mixing = np.eye(rows.shape[1]) + 0.09 * rng.standard_normal((rows.shape[1], rows.shape[1]))
    pixels = (128 + 25 * rows @ mixing).reshape(n, height, width, channels)
    return pixels.clip(0, 255).astype(np.uint8)


def standardized(images: np.ndarray, kept: int, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """Fit a generator on all images and give its state and the first ``kept`` images through it."""
    generator = keras_image.ImageDataGenerator(**options, dtype="float64")
    generator.fit(images)
    rows = [generator.standardize(x.astype(np.float64)) for x in images[:kept]]
    state = {"mean": generator.mean, "std": generator.std, "zca_matrix": generator.zca_whitening_matrix}
    found = {"output": np.stack(rows)} | {name: value for name, value in state.items() if value is not None}
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def affine(images: np.ndarray, square: np.ndarray) -> dict[str, np.ndarray]:
    """Shifts, rotations and flips of each image."""
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}

    def each(batch: np.ndarray, fill: str, **options: float) -> np.ndarray:
        apply = keras_image.apply_affine_transform
        return np.stack([apply(x, fill_mode=fill, cval=0.0, order=1, **axes, **options) for x in batch])

    arrays = {"images": images, "shifts": np.array(SHIFTS)}
    arrays |= {"square_images": square, "thetas": np.array(THETAS)}
    for fill in FILLS:
        arrays[f"shift/{fill}"] = np.stack([each(images, fill, tx=tx, ty=ty) for tx, ty in SHIFTS])
        arrays[f"rotation/{fill}"] = np.stack([each(square, fill, theta=theta) for theta in THETAS])
    arrays["flip/horizontal"] = np.stack([keras_image.flip_axis(x, 1) for x in images])
    arrays["flip/vertical"] = np.stack([keras_image.flip_axis(x, 0) for x in images])
    return arrays


def main() -> None:
    """Make all arrays from one seed and write them."""
    parser = argparse.ArgumentParser(description="Write the golden arrays of Keras's preprocessing.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("keras_preprocessing.npz"))
    output = parser.parse_args().output
    rng = np.random.default_rng(20240)
    sets = {
        "colour": (noise(rng, 24, 8, 7, 3), 24, CASES),
        "grey": (noise(rng, 24, 8, 7, 1), 24, CASES),
        "zca": (correlated(rng, 300, 5, 4, 3), 32, ZCA_CASES),
    }
    arrays: dict[str, np.ndarray] = {}
    for name, (images, kept, cases) in sets.items():
        arrays[f"{name}/images"] = images
        for case, options in cases.items():
            fitted = standardized(images, kept, options)
            arrays |= {f"{name}/{case}/{key}": value for key, value in fitted.items()}
    square = noise(rng, 2, 8, 8, 3).astype(np.float32)
    transformed = affine(sets["colour"][0][:2].astype(np.float32), square)
    arrays |= {f"affine/{key}": value for key, value in transformed.items()}
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    main()
