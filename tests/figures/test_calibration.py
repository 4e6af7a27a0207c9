import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve as sklearn_curve
from torchmetrics.functional.classification import binary_calibration_error

from cnnlab.figures.calibration import BINS, calibration_bins, calibration_curve, calibration_error


@pytest.fixture
def said() -> tuple[np.ndarray, np.ndarray]:
    """Confidences, some on the edges of bins, and answers that are right less often than that."""
    random = np.random.default_rng(0)
    confidence = np.concatenate([random.beta(4, 1.5, 2000), np.arange(BINS + 1) / BINS])
    return confidence, random.random(len(confidence)) < confidence**1.5


def test_the_bins_are_scikit_learns(said: tuple[np.ndarray, np.ndarray]) -> None:
    confidence, correct = said
    number, mean, accuracy = calibration_bins(confidence, correct)
    expected_accuracy, expected_mean = sklearn_curve(correct, confidence, n_bins=BINS)
    np.testing.assert_allclose(accuracy[number > 0], expected_accuracy)
    np.testing.assert_allclose(mean[number > 0], expected_mean)
    assert number.sum() == len(confidence)


def test_the_error_is_torchmetrics(said: tuple[np.ndarray, np.ndarray]) -> None:
    confidence, correct = (part[:2000] for part in said)
    # Of two classes whose second is always said: its confidence is the probability, its accuracy the share.
    expected = binary_calibration_error(
        torch.from_numpy(confidence), torch.from_numpy(correct).long(), n_bins=BINS, norm="l1"
    )
    assert calibration_error(confidence, correct) == pytest.approx(float(expected), abs=1e-6)


def test_the_curve_shows_each_bin_in_percent(said: tuple[np.ndarray, np.ndarray]) -> None:
    confidence, correct = said
    upper, lower = calibration_curve(confidence, correct).axes
    line = next(line for line in upper.lines if line.get_label() == "test samples")
    expected_accuracy, expected_mean = sklearn_curve(correct, confidence, n_bins=BINS)
    np.testing.assert_allclose(line.get_xdata(), 100 * expected_mean)
    np.testing.assert_allclose(line.get_ydata(), 100 * expected_accuracy)
    assert sum(bar.get_height() for bar in lower.patches) == len(confidence)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("confidence", "correct"),
    [(np.array([1.5]), np.array([1])), (np.array([0.5, 0.5]), np.array([1])), (np.array([]), np.array([]))],
)
def test_what_is_no_probability_is_told(confidence: np.ndarray, correct: np.ndarray) -> None:
    with pytest.raises(ValueError, match="confidence"):
        calibration_bins(confidence, correct)
