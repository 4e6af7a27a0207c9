"""How far apart two settings are, and whether chance alone could have done it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
FEWEST_PAIRS = 3
FEWEST_UNPAIRED = 5  # of fewer a bootstrap draws the same few samples again and again
RESAMPLES = 9999
Test = Literal["paired t-test", "corrected paired t-test", "bootstrap"]


@dataclass(frozen=True)
class Difference:
    """The mean of one setting less that of another.

    Args:
        mean: of the differences.
        low: lower end of the 95% interval; None where there are too few to tell.
        high: its upper end.
        p: probability of such a difference where there is none; None without a test.
        count: pairs, or runs of the smaller side.
        test: what the interval is of; None where there are too few.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    count: int = 0
    test: Test | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0.0 <= self.high


def difference(
    first: Mapping[object, float], second: Mapping[object, float], *, test_share: float | None = None
) -> Difference:
    """Compare two settings, over the seeds or folds that both were run with.

    Without three common ones, and with five runs or more on each side, it is a bootstrap over the runs.

    Args:
        first: a metric by what counts its runs (seed and fold).
        second: likewise.
        test_share: number of test samples as a share of the training samples, where the runs differ in
            what they are trained on and tested with: such runs share samples, and the plain test would
            find too much.

    Raises:
        ValueError: if one of them is empty.

    Examples:
        >>> found = difference({0: 0.91, 1: 0.93, 2: 0.92}, {0: 0.90, 1: 0.91, 2: 0.91})
        >>> round(found.mean, 4), found.count, found.test, found.is_clear
        (0.0133, 3, 'paired t-test', False)
    """
    if not first or not second:
        raise ValueError("a side without runs cannot be compared")
    common = [key for key in first if key in second]
    if len(common) >= FEWEST_PAIRS:
        return paired([first[key] - second[key] for key in common], test_share)
    if common:
        mean = float(np.mean([first[key] - second[key] for key in common]))
        count = len(common)
    else:
        mean = float(np.mean(list(first.values())) - np.mean(list(second.values())))
        count = min(len(first), len(second))
    if min(len(first), len(second)) >= FEWEST_UNPAIRED:
        return bootstrap(list(first.values()), list(second.values()))
    return Difference(mean, count=count)


def paired(differences: Sequence[float], test_share: float | None = None) -> Difference:
    """Student's t-test of differences, corrected for shared samples where ``test_share`` is given.

    The correction is that of Nadeau and Bengio, "Inference for the generalization error" (2003): the
    variance of the mean is taken as ``(1 / n + test_share)`` times that of the differences.
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) * float(np.sqrt(1 / n + (test_share or 0.0)))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * spread
    # Without any spread a difference is as sure as the runs can make it.
    p = 2 * float(stats.t.sf(abs(mean) / spread, n - 1)) if spread else float(mean == 0.0)
    name: Test = "paired t-test" if test_share is None else "corrected paired t-test"
    return Difference(mean, mean - half, mean + half, p, n, name)


def bootstrap(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Bias-corrected bootstrap interval of the difference of two means (Efron 1987), seeded."""
    mean = float(np.mean(first) - np.mean(second))
    count = min(len(first), len(second))
    if np.ptp(first) == 0.0 and np.ptp(second) == 0.0:
        return Difference(mean, mean, mean, None, count, "bootstrap")
    found = stats.bootstrap(
        (np.asarray(first), np.asarray(second)),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    interval = found.confidence_interval
    return Difference(mean, float(interval.low), float(interval.high), None, count, "bootstrap")
