import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from cnnlab.figures.roc import roc_and_precision_recall, thresholds


@pytest.fixture(params=[1000, 12], ids=["distinct", "tied"])
def scored(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Classes and scores; with few distinct scores many samples share one."""
    random = np.random.default_rng(1)
    positive = random.random(500) < 0.3
    score = np.clip(0.3 * positive + random.random(500) * 0.7, 0, 1)
    return positive.astype(np.int64), np.round(score * request.param) / request.param


def test_rates_and_areas_are_scikit_learns(scored: tuple[np.ndarray, np.ndarray]) -> None:
    positive, score = scored
    found = thresholds(positive, score)
    false_rate, true_rate, values = roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(found.values, values)
    np.testing.assert_allclose(found.false_positive_rate, false_rate)
    np.testing.assert_allclose(found.recall, true_rate)
    assert found.area == pytest.approx(roc_auc_score(positive, score))
    precision, recall, _ = precision_recall_curve(positive, score)
    np.testing.assert_allclose(found.precision, precision[::-1])
    np.testing.assert_allclose(found.recall, recall[::-1])
    assert found.average_precision == pytest.approx(average_precision_score(positive, score))


def test_the_mark_stands_at_one_half(scored: tuple[np.ndarray, np.ndarray]) -> None:
    positive, score = scored
    left, right = roc_and_precision_recall(positive, score).axes
    taken = score >= 0.5
    recall = 100 * taken[positive == 1].mean()
    (mark,) = (line for line in left.lines if line.get_label() == "threshold 0.5")
    x, y = (float(value) for value in np.ravel(mark.get_data()))
    assert (x, y) == pytest.approx((100 * taken[positive == 0].mean(), recall))
    (mark,) = (line for line in right.lines if line.get_label() == "threshold 0.5")
    x, y = (float(value) for value in np.ravel(mark.get_data()))
    assert (x, y) == pytest.approx((recall, 100 * positive[taken].mean()))


def test_a_class_without_samples_is_told() -> None:
    with pytest.raises(ValueError, match="no sample"):
        thresholds(np.zeros(3), np.arange(3.0))
