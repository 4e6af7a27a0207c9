import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score, root_mean_squared_error

from cnnlab.figures.values import (
    MOST_FEATURES,
    SHOWN_POINTS,
    error_against,
    predicted_against_true,
    target_against_features,
)

DRAWS = np.random.default_rng(0)
TRUE = DRAWS.normal(20, 8, 100).astype(np.float32)
PREDICTED = (TRUE + DRAWS.normal(0, 3, 100)).astype(np.float32)
FEATURES = DRAWS.normal(size=(100, 20)).astype(np.float32)
NAMES = [f"x{i}" for i in range(20)]


def points(axes: Axes, label: str) -> np.ndarray:
    line = next(line for line in axes.lines if line.get_label() == label)
    return np.array(line.get_data())


def legend(figure: Figure) -> list[str]:
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_every_sample_is_a_point_beside_the_diagonal() -> None:
    figure = predicted_against_true(TRUE, PREDICTED, name="price ($)", title="Test of a net")
    (axes,) = figure.axes
    assert_allclose(points(axes, "test samples"), [TRUE, PREDICTED])
    x, y = points(axes, "predicted = true")
    assert_allclose(x, y)
    assert x.min() < min(TRUE.min(), PREDICTED.min()) < max(TRUE.max(), PREDICTED.max()) < x.max()
    assert axes.get_xlim() == axes.get_ylim() == (x.min(), x.max())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true price ($)", "predicted price ($)")
    assert figure.get_suptitle().startswith("Test of a net\nRMSE ")
    figure.draw_without_rendering()


def test_the_errors_are_scikit_learns() -> None:
    said = predicted_against_true(TRUE, PREDICTED).get_suptitle()
    rmse, r2 = root_mean_squared_error(TRUE, PREDICTED), r2_score(TRUE, PREDICTED)
    assert said == f"RMSE {rmse:.4g}, R² {r2:.4f}"


@pytest.mark.parametrize("true", [[3.0], [2.0, 2.0, 2.0]])
def test_without_variation_there_is_no_r2(true: list[float]) -> None:
    values = np.array(true)
    figure = predicted_against_true(values, values)
    assert figure.get_suptitle() == "RMSE 0"
    figure.draw_without_rendering()


def test_of_many_samples_some_are_drawn_and_all_are_counted() -> None:
    true = DRAWS.normal(size=50_000)
    predicted = true + DRAWS.normal(size=50_000)
    figure = predicted_against_true(true, predicted)
    shown = points(figure.axes[0], "test samples")
    assert shown.shape == (2, SHOWN_POINTS)
    assert set(shown[0]) <= set(true)
    assert f"R² {r2_score(true, predicted):.4f}" in figure.get_suptitle()


def test_a_prediction_that_is_no_number_is_left_out() -> None:
    predicted = np.where(TRUE > 30, np.nan, PREDICTED)
    figure = predicted_against_true(TRUE, predicted)
    assert np.isfinite(figure.axes[0].get_xlim()).all()
    figure.draw_without_rendering()


@pytest.mark.parametrize(("features", "columns"), [(1, 1), (2, 2), (5, 5), (6, 3), (13, 5), (16, 4)])
def test_each_feature_has_a_panel_with_true_and_predicted_values(features: int, columns: int) -> None:
    names = NAMES[:features]
    figure = target_against_features(FEATURES[:, :features], TRUE, PREDICTED, names, name="price")
    assert [axes.get_xlabel() for axes in figure.axes] == names
    for i, axes in enumerate(figure.axes):
        assert_allclose(points(axes, "true"), [FEATURES[:, i], TRUE])
        assert_allclose(points(axes, "predicted"), [FEATURES[:, i], PREDICTED])
        assert axes.get_ylabel() == ("price" if i % columns == 0 else "")
    assert legend(figure) == ["true", "predicted"]
    figure.draw_without_rendering()


def test_true_and_predicted_differ_without_colour() -> None:
    axes = target_against_features(FEATURES[:, :1], TRUE, PREDICTED, ["x"]).axes[0]
    assert len({line.get_marker() for line in axes.lines}) == 2


def test_more_features_than_can_be_read_are_left_out_and_told() -> None:
    figure = target_against_features(FEATURES, TRUE, PREDICTED, NAMES, title="a net")
    assert len(figure.axes) == MOST_FEATURES
    assert figure.get_suptitle() == "a net (the first 16 of 20 features)"


def test_missing_values_are_not_drawn() -> None:
    holes = FEATURES[:, :2].copy()
    holes[::3] = np.nan
    target_against_features(holes, TRUE, PREDICTED, NAMES[:2]).draw_without_rendering()


def test_the_error_at_each_time_is_the_root_of_the_mean_square() -> None:
    t = DRAWS.integers(1, 6, 100).astype(np.float32)
    figure = error_against(t, TRUE, PREDICTED, name="t", title="a path")
    (axes,) = figure.axes
    times, errors = points(axes, "network, RMSE")
    assert times.tolist() == [1, 2, 3, 4, 5]
    expected = [root_mean_squared_error(TRUE[t == time], PREDICTED[t == time]) for time in times]
    assert_allclose(errors, expected, rtol=1e-5)
    mean = float(TRUE.astype(np.float64).mean())
    guessed = [math.sqrt(np.mean((TRUE[t == time].astype(np.float64) - mean) ** 2)) for time in times]
    assert_allclose(points(axes, "always the mean, RMSE")[1], guessed, rtol=1e-5)
    assert_allclose(points(axes, "single samples"), [t, np.abs(PREDICTED - TRUE)], rtol=1e-4, atol=1e-5)
    assert (axes.get_xlabel(), axes.get_ylabel(), figure.get_suptitle()) == ("t", "error", "a path")
    figure.draw_without_rendering()


def test_arrays_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        predicted_against_true(TRUE, PREDICTED[:50])
    with pytest.raises(ValueError, match="of one shape"):
        predicted_against_true(TRUE[:0], PREDICTED[:0])
    with pytest.raises(ValueError, match=r"\(100, 20\) for 100 samples and 3 names"):
        target_against_features(FEATURES, TRUE, PREDICTED, NAMES[:3])
    with pytest.raises(ValueError, match=r"\(5,\) numbers for \(100,\) values"):
        error_against(np.arange(5.0), TRUE, PREDICTED)
