import numpy as np
import pytest
from scipy import stats

from cnnlab.study.differences import bootstrap, difference, paired

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(0.9, 0.02, 8), RNG.normal(0.88, 0.02, 8)


def by_seed(values, start=0):
    return dict(enumerate(map(float, values), start))


def test_a_paired_test_is_scipys():
    found = difference(by_seed(FIRST), by_seed(SECOND))
    truth = stats.ttest_rel(FIRST, SECOND)
    low, high = truth.confidence_interval(0.95)
    assert (found.count, found.test) == (8, "paired t-test")
    assert (found.low, found.high, found.p) == pytest.approx((low, high, truth.pvalue), rel=1e-9)


def test_only_common_seeds_are_paired():
    found = difference(by_seed(FIRST), by_seed(SECOND[3:], start=3))
    truth = stats.ttest_rel(FIRST[3:], SECOND[3:])
    assert (found.count, found.p) == (5, pytest.approx(truth.pvalue))


def test_folds_share_samples_which_the_correction_takes_into_account():
    """Bouckaert and Frank (2004), equation 4: t = mean / sqrt((1/n + n2/n1) variance)."""
    plain, corrected = paired(FIRST - SECOND), paired(FIRST - SECOND, test_share=1 / 9)
    deviations = FIRST - SECOND
    t = deviations.mean() / np.sqrt((1 / 8 + 1 / 9) * deviations.var(ddof=1))
    assert corrected.p == pytest.approx(2 * stats.t.sf(abs(t), 7))
    assert corrected.p > plain.p
    assert corrected.high - corrected.low > plain.high - plain.low


@pytest.mark.parametrize(("first", "second"), [([0.9], [0.8]), ([0.9, 0.91], [0.8, 0.81])])
def test_one_or_two_pairs_are_too_few(first, second):
    found = difference(by_seed(first), by_seed(second))
    assert (found.test, found.low, found.is_clear) == (None, None, False)
    assert found.mean == pytest.approx(0.1)


def test_other_seeds_on_each_side_are_bootstrapped_from_five_on():
    assert difference(by_seed(FIRST[:4]), by_seed(SECOND[:4], start=10)).test is None
    found = difference(by_seed(FIRST), by_seed(SECOND, start=10))
    assert found.test == "bootstrap"
    assert found.mean == pytest.approx(FIRST.mean() - SECOND.mean())


def test_the_bootstrap_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(100):
        found = bootstrap(rng.normal(1.0, 1.0, 20), rng.normal(0.0, 1.0, 20))
        inside += found.low <= 1.0 <= found.high
    assert 88 <= inside <= 99


def test_equal_runs_differ_by_nothing():
    found = difference(by_seed([0.5] * 3), by_seed([0.5] * 3))
    assert (found.mean, found.p, found.is_clear) == (0.0, 1.0, False)
    assert not bootstrap([0.5] * 5, [0.5] * 5).is_clear


def test_a_side_without_runs_is_refused():
    with pytest.raises(ValueError, match="without runs"):
        difference({}, by_seed(FIRST))
