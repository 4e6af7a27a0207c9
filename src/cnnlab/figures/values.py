"""Values that a network predicts, beside the true ones."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cnnlab.figures.style import (
    BLACK,
    BLUE,
    GREY,
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    VERMILION,
    new_figure,
    quiet_axes,
    shorten,
)

Values = NDArray[np.float32] | NDArray[np.float64]

MOST_FEATURES = 16  # panels; smaller ones could not be read
PANELS_IN_A_ROW = (4, 5, 3)  # where fewest places stay empty, of equals the first
SHOWN_POINTS = 2000  # more would only blacken the page
NAME_LENGTH = 28  # characters


def predicted_against_true(
    true: Values, predicted: Values, *, name: str = "value", title: str = ""
) -> Figure:
    """Draw predicted against true values, with the diagonal on which they would be equal.

    The title tells the root of the mean squared error and R2, the share of the variance that is explained.

    Args:
        true: true values (N,).
        predicted: what the network says (N,).
        name: what is predicted, with its unit.
        title: what stands above.

    Raises:
        ValueError: if there is no sample, or the shapes are not (N,).

    Examples:
        >>> true, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
        >>> figure = predicted_against_true(true, predicted, name="price")
        >>> figure.get_suptitle()
        'RMSE 0.5774, R² 0.5000'
    """
    true, predicted = _checked(true, predicted)
    figure = new_figure(6.0, 6.3)
    axes = figure.subplots()
    quiet_axes(axes)
    low, high = _limits(true, predicted)
    axes.plot([low, high], [low, high], color=GREY, linewidth=1.2, linestyle="--", label="predicted = true")
    shown = _shown(len(true))
    axes.plot(true[shown], predicted[shown], "o", color=BLUE, label="test samples", **_points(len(shown)))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel(f"true {shorten(name, NAME_LENGTH)}", fontsize=TEXT_SIZE, parse_math=False)
    axes.set_ylabel(f"predicted {shorten(name, NAME_LENGTH)}", fontsize=TEXT_SIZE, parse_math=False)
    return _finished(figure, axes, "\n".join(filter(None, [title, _errors(true, predicted)])))


def residuals(true: Values, predicted: Values, *, name: str = "value", title: str = "") -> Figure:
    """Draw the residuals, true less predicted values, against the predicted ones, and how often which occurs.

    Points that fan out, or a curve through them, show what the network has not learnt.

    Args:
        true: true values (N,).
        predicted: what the network says (N,).
        name: what is predicted, with its unit.
        title: what stands above.

    Raises:
        ValueError: if there is no sample, or the shapes are not (N,).

    Examples:
        >>> true, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 4.0])
        >>> figure = residuals(true, predicted, name="price")
        >>> figure.axes[0].lines[1].get_ydata().tolist(), figure.get_suptitle()
        ([-0.5, 0.0, -1.0], 'mean residual -0.5, standard deviation 0.5')
    """
    true, predicted = _checked(true, predicted)
    off = true - predicted
    figure = new_figure(8.0, 4.9)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    for axes in (left, right):
        quiet_axes(axes)
    left.axhline(0.0, color=GREY, linewidth=1.2, linestyle="--", label="predicted = true")
    shown = _shown(len(true))
    left.plot(predicted[shown], off[shown], "o", color=BLUE, label="test samples", **_points(len(shown)))
    left.set_xlabel(f"predicted {shorten(name, NAME_LENGTH)}", fontsize=TEXT_SIZE, parse_math=False)
    label = f"residual: true - predicted {shorten(name, NAME_LENGTH)}"
    left.set_ylabel(label, fontsize=TEXT_SIZE, parse_math=False)
    finite = off[np.isfinite(off)]
    right.hist(finite, bins=min(40, max(8, math.isqrt(len(finite)))), orientation="horizontal", color=BLUE)
    right.set_xlabel("samples", fontsize=TEXT_SIZE)
    right.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    spread = float(off.std(ddof=1)) if len(off) > 1 else 0.0
    said = f"mean residual {off.mean():.4g}, standard deviation {spread:.4g}"
    return _finished(figure, left, "\n".join(filter(None, [title, said])))


def target_against_features(
    features: Values,
    true: Values,
    predicted: Values,
    feature_names: Sequence[str],
    *,
    name: str = "value",
    title: str = "",
) -> Figure:
    """Draw true and predicted values against each feature, one panel each, 16 features at most.

    Args:
        features: shape (N, F), in their own units; a missing value is NaN.
        true: true values (N,).
        predicted: what the network says (N,).
        feature_names: F names.
        name: what is predicted, with its unit.
        title: what stands above.

    Raises:
        ValueError: if there is no sample, or the shapes do not fit.

    Examples:
        >>> x = np.linspace(0, 1, 5)
        >>> figure = target_against_features(x[:, None], 4 * x * (1 - x), x, ["x(t)"], name="x(t+1)")
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
        ('x(t)', 'x(t+1)')
    """
    true, predicted = _checked(true, predicted)
    if features.shape != (len(true), len(feature_names)) or not len(feature_names):
        raise ValueError(
            f"features of shape {features.shape} for {len(true)} samples and {len(feature_names)} names"
        )
    number = min(len(feature_names), MOST_FEATURES)
    columns = min(number, min(PANELS_IN_A_ROW, key=lambda columns: -number % columns))
    lines = math.ceil(number / columns)
    size = (7.0, 5.0) if number == 1 else (2.9 * columns + 0.6, 2.5 * lines + 1.1)
    figure = new_figure(*size)
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).flat
    shown = _shown(len(true))
    for i, axes in enumerate(panels):
        if i >= number:
            axes.remove()
            continue
        quiet_axes(axes)
        style = _points(len(shown) * (1 if number == 1 else 3))
        axes.plot(features[shown, i], true[shown], "o", color=BLUE, label="true", **style)
        axes.plot(features[shown, i], predicted[shown], "^", color=VERMILION, label="predicted", **style)
        axes.set_xlabel(shorten(feature_names[i], NAME_LENGTH), fontsize=TEXT_SIZE, parse_math=False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        if i % columns == 0:
            axes.set_ylabel(shorten(name, NAME_LENGTH), fontsize=TEXT_SIZE, parse_math=False)
    left_out = (
        f" (the first {number} of {len(feature_names)} features)" if len(feature_names) > number else ""
    )
    return _finished(figure, figure.axes[0], title + left_out)


def error_against(x: Values, true: Values, predicted: Values, *, name: str = "x", title: str = "") -> Figure:
    """Draw the error of predicted values against whole numbers that they belong to, such as a time.

    A line shows the root of the mean squared error at each number, points the single errors, and a second
    line the error of whoever always says the mean: a network above it has learnt nothing there.

    Args:
        x: the numbers (N,), of which there are few.
        true: true values (N,).
        predicted: what the network says (N,).
        name: what the numbers are.
        title: what stands above.

    Raises:
        ValueError: if there is no sample, or the shapes are not (N,).

    Examples:
        >>> t, true = np.array([1, 1, 2, 2]), np.array([0.0, 1.0, 0.0, 1.0])
        >>> axes = error_against(t, true, np.array([0.1, 0.9, 0.5, 0.5]), name="t").axes[0]
        >>> [line.get_ydata().round(2).tolist() for line in axes.lines[1:]]
        [[0.1, 0.5], [0.5, 0.5]]
    """
    true, predicted = _checked(true, predicted)
    if x.shape != true.shape:
        raise ValueError(f"{x.shape} numbers for {true.shape} values")
    error = predicted - true
    numbers = np.unique(x)
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    quiet_axes(axes)
    axes.grid(False, axis="x")
    shown = _shown(len(x))
    style = _points(2 * len(shown))
    axes.plot(x[shown], np.abs(error[shown]), "o", color="0.6", label="single samples", **style)
    axes.plot(
        numbers,
        _rms_at(x, error),
        color=BLUE,
        marker="o",
        markersize=4.5,
        linewidth=1.4,
        label="network, RMSE",
    )
    axes.plot(
        numbers,
        _rms_at(x, true.mean() - true),
        "--",
        color=BLACK,
        linewidth=1.2,
        label="always the mean, RMSE",
    )
    axes.set_ylim(bottom=0.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(name, fontsize=TEXT_SIZE, parse_math=False)
    axes.set_ylabel("error", fontsize=TEXT_SIZE)
    return _finished(figure, axes, title)


def _checked(true: Values, predicted: Values) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as float64 arrays (N,)."""
    if true.ndim != 1 or true.shape != predicted.shape or not true.size:
        raise ValueError(
            f"true and predicted values are of one shape (N,), not {true.shape}, {predicted.shape}"
        )
    return true.astype(np.float64), predicted.astype(np.float64)


