r"""Write ``keras_convnet.npz``: small Keras networks with random weights, and its optimisers by step.

Given these weights our layers must give these outputs. Kept in the repository, so Keras is no dependency:

    python -m venv keras-venv
    keras-venv/bin/pip install tensorflow-cpu keras numpy
    keras-venv/bin/python tests/golden/make_keras_convnet.py [--output keras_convnet.npz]

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11. float32 throughout.
Images are ``(n, height, width, channels)``, convolution kernels ``(height, width, in, out)``, dense kernels
``(in, out)``, and Flatten goes through height, width, channels in that order.

- ``net1/``: conv1 (3 filters, 2x2, same), LeakyReLU 0.3, conv2 (4, 3x3, strides 2, same), MaxPool 2x2 (valid,
  5x5 becomes 2x2), Flatten, dense (5 outputs); input 9x9x2.
- ``net2/``: conv1 (4, 11x11, strides 2, same), norm1, relu, Flatten, norm2 (of the flattened vector),
  dense (5); input 8x8x3. Both norms have momentum 0.99 and eps 1e-3.
- ``net3/``: conv1 (3, 4x4, same), conv2 (2, 5x5, valid), AveragePooling 2x2 (valid, 3x3 becomes 1x1);
  input 7x7x1.
- ``<net>/input`` (4 samples), ``<net>/<layer>/kernel|bias|gamma|beta|moving_mean|moving_variance``, all
  random, and in inference mode ``<net>/<layer>/output`` of every layer with weights, ``<net>/output`` of all.
- ``net2/training/output``, ``net2/training/<norm>/moving_mean|moving_variance``: one call in training mode on
  the same input, and the moving statistics after it (Keras averages the biased variance, torch the unbiased).
- ``optim/start`` (6,), ``optim/gradients`` (5, 6): the gradients of 5 steps, by column 1 to 1e-5 in size;
  ``optim/<optimiser>/params`` (5, 6): the parameters after each step, learning rate 0.01.
  Optimisers: ``rmsprop`` (rho 0.9, eps 1e-7), ``sgd``, ``sgd_momentum`` (0.9), ``sgd_nesterov`` (0.9),
  ``adam`` (eps 1e-7).
- ``l2/kernel`` (3, 3, 2, 4), ``l2/factor`` 0.01, ``l2/penalty``: Keras's ``l2(0.01)`` of that kernel.
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


def networks() -> dict[str, keras.Model]:
    """The three networks, each giving the outputs of its layers with weights, and its own at the end."""
    return {
        "net1": keras.Sequential(
            [
                keras.Input((9, 9, 2)),
                layers.Conv2D(3, 2, padding="same", name="conv1"),
                layers.LeakyReLU(negative_slope=0.3),
                layers.Conv2D(4, 3, strides=2, padding="same", name="conv2"),
                layers.MaxPooling2D(2, padding="valid"),
                layers.Flatten(),
                layers.Dense(5, name="dense"),
            ]
        ),
        "net2": keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Conv2D(4, 11, strides=2, padding="same", name="conv1"),
                layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name="norm1"),
                layers.ReLU(),
                layers.Flatten(),
                layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name="norm2"),
                layers.Dense(5, name="dense"),
            ]
        ),
        "net3": keras.Sequential(
            [
                keras.Input((7, 7, 1)),
                layers.Conv2D(3, 4, padding="same", name="conv1"),
                layers.Conv2D(2, 5, padding="valid", name="conv2"),
                layers.AveragePooling2D(2, padding="valid"),
            ]
        ),
    }


def random_weight(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A weight that is neither 0 nor 1 anywhere, variances and gammas positive."""
    if name in ("gamma", "moving_variance"):
        return rng.uniform(0.4, 1.9, shape).astype(np.float32)
    fan_in = int(np.prod(shape[:-1]))
    return (rng.standard_normal(shape) * (fan_in**-0.5 if name == "kernel" else 0.5)).astype(np.float32)


def record(rng: np.random.Generator, model: keras.Model) -> dict[str, np.ndarray]:
    """Fill a network with random weights; its input, weights and outputs, in inference and training."""
    arrays: dict[str, np.ndarray] = {}
    weighted = [layer for layer in model.layers if layer.weights]
    for layer in weighted:
        for weight in layer.weights:
            arrays[f"{layer.name}/{weight.name}"] = random_weight(rng, weight.name, tuple(weight.shape))
            weight.assign(arrays[f"{layer.name}/{weight.name}"])
    x = rng.standard_normal((SAMPLES, *model.input_shape[1:])).astype(np.float32)
    tapped = keras.Model(model.inputs, [*(layer.output for layer in weighted), model.outputs[0]])
    outputs = tapped(x, training=False)
    names = [*(f"{layer.name}/output" for layer in weighted), "output"]
    arrays |= {"input": x} | {name: np.asarray(y) for name, y in zip(names, outputs, strict=True)}
    norms = [layer for layer in weighted if isinstance(layer, layers.BatchNormalization)]
    if norms:
        arrays["training/output"] = np.asarray(model(x, training=True))
        for norm in norms:
            arrays[f"training/{norm.name}/moving_mean"] = np.asarray(norm.moving_mean)
            arrays[f"training/{norm.name}/moving_variance"] = np.asarray(norm.moving_variance)
    return arrays


def optimisers(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameters after each of five given gradients; small ones, where the place of epsilon shows."""
    start = rng.standard_normal(6).astype(np.float32)
    sizes = np.array([1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
    gradients = (rng.standard_normal((5, 6)) * sizes).astype(np.float32)
    arrays = {"start": start, "gradients": gradients}
    kinds = {
        "rmsprop": keras.optimizers.RMSprop(0.01, rho=0.9, epsilon=1e-7),
        "sgd": keras.optimizers.SGD(0.01),
        "sgd_momentum": keras.optimizers.SGD(0.01, momentum=0.9),
        "sgd_nesterov": keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        "adam": keras.optimizers.Adam(0.01, epsilon=1e-7),
    }
    for name, optimiser in kinds.items():
        variable = keras.Variable(start)
        steps = []
        for gradient in gradients:
            optimiser.apply([keras.ops.convert_to_tensor(gradient)], [variable])
            steps.append(np.array(variable))
        arrays[f"{name}/params"] = np.stack(steps)
    return arrays


def main() -> None:
    """Make all arrays from one seed and write them."""
    parser = argparse.ArgumentParser(description="Write the golden arrays of Keras's networks.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("keras_convnet.npz"))
    output = parser.parse_args().output
    rng = np.random.default_rng(20241)
    arrays: dict[str, np.ndarray] = {}
    for name, model in networks().items():
        arrays |= {f"{name}/{key}": value for key, value in record(rng, model).items()}
    arrays |= {f"optim/{key}": value for key, value in optimisers(rng).items()}
    kernel = rng.standard_normal((3, 3, 2, 4)).astype(np.float32)
    arrays["l2/kernel"], arrays["l2/factor"] = kernel, np.float32(0.01)
    arrays["l2/penalty"] = np.asarray(keras.regularizers.L2(0.01)(kernel))
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    main()
