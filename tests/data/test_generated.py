"""Computed tables against closed forms: the sine of the logistic map, chance, and linear separability."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.stats import chisquare, kstest
from sklearn.linear_model import LogisticRegression, Perceptron

from cnnlab.data.csvfile import Table
from cnnlab.data.generated import logistic_map_path, logistic_map_step, random_table, xor


def test_xor_is_learnt_with_the_product_and_not_without() -> None:
    table = xor()
    assert (table.features.dtype, table.targets.dtype) == (np.float32, np.int64)
    assert Perceptron(tol=None).fit(table.features, table.targets).score(table.features, table.targets) < 1
    with_product = np.column_stack([table.features, table.features.prod(1)])
    assert Perceptron(tol=None).fit(with_product, table.targets).score(with_product, table.targets) == 1


@pytest.mark.parametrize("n", [15, 36, 75])
def test_a_step_doubles_the_angle(n: int) -> None:
    table = logistic_map_step(n, seed=3)
    assert table.features.shape == table.targets.shape == (n, 1)
    assert table.features.dtype == table.targets.dtype == np.float32
    angle = np.arcsin(np.sqrt(table.features.astype(np.float64)))
    np.testing.assert_allclose(table.targets, np.sin(2 * angle) ** 2, rtol=0, atol=6e-8)


def test_a_path_is_right_although_the_map_is_chaotic() -> None:
    table = logistic_map_path(2000, seed=0, steps=32)
    assert (table.features.shape, table.targets.shape) == ((2000, 2), (2000, 1))
    with localcontext(prec=60):
        for (start, time), target in zip(table.features.tolist(), table.targets[:, 0].tolist(), strict=True):
            x = Decimal(start)
            for _ in range(int(time)):
                x = 4 * x * (1 - x)
            assert abs(float(x) - target) < (1e-7 if time <= 24 else 1e-4)


def test_starts_are_even_and_times_from_one_to_the_last() -> None:
    start, times = logistic_map_path(5000, seed=1, steps=10).features.T
    assert kstest(start, "uniform").pvalue > 0.01
    values, counts = np.unique(times, return_counts=True)
    assert values.tolist() == list(range(1, 11))
    assert chisquare(counts).pvalue > 0.01


def test_noise_is_normal_and_labels_cannot_be_guessed() -> None:
    table = random_table(seed=0)
    assert (table.features.shape, table.features.dtype, table.targets.dtype) == (
        (400, 784),
        np.float32,
        np.int64,
    )
    assert kstest(table.features.ravel(), "norm").pvalue > 0.01
    large = random_table(4000, 20, 4, seed=0)
    assert chisquare(np.bincount(large.targets, minlength=4)).pvalue > 0.01
    model = LogisticRegression().fit(large.features[:2000], large.targets[:2000])
    # Four standard deviations of a guess.
    assert abs(model.score(large.features[2000:], large.targets[2000:]) - 1 / 4) < 4 * (3 / 16 / 2000) ** 0.5


def equal(left: Table, right: Table) -> bool:
    return np.array_equal(left.features, right.features) and np.array_equal(left.targets, right.targets)


@pytest.mark.parametrize("make", [logistic_map_step, logistic_map_path, random_table])
def test_the_seed_alone_decides(make: type[Table]) -> None:
    np.random.seed(0)
    first = make(seed=5)
    np.random.seed(1)
    assert equal(first, make(seed=5))
    assert not equal(first, make(seed=6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: logistic_map_step(0), "n=0: allowed is 1 or more"),
        (lambda: logistic_map_path(-1), "n=-1"),
        (lambda: logistic_map_path(5, steps=0), "steps=0: allowed is 1 to 32"),
        (lambda: logistic_map_path(5, steps=33), "steps=33"),
        (lambda: random_table(samples=0), "samples=0"),
        (lambda: random_table(features=0), "features=0"),
        (lambda: random_table(classes=1), "classes=1: allowed is 2 or more"),
    ],
)
def test_what_cannot_be_made(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
