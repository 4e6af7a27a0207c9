r"""Write ``keras_text.npz``: small Keras networks for texts and for denoising, with random weights.

Given these weights our networks must give these outputs. Kept in the repository, so Keras is no dependency:

    python -m venv keras-venv
    keras-venv/bin/pip install tensorflow-cpu keras numpy
    keras-venv/bin/python tests/golden/make_keras_text.py [--output keras_text.npz]

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11. float32, but for the ids of tokens.
Convolution kernels are ``(length, in, out)`` or ``(height, width, in, out)``, dense kernels ``(in, out)``,
images ``(n, height, width, channels)``; Flatten goes through length, channels in that order.

- ``text/``: embedding (20 words, 5 numbers), Dropout, conv1 (3 filters of 4, same, ReLU), MaxPool 2 (11
  becomes 5), Dropout, Flatten, dense1 (6, ReLU), dense2 (1, sigmoid); both with L2 0.01; input 11 ids.
- ``valid/``: embedding (9 words, 4 numbers), conv1 (3 filters of 3, valid, LeakyReLU 0.3), AveragePooling 3
  (11 becomes 3), conv2 (2 of 2, valid, LeakyReLU 0.3), AveragePooling 1, Flatten, dense1 (2); input 13 ids.
- ``bag/``: dense1 (7, ReLU), Dropout, norm1 (momentum 0.99, eps 1e-3), dense2 (5, ReLU), Dropout, dense3 (1,
  sigmoid), all with L2 0.01; input 12 counts.
- ``autoencoder/``: conv1 (4 filters), MaxPool, conv2 (3), MaxPool, conv3 (3), UpSampling, conv4 (4),
  UpSampling, conv5 (1, sigmoid); all 3x3, same, ReLU but for the last, poolings and upsamplings 2x2; input
  8x12x1.
- ``<net>/input`` (4 samples), all random ``<net>/<layer>/embeddings|kernel|bias|gamma|beta`` and
  ``<net>/<layer>/moving_mean|moving_variance``, and in inference mode ``<net>/<layer>/output`` of every layer
  with weights, ``<net>/output`` of all.
- ``<net>/penalty``: sum of the L2 terms of the loss, where there are any.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

# Only as a script: pytest imports every file of the tests in search of examples, and has no Keras.
if __name__ == "__main__" or TYPE_CHECKING:
    import keras
    from keras import layers

SAMPLES = 4


def text_networks() -> dict[str, keras.Model]:
    """Two networks that take ids of tokens."""
    l2 = keras.regularizers.L2(0.01)
    return {
        "text": keras.Sequential(
            [
                keras.Input((11,), dtype="int32"),
                layers.Embedding(20, 5, name="embedding"),
                layers.Dropout(0.5),
                layers.Conv1D(3, 4, padding="same", activation="relu", name="conv1"),
                layers.MaxPooling1D(2),
                layers.Dropout(0.5),
                layers.Flatten(),
                layers.Dense(6, activation="relu", kernel_regularizer=l2, name="dense1"),
                layers.Dense(1, activation="sigmoid", kernel_regularizer=l2, name="dense2"),
            ]
        ),
        "valid": keras.Sequential(
            [
                keras.Input((13,), dtype="int32"),
                layers.Embedding(9, 4, name="embedding"),
                layers.Conv1D(3, 3, padding="valid", name="conv1"),
                layers.LeakyReLU(negative_slope=0.3),
                layers.AveragePooling1D(3),
                layers.Conv1D(2, 2, padding="valid", name="conv2"),
                layers.LeakyReLU(negative_slope=0.3),
                layers.AveragePooling1D(1),
                layers.Flatten(),
                layers.Dense(2, name="dense1"),
            ]
        ),
    }


def networks() -> dict[str, keras.Model]:
    """All four networks."""
    l2 = keras.regularizers.L2(0.01)
    same = {"padding": "same", "activation": "relu"}
    return text_networks() | {
        "bag": keras.Sequential(
            [
                keras.Input((12,)),
                layers.Dense(7, activation="relu", kernel_regularizer=l2, name="dense1"),
                layers.Dropout(0.5),
                layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name="norm1"),
                layers.Dense(5, activation="relu", kernel_regularizer=l2, name="dense2"),
                layers.Dropout(0.5),
                layers.Dense(1, activation="sigmoid", kernel_regularizer=l2, name="dense3"),
            ]
        ),
        "autoencoder": keras.Sequential(
            [
                keras.Input((8, 12, 1)),
                layers.Conv2D(4, 3, name="conv1", **same),
                layers.MaxPooling2D(2),
                layers.Conv2D(3, 3, name="conv2", **same),
                layers.MaxPooling2D(2),
                layers.Conv2D(3, 3, name="conv3", **same),
                layers.UpSampling2D(2),
                layers.Conv2D(4, 3, name="conv4", **same),
                layers.UpSampling2D(2),
                layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="conv5"),
            ]
        ),
    }


def random_weight(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A weight that is neither 0 nor 1 anywhere, variances and gammas positive."""
    if name in ("gamma", "moving_variance"):
        return rng.uniform(0.4, 1.9, shape).astype(np.float32)
    fan_in = int(np.prod(shape[:-1]))
    return (rng.standard_normal(shape) * (fan_in**-0.5 if name == "kernel" else 0.5)).astype(np.float32)


def samples(rng: np.random.Generator, name: str, model: keras.Model) -> np.ndarray:
    """Four inputs: ids, counts of words, or an image between 0 and 1."""
    shape = (SAMPLES, *model.input_shape[1:])
    if name in ("text", "valid"):
        return rng.integers(0, model.get_layer("embedding").input_dim, shape, dtype=np.int64)
    if name == "bag":
        return rng.poisson(1.0, shape).astype(np.float32)
    return rng.random(shape, dtype=np.float32)


def record(rng: np.random.Generator, name: str, model: keras.Model) -> dict[str, np.ndarray]:
    """Fill a network with random weights; its input, weights, outputs and penalty, in inference."""
    arrays: dict[str, np.ndarray] = {}
    weighted = [layer for layer in model.layers if layer.weights]
    for layer in weighted:
        for weight in layer.weights:
            arrays[f"{layer.name}/{weight.name}"] = random_weight(rng, weight.name, tuple(weight.shape))
            weight.assign(arrays[f"{layer.name}/{weight.name}"])
    x = samples(rng, name, model)
    tapped = keras.Model(model.inputs, [*(layer.output for layer in weighted), model.outputs[0]])
    outputs = tapped(x, training=False)
    names = [*(f"{layer.name}/output" for layer in weighted), "output"]
    arrays |= {"input": x} | {key: np.asarray(y) for key, y in zip(names, outputs, strict=True)}
    if model.losses:
        arrays["penalty"] = np.sum([np.asarray(term) for term in model.losses], dtype=np.float32)
    return arrays


def main() -> None:
    """Make all arrays from one seed and write them."""
    parser = argparse.ArgumentParser(description="Write the golden arrays of Keras's text networks.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("keras_text.npz"))
    output = parser.parse_args().output
    rng = np.random.default_rng(20243)
    arrays: dict[str, np.ndarray] = {}
    for name, model in networks().items():
        arrays |= {f"{name}/{key}": value for key, value in record(rng, name, model).items()}
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    main()