def _limits(*values: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits with a margin around all values that are finite."""
    together = np.concatenate(values)
    together = together[np.isfinite(together)]
    low, high = (float(together.min()), float(together.max())) if together.size else (0.0, 0.0)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _shown(number: int) -> NDArray[np.intp]:
    """Return the rows that are drawn: all, or evenly chosen ones where there are too many."""
    return np.unique(np.linspace(0, number - 1, min(number, SHOWN_POINTS)).astype(np.intp))


def _points(number: int) -> dict[str, Any]:
    """Return size and opacity of points, of which many are smaller and paler."""
    crowd = min(max(math.log10(number) - 1.0, 0.0) / 2.3, 1.0)
    return {"markersize": 6.0 - 3.5 * crowd, "alpha": 0.8 - 0.35 * crowd, "markeredgewidth": 0.0}


def _errors(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    """Say RMSE and R2; R2 is left out where the true values do not vary."""
    squares = float(np.square(predicted - true).sum())
    variation = float(np.square(true - true.mean()).sum())
    said = f"RMSE {math.sqrt(squares / len(true)):.4g}"
    return f"{said}, R² {1 - squares / variation:.4f}" if variation > 0 else said


def _rms_at(x: Values, error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root of the mean squared error at each distinct x, in rising order."""
    _, group = np.unique(x, return_inverse=True)
    means: NDArray[np.float64] = np.bincount(group, np.square(error)) / np.bincount(group)
    return np.sqrt(means)


def _finished(figure: Figure, axes: Axes, title: str) -> Figure:
    """Add the title above, and below what the points and lines of ``axes`` are."""
    if title:
        figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=TICK_SIZE)
    return figure
