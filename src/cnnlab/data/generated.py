"""Tables that are computed: the exclusive or, the logistic map, and noise."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.csvfile import Table

MOST_STEPS = 32  # see logistic_map_path


def xor() -> Table:
    """The exclusive or of two bits: the four points that no straight line parts (Minsky and Papert 1969).

    Returns:
        Features ``(4, 2)`` of 0 and 1, targets ``(4,)``.

    Examples:
        >>> table = xor()
        >>> table.features.tolist(), table.targets.tolist()
        ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    features = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return Table(features, np.array([0, 1, 1, 0], np.int64), ("a", "b"), ("0", "1"), "a xor b")


def logistic_map_step(n: int = 36, seed: int = 0) -> Table:
    """One step of the logistic map, ``x -> 4x(1 - x)``, at points drawn evenly from 0 to 1 (May 1976).

    The course trained on 10, 24 and 50 points and validated on half as many: n of 15, 36 and 75, a third of
    which validates.

    Args:
        n: number of points.
        seed: of the draw.

    Returns:
        Features ``(n, 1)``, x(t); targets ``(n, 1)``, x(t+1).

    Raises:
        ValueError: if n is less than 1.

    Examples:
        >>> table = logistic_map_step(15, seed=1)
        >>> table.features.shape, bool(np.allclose(table.targets, 4 * table.features * (1 - table.features)))
        ((15, 1), True)
    """
    start = _starts(n, np.random.default_rng(seed))
    return Table(start[:, np.newaxis], _iterated(start, np.ones(n))[:, np.newaxis], ("x(t)",), (), "x(t+1)")


def logistic_map_path(n: int = 36, seed: int = 0, steps: int = 10) -> Table:
    """The logistic map after several steps: from x(0) and t to x(t).

    With each step the distance of two neighbours doubles, on average: no network learns large t, which is
    what the table is for. So does the error of rounding: x(t) is right to 1e-7 up to t=24, to 1e-4 up to 32.

    Args:
        n: number of pairs of x(0), even from 0 to 1, and t, even from 1 to ``steps``.
        seed: of the draw.
        steps: the largest t, at most 32.

    Returns:
        Features ``(n, 2)``, x(0) and t; targets ``(n, 1)``, x(t).

    Raises:
        ValueError: if n is less than 1, or steps is not from 1 to 32.

    Examples:
        >>> table = logistic_map_path(24, seed=0, steps=3)
        >>> table.feature_names, table.features.shape, sorted(set(table.features[:, 1].tolist()))
        (('x(0)', 't'), (24, 2), [1.0, 2.0, 3.0])
    """
    if not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps={steps}: allowed is 1 to {MOST_STEPS}.")
    generator = np.random.default_rng(seed)
    start = _starts(n, generator)
    times = generator.integers(1, steps, n, endpoint=True)
    features = np.stack([start, times.astype(np.float32)], 1)
    return Table(features, _iterated(start, times)[:, np.newaxis], ("x(0)", "t"), (), "x(t)")


def random_table(samples: int = 400, features: int = 784, classes: int = 2, seed: int = 0) -> Table:
    """Noise and labels that have nothing to do with it: no network does better than guess on new samples.

    The defaults are those of Theano's tutorial on logistic regression, which the course began with.

    Args:
        samples: number of rows.
        features: number of columns, each standard normal.
        classes: number of classes, equally likely.
        seed: of the draw.

    Returns:
        Features ``(samples, features)``, targets ``(samples,)``.

    Raises:
        ValueError: if there are no samples or features, or fewer than two classes.

    Examples:
        >>> table = random_table(100, 3, 2, seed=0)
        >>> table.features.shape, table.feature_names, table.class_names
        ((100, 3), ('x1', 'x2', 'x3'), ('0', '1'))
    """
    for name, number, least in (("samples", samples, 1), ("features", features, 1), ("classes", classes, 2)):
        _check_least(name, number, least)
    generator = np.random.default_rng(seed)
    return Table(
        generator.standard_normal((samples, features), np.float32),
        generator.integers(classes, size=samples),
        tuple(f"x{number}" for number in range(1, features + 1)),
        tuple(str(number) for number in range(classes)),
        "class",
    )


def _check_least(name: str, number: int, least: int) -> None:
    if number < least:
        raise ValueError(f"{name}={number}: allowed is {least} or more.")


def _starts(n: int, generator: np.random.Generator) -> NDArray[np.float32]:
    _check_least("n", n, 1)
    return generator.random(n, np.float32)


def _iterated(
    start: NDArray[np.float32], times: NDArray[np.integer] | NDArray[np.floating]
) -> NDArray[np.float32]:
    # From x(0) as the table has it: that of before its rounding to float32 ends elsewhere after 24 steps.
    x = start.astype(np.float64)
    for step in range(int(times.max())):
        x = np.where(step < times, 4 * x * (1 - x), x)
    return x.astype(np.float32)
