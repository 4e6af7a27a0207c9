"""Whether a network is as often right as it says: its confidence beside its accuracy."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnlab.figures.style import BLUE, GREY, TEXT_SIZE, TITLE_SIZE, VERMILION, new_figure, quiet_axes

Floats = NDArray[np.floating[Any]]
Bins = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]

BINS = 15  # as in Guo et al.


def calibration_bins(confidence: Floats, correct: NDArray[Any], bins: int = BINS) -> Bins:
    """Part samples by their confidence into bins of equal width.

    Args:
        confidence: probability of the class that is said (N,), 0 to 1.
        correct: whether that class is the true one (N,).
        bins: their number.

    Returns:
        Samples in each bin, their mean confidence, their accuracy; the means of an empty bin are NaN.

    Raises:
        ValueError: if there is no sample, the shapes are not (N,), or a confidence is not from 0 to 1.

    Examples:
        >>> number, confidence, accuracy = calibration_bins(np.array([0.6, 0.8, 1.0]), np.array([1, 0, 1]), 2)
        >>> number.tolist(), confidence.round(2).tolist(), accuracy.round(2).tolist()
        ([0, 3], [nan, 0.8], [nan, 0.67])
    """
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise ValueError(f"confidences (N,) and as many answers, not {confidence.shape}, {correct.shape}")
    confidence = confidence.astype(np.float64)
    # A softmax in single precision may end a little above 1.
    if not ((confidence >= 0) & (confidence <= 1 + 1e-5)).all():
        raise ValueError("a confidence is a probability from 0 to 1")
    inner = np.arange(1, bins) / bins
    place = np.searchsorted(inner, confidence, side="left")
    number = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, confidence, bins) / number
        accuracy = np.bincount(place, correct.astype(np.float64), bins) / number
    return number, mean, accuracy


def calibration_error(confidence: Floats, correct: NDArray[Any], bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy in the bins, weighted by samples.

    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015.

    Args:
        confidence: see :func:`calibration_bins`.
        correct: see :func:`calibration_bins`.
        bins: see :func:`calibration_bins`.

    Examples:
        >>> round(calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), np.array([1, 1, 1, 0])), 4)
        0.15
    """
    number, mean, accuracy = calibration_bins(confidence, correct, bins)
    return float(np.nansum(number * np.abs(mean - accuracy)) / number.sum())


def calibration_curve(
    confidence: Floats, correct: NDArray[Any], *, bins: int = BINS, title: str = ""
) -> Figure:
    r"""Draw accuracy against confidence, with the diagonal of a network that is as often right as it says.

    Guo et al., On Calibration of Modern Neural Networks, 2017. Below stands how many samples are said with
    which confidence; the title ends with the expected calibration error (ECE).

    Args:
        confidence: probability of the class that is said (N,), 0 to 1.
        correct: whether that class is the true one (N,).
        bins: of the confidence, of equal width.
        title: what stands above.

    Raises:
        ValueError: if there is no sample, the shapes are not (N,), or a confidence is not from 0 to 1.

    Examples:
        >>> figure = calibration_curve(np.array([0.9, 0.9, 0.9, 0.9]), np.array([1, 1, 1, 0]), title="test")
        >>> figure.get_suptitle()
        'test\nECE 15.0%: confidence 90.0%, accuracy 75.0%'
    """
    number, mean, accuracy = calibration_bins(confidence, correct, bins)
    error = calibration_error(confidence, correct, bins)
    figure = new_figure(6.0, 6.6)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
    for axes in (upper, lower):
        quiet_axes(axes)
    upper.plot([0, 100], [0, 100], "--", color=GREY, linewidth=1.2, label="confidence = accuracy")
    there = number > 0
    gaps = [100 * np.stack([mean[i], accuracy[i]]) for i in np.flatnonzero(there)]
    for gap in gaps:
        upper.plot([gap[0], gap[0]], gap, color=VERMILION, linewidth=3.0, alpha=0.35, solid_capstyle="butt")
    upper.plot(100 * mean[there], 100 * accuracy[there], "o-", color=BLUE, markersize=5, label="test samples")
    upper.set(xlim=(-2, 102), ylim=(-2, 102))
    upper.set_ylabel("accuracy (%)", fontsize=TEXT_SIZE)
    upper.legend(frameon=False, fontsize=TEXT_SIZE, loc="upper left")
    width = 100 / bins
    lower.bar((np.arange(bins) + 0.5) * width, number, width=0.9 * width, color=BLUE)
    lower.set_xlabel("confidence: probability of the class that is said (%)", fontsize=TEXT_SIZE)
    lower.set_ylabel("samples", fontsize=TEXT_SIZE)
    said = f"ECE {error:.1%}: confidence {confidence.mean():.1%}, accuracy {correct.mean():.1%}"
    figure.suptitle("\n".join(filter(None, [title, said])), fontsize=TITLE_SIZE, parse_math=False)
    return figure
