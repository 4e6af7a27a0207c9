r"""Write ``keras_networks.npz``: outputs of Keras's twins of the documents' networks, at their real size.

With the same weights our networks must give the same outputs. Kept in the repository, so Keras is no
dependency:

    python -m venv keras-venv
    keras-venv/bin/pip install tensorflow-cpu keras numpy
    keras-venv/bin/python tests/golden/make_keras_networks.py [--output keras_networks.npz]

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11. float32, but for the ids of tokens.

The layers are those of the documents' tables and texts, and the counts of parameters are compared with
theirs. Inputs and weights are not stored: ``stream``, ``draw_input`` and ``draw`` give them here and in the
test, the input first, then the weights in the order of Keras's layers and in Keras's shapes. numpy never
changes what a ``RandomState`` gives.

- ``<network>/weights``: ``name shape`` of the input and of each weight, in the order in which they are drawn.
- ``<network>/outputs``: in inference mode, of two samples; before the softmax or sigmoid of a last layer,
  where the loss of ours brings it along.

What the documents leave open is as we take it: ReLU behind the convolutions of ``mnist_conv``, ``alexnet``,
``vgg`` and ``strided``, and none behind ``imdb_cnn``'s but in a variant; two outputs of ``planes_grid``; the
convolutions of ``base_net``; the filters and kernels of ``denoise``, as in Keras's own example of it; the
nets of ``xor`` and ``logistic_map``.
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

# Only as a script: pytest imports every file of the tests in search of examples, and has no Keras.
if __name__ == "__main__" or TYPE_CHECKING:
    import keras
    from keras import layers

SAMPLES = 2
WORDS = 10_000


def stream(name: str) -> np.random.RandomState:
    """The random numbers of one network."""
    return np.random.RandomState(zlib.crc32(f"reference network {name}".encode()))


def draw_input(rng: np.random.RandomState, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Two samples: ids of words, counts of words, or numbers of mean 0 and variance 1."""
    if name.startswith("imdb_cnn"):
        return rng.randint(0, WORDS, (SAMPLES, *shape), dtype=np.int64)
    if name.startswith("imdb_mlp"):
        return rng.randint(0, 4, (SAMPLES, *shape), dtype=np.int64).astype(np.float32)
    return rng.uniform(-(3**0.5), 3**0.5, (SAMPLES, *shape)).astype(np.float32)


