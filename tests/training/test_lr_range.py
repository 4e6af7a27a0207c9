import numpy as np
import pytest
import torch

from cnnlab.config.compose import compose
from cnnlab.training.build import build
from cnnlab.training.lr_range import lr_range_test

# Gradient descent on a parabola: each step is known in closed form.
WORDS = [
    *("data=boston", "data.batch_size=all", "model=linear", "trainer=cpu"),
    *("optimizer=sgd", "optimizer.momentum=0", "schedule=one_cycle"),
]


@pytest.fixture(scope="module")
def parabola():
    """Features with a column of ones, prices, and the initial weights."""
    data, model = build(compose(WORDS))
    data.prepare_data()
    data.setup()
    inputs, prices = next(iter(data.train_dataloader()))
    model.preprocess.fit(inputs)
    (layer,) = (layer for layer in model.modules() if isinstance(layer, torch.nn.Linear))
    x = np.column_stack([model.preprocess(inputs).double().numpy(), np.ones(len(inputs))])
    start = np.append(layer.weight.detach().numpy(), layer.bias.detach().numpy()).astype(np.float64)
    return x, prices[:, 0].double().numpy(), start


def test_losses_are_those_of_gradient_descent_with_rising_rates(parabola, tmp_path):
    x, prices, weights = parabola
    found = lr_range_test(compose(WORDS), lowest=1e-4, highest=10.0, steps=60, folder=tmp_path)
    rates = np.geomspace(1e-4, 10.0, 60)[: len(found.rates)]
    np.testing.assert_allclose(found.rates, rates, rtol=1e-6)
    losses = []
    for rate in rates:
        error = x @ weights - prices
        losses.append(np.mean(error**2))
        weights = weights - rate * 2 * x.T @ error / len(x)
    # Above 2 over the largest curvature no step goes downhill for good, and what is rounded off grows too.
    limit = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    falling = rates < limit
    np.testing.assert_allclose(found.losses[falling], np.array(losses)[falling], rtol=1e-3)
    assert found.suggestion < limit < found.rates[-1]
    assert len(found.rates) < 60, "it ended where the loss exploded"
    assert not list(tmp_path.iterdir())


def test_a_loss_that_only_rises_gives_no_suggestion(tmp_path):
    found = lr_range_test(compose(WORDS), lowest=1.0, highest=10.0, steps=20, folder=tmp_path)
    assert found.suggestion is None
    assert len(found.losses) < 20
