"""Steps of our optimizers beside Keras's, for gradients from 1 down to 1e-5 in size."""

import numpy as np
import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.config.make import make

RATE, EPSILON = 0.01, 1e-7


@pytest.fixture(scope="module")
def keras(golden):
    return golden("keras_convnet")


def ours(words, keras):
    """Parameters after each of the golden gradients, float32 ``(5, 6)``."""
    cfg = compose([*words, f"optimizer.lr={RATE}"])
    parameters = torch.nn.Parameter(torch.from_numpy(keras["optim/start"].copy()))
    optimizer = make("optimizer", cfg.optimizer)([parameters])
    found = []
    for gradient in keras["optim/gradients"]:
        parameters.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        found.append(parameters.detach().clone())
    return torch.stack(found).numpy()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sgd", ["optimizer=sgd", "optimizer.momentum=0"]),
        ("sgd_momentum", ["optimizer=sgd", "optimizer.momentum=0.9"]),
        ("sgd_nesterov", ["optimizer=sgd_nesterov"]),
    ],
)
def test_steps_of_gradient_descent_are_keras_steps(name, words, keras):
    np.testing.assert_allclose(ours(words, keras), keras[f"optim/{name}/params"], rtol=0, atol=1e-7)


def rmsprop(start, gradients, *, inside):
    """By the formula, with epsilon inside the root (Keras 3) or outside (Keras of the documents' years)."""
    square, found = 0.0, []
    for gradient in gradients.astype(np.float64):
        square = 0.9 * square + 0.1 * gradient**2
        root = np.sqrt(square + EPSILON) if inside else np.sqrt(square) + EPSILON
        start = start - RATE * gradient / root
        found.append(start)
    return np.array(found)


def adam(start, gradients, *, corrected):
    """By the formula, with epsilon beside the corrected root (Kingma and Ba 2015) or the raw one (Keras)."""
    first, second, found = 0.0, 0.0, []
    for step, gradient in enumerate(gradients.astype(np.float64), 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        correction = np.sqrt(1 - 0.999**step)
        epsilon = EPSILON if corrected else EPSILON / correction
        start = start - RATE * first / (1 - 0.9**step) / (np.sqrt(second) / correction + epsilon)
        found.append(start)
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "words", "formula", "ours_has", "keras_has"),
    [
        ("rmsprop", ["optimizer=rmsprop"], rmsprop, {"inside": False}, {"inside": True}),
        ("adam", ["optimizer=adam", "optimizer.eps=1e-7"], adam, {"corrected": True}, {"corrected": False}),
    ],
)
def test_adaptive_steps_differ_from_keras_3_in_the_place_of_epsilon_alone(
    name, words, formula, ours_has, keras_has, keras
):
    start, gradients = keras["optim/start"], keras["optim/gradients"]
    found, theirs = ours(words, keras), keras[f"optim/{name}/params"]
    np.testing.assert_allclose(found, formula(start, gradients, **ours_has), rtol=0, atol=2e-6)
    np.testing.assert_allclose(theirs, formula(start, gradients, **keras_has), rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[:, 0], theirs[:, 0], rtol=0, atol=1e-6)  # gradients of about 1