def draw(rng: np.random.RandomState, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A weight by Keras's name of it; a kernel has the variance 1 / inputs, so that outputs are near 1.

    Gammas are of both signs: behind positive ones a maximum is the same as before them.
    """
    ranges = {"gamma": (-1.5, 1.5), "moving_variance": (0.5, 2.0), "embeddings": (-1.0, 1.0)}
    low, high = ranges.get(name, (-0.2, 0.2))
    if name == "kernel":
        high = (3 / np.prod(shape[:-1])) ** 0.5
        low = -high
    return rng.uniform(low, high, shape).astype(np.float32)


def sequential(shape: tuple[int, ...], *parts: keras.Layer) -> keras.Model:
    """Layers one behind the other."""
    return keras.Sequential([keras.Input(shape), *parts])


def conv(filters: int, size: int = 3, padding: str = "same", strides: int = 1) -> keras.Layer:
    """A convolution and its ReLU."""
    return layers.Conv2D(filters, size, strides=strides, padding=padding, activation="relu")


def pool() -> keras.Layer:
    """The pooling of all documents."""
    return layers.MaxPooling2D((2, 2))


def norm() -> keras.Layer:
    """Batch norm as it is without settings."""
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3)


def cifar10_notebook() -> dict[str, keras.Model]:
    """The notebook on CIFAR-10; two of its networks for each size of its sweep."""
    image = (32, 32, 3)
    found = {}
    for size in range(2, 10):
        suffix = "" if size == 3 else f"_k{size}"
        found[f"deep_cnn{suffix}"] = sequential(
            image,
            conv(64, size),
            pool(),
            conv(64, size),
            pool(),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10),
        )
        if size < 4:
            found[f"shallow_cnn{suffix}"] = sequential(
                image,
                conv(64, size),
                pool(),
                layers.Flatten(),
                layers.Dense(512, activation="relu"),
                layers.Dense(10),
            )
    for suffix, first, second in (("", 3, 3), ("_k5533", 5, 3), ("_k3355", 3, 5)):
        # The notebook's own stops without its Flatten.
        found[f"double_conv{suffix}"] = sequential(
            image,
            conv(64, first),
            conv(64, first),
            pool(),
            layers.Dropout(0.25),
            conv(128, second),
            conv(128, second),
            pool(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(10),
        )
    found["strided"] = sequential(
        image,
        conv(64),
        conv(64),
        conv(64, strides=2),
        conv(128),
        conv(128),
        conv(128, strides=2),
        layers.Flatten(),
        layers.Dense(512, activation="relu"),
        layers.Dense(10),
    )
    return found


def cifar100_report() -> dict[str, keras.Model]:
    """The report on CIFAR-100, of whose classes it takes 25."""
    image, classes = (32, 32, 3), 25

    def improved(place: str) -> keras.Model:
        def convolution(filters: int, padding: str) -> list[keras.Layer]:
            behind = {"none": "a", "before": "na", "after": "an"}[place]
            parts = [layers.ReLU() if one == "a" else norm() for one in behind]
            return [layers.Conv2D(filters, 3, padding=padding), *parts]

        return sequential(
            image,
            *convolution(32, "same"),
            *convolution(32, "valid"),
            pool(),
            layers.Dropout(0.25),
            *convolution(64, "same"),
            *convolution(64, "valid"),
            pool(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Dense(classes),
        )

    return {
        "base_net": sequential(
            image,
            conv(6, 5, "valid"),
            pool(),
            conv(16, 5, "valid"),
            pool(),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dense(classes),
        ),
        "improved_net": improved("none"),
        "improved_net_bn_before": improved("before"),
        "improved_net_bn_after": improved("after"),
    }


def theano_report() -> dict[str, keras.Model]:
    """The report on Theano and Keras: planes against motorbikes, and Keras's example on MNIST."""
    planes, digits = (28, 28, 1), (28, 28, 1)

    def mnist(*, units: str = "relu", dropout: float = 0.2, deep: bool = True) -> keras.Model:
        second = [layers.Dense(512, activation=units), layers.Dropout(dropout)] if deep else []
        return sequential(
            digits,
            layers.Flatten(),
            layers.Dense(512, activation=units),
            layers.Dropout(dropout),
            *second,
            layers.Dense(10),
        )

    def hidden(units: str) -> keras.Model:
        return sequential(planes, layers.Flatten(), layers.Dense(100, activation=units), layers.Dense(1))

    return {
        "planes_logistic": sequential(planes, layers.Flatten(), layers.Dense(1)),
        "planes_hidden_sigmoid": hidden("sigmoid"),
        "planes_hidden_relu": hidden("relu"),
        "random_logistic": sequential((784,), layers.Dense(1)),
        "planes_grid_16_relu": sequential(
            (64, 64, 3), layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(2)
        ),
        "planes_grid_64_128_sigmoid": sequential(
            (64, 64, 3),
            layers.Flatten(),
            layers.Dense(64, activation="sigmoid"),
            layers.Dropout(0.1),
            layers.Dense(128, activation="sigmoid"),
            layers.Dropout(0.1),
            layers.Dense(2),
        ),
        "mnist_mlp": mnist(),
        "mnist_mlp_one_layer": mnist(deep=False),
        "mnist_mlp_sigmoid": mnist(units="sigmoid"),
    }


def balseiro_tables() -> dict[str, keras.Model]:
    """What the Balseiro report has in tables of numbers: houses, patients, and two functions."""

    def patients(*, units: str = "linear", last: str = "relu", more: bool = False) -> keras.Model:
        return sequential(
            (8,),
            layers.Dense(10, activation=units),
            *([layers.Dense(10, activation=units)] if more else []),
            layers.Dense(1, activation=last),
        )

    point = keras.Input((2,))
    unit = layers.Dense(1, activation="tanh")(point)
    joined = layers.Dense(1)(layers.Concatenate()([unit, point]))
    return {
        "boston": sequential((13,), layers.Dense(1)),
        "pima": patients(),
        "pima_relu": patients(units="relu"),
        "pima_sigmoid": patients(last="sigmoid"),
        "pima_deeper": patients(more=True),
        "xor": sequential((2,), layers.Dense(2, activation="tanh"), layers.Dense(1)),
        "xor_joined": keras.Model(point, joined),
        "logistic_map": sequential((1,), layers.Dense(5, activation="tanh"), layers.Dense(1)),
    }


def balseiro_texts() -> dict[str, keras.Model]:
    """The Balseiro report's two networks for film reviews, and what it leaves out of the first."""

    def bag(*, with_norm: bool = True) -> keras.Model:
        return sequential(
            (WORDS,),
            layers.Dense(100, activation="relu"),
            layers.Dropout(0.5),
            *([norm()] if with_norm else []),
            layers.Dense(30, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1),
        )

    def ids(activation: str) -> keras.Model:
        return sequential(
            (400,),
            layers.Embedding(WORDS, 50),
            layers.Dropout(0.5),
            layers.Conv1D(16, 4, padding="same", activation=activation),
            layers.MaxPooling1D(2),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(30, activation="relu"),
            layers.Dense(1),
        )

    return {
        "imdb_mlp": bag(),
        "imdb_mlp_without_norm": bag(with_norm=False),
        "imdb_cnn": ids("linear"),
        "imdb_cnn_relu": ids("relu"),
    }


def balseiro_images() -> dict[str, keras.Model]:
    """The Balseiro report's networks for digits and for CIFAR."""
    digits, image = (28, 28, 1), (32, 32, 3)

    def denoise(bottleneck: int) -> keras.Model:
        return sequential(
            digits,
            conv(32),
            pool(),
            conv(bottleneck),
            pool(),
            conv(bottleneck),
            layers.UpSampling2D((2, 2)),
            conv(32),
            layers.UpSampling2D((2, 2)),
            layers.Conv2D(1, 3, padding="same"),
        )

    found = {
        "mnist_dense": sequential(
            digits, layers.Flatten(), layers.Dense(100, activation="relu"), layers.Dense(10)
        ),
        "cifar10_mlp": sequential(
            image, layers.Flatten(), layers.Dense(100, activation="sigmoid"), layers.Dense(10)
        ),
        "mnist_conv": sequential(
            digits,
            conv(30, 5, "valid"),
            pool(),
            conv(10, 3, "valid"),
            pool(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(10),
        ),
        "denoise": denoise(32),
        "denoise_16": denoise(16),
        "denoise_8": denoise(8),
    }
    for classes in (10, 100):
        found[f"vgg_cifar{classes}"] = sequential(
            image,
            conv(64),
            conv(64),
            pool(),
            conv(128),
            pool(),
            conv(256),
            conv(256),
            pool(),
            conv(512),
            pool(),
            conv(512),
            pool(),
            layers.Flatten(),
            layers.Dense(1000, activation="relu"),
            layers.Dense(1000, activation="relu"),
            layers.Dense(classes),
        )
        found[f"alexnet_cifar{classes}"] = sequential(
            image,
            conv(96, 11, strides=2),
            pool(),
            conv(256, 5),
            pool(),
            conv(256),
            conv(192),
            pool(),
            layers.Flatten(),
            norm(),
            layers.Dense(2048, activation="relu"),
            layers.Dense(500, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(classes),
        )
    return found


def fashion_notebook() -> dict[str, keras.Model]:
    """The notebook on Fashion-MNIST."""

    def activation(place: str) -> list[keras.Layer]:
        leaky = layers.LeakyReLU(negative_slope=0.3)
        return {"none": [leaky], "before": [norm(), leaky], "after": [leaky, norm()]}[place]

    def fashion(blocks: int, place: str = "none") -> keras.Model:
        parts = []
        for filters, size in ((20, 3), (40, 2), (60, 2))[:blocks]:
            for _ in range(2):
                parts += [layers.Conv2D(filters, size, padding="same"), *activation(place)]
            parts += [layers.MaxPooling2D((2, 2))]
        parts += [layers.Flatten()]
        for _ in range(2):
            parts += [layers.Dense(32), *activation(place)]
        return sequential((28, 28, 1), *parts, layers.Dense(10))

    return {
        "fashion_3_blocks": fashion(3),
        "fashion_2_blocks": fashion(2),
        "fashion_bn_before": fashion(2, "before"),
        "fashion_bn_after": fashion(2, "after"),
    }


# Parameters by layer as the documents print them, or all of them in one number, then those not trained.
FASHION_NORM = (200, 80, 3620, 80, 3240, 160, 6440, 160, 62752, 128, 1056, 128, 330)
VGG = (1792, 36928, 73856, 295168, 590080, 1180160, 2359808, 513000, 1001000)
ALEXNET = (34944, 614656, 590080, 442560, 3072, 1574912, 1024500)
PUBLISHED: dict[str, tuple[tuple[int, ...], int]] = {
    "deep_cnn": ((2_141_514,), 0),
    "shallow_cnn": ((8_396_042,), 0),
    "double_conv": ((4_460_106,), 0),
    "strided": ((4_644_618,), 0),
    "base_net": ((24_197,), 0),
    "improved_net": ((1_258_553,), 0),
    "improved_net_bn_before": ((1_259_321,), 384),
    "improved_net_bn_after": ((1_259_321,), 384),
    "mnist_mlp": ((669_706,), 0),
    "mnist_mlp_one_layer": ((407_050,), 0),
    "mnist_mlp_sigmoid": ((669_706,), 0),
    "boston": ((14,), 0),
    "cifar10_mlp": ((308_310,), 0),
    "pima": ((101,), 0),
    "imdb_mlp": ((1_000_100, 400, 3030, 31), 200),
    "imdb_cnn": ((500_000, 3216, 96_030, 31), 0),
    "mnist_dense": ((78_500, 1010), 0),
    "mnist_conv": ((780, 2710, 2510), 0),
    "denoise": ((28_353,), 0),
    "vgg_cifar10": ((6_061_802,), 0),
    "vgg_cifar100": ((*VGG, 100_100), 0),
    "alexnet_cifar10": ((4_289_734,), 1536),
    "alexnet_cifar100": ((*ALEXNET, 50_100), 1536),
    "fashion_3_blocks": ((200, 3620, 3240, 6440, 9660, 14_460, 17_312, 1056, 330), 0),
    "fashion_2_blocks": ((200, 3620, 3240, 6440, 62_752, 1056, 330), 0),
    "fashion_bn_before": (FASHION_NORM, 368),
    "fashion_bn_after": (FASHION_NORM, 368),
}


def compare(name: str, model: keras.Model) -> None:
    """Hold a network against the numbers of its document."""
    counts, fixed = PUBLISHED[name]
    found = tuple(layer.count_params() for layer in model.layers if layer.weights)
    assert model.count_params() == sum(counts), (name, found)
    assert len(counts) == 1 or found == counts, (name, found)
    assert sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights) == fixed, name


def record(name: str, model: keras.Model) -> dict[str, np.ndarray]:
    """Draw a network's input and weights; their names and shapes, and its outputs."""
    rng, shape = stream(name), tuple(model.input_shape[1:])
    x = draw_input(rng, name, shape)
    words = [f"input {shape}"]
    for layer in model.layers:
        for weight in layer.weights:
            words.append(f"{weight.name} {tuple(weight.shape)}")
            value = draw(rng, weight.name, tuple(weight.shape))
            assert not ((value == 0) | (value == 1)).any(), (name, weight.name)
            weight.assign(value)
    outputs = np.asarray(model(x, training=False))
    size = np.sqrt(np.mean(outputs**2))
    assert 0.03 < size < 3, (name, size)
    assert np.abs(outputs[0] - outputs[1]).max() > 0.05 * size, (name, outputs)
    print(f"{name:28s} {model.count_params():>9,} parameters, outputs of {size:.2f}")
    return {"weights": np.array(words), "outputs": outputs}


def main() -> None:
    """Build all networks, compare their counts, and write what they give."""
    parser = argparse.ArgumentParser(description="Write the golden outputs of Keras's reference networks.")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("keras_networks.npz"))
    output = parser.parse_args().output
    models: dict[str, keras.Model] = {}
    for document in (
        *(cifar10_notebook, cifar100_report, theano_report, fashion_notebook),
        *(balseiro_tables, balseiro_texts, balseiro_images),
    ):
        models |= document()
    for name in PUBLISHED:
        compare(name, models[name])
    arrays: dict[str, np.ndarray] = {}
    for name, model in models.items():
        arrays |= {f"{name}/{key}": value for key, value in record(name, model).items()}
    np.savez_compressed(output, **arrays)


if __name__ == "__main__":
    main()
