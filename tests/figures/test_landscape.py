import numpy as np
import pytest

from cnnlab.figures.landscape import importance_bars, map_planes, parallel_coordinates

SETTINGS = {"lr": [1e-4, 1e-3, 1e-2, 1e-1], "activation": ["relu", "elu", "relu", "elu"]}


def test_each_run_is_a_line_through_its_settings_to_its_result() -> None:
    axes = parallel_coordinates(SETTINGS, [1.0, 3.0, 2.0, float("nan")], label="accuracy (%)").axes[0]
    lines = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]
    assert len(lines) == 3  # a run without a result is none
    heights = np.array([line.get_ydata() for line in lines])
    # Drawn from the worst to the best; the rate counts by its logarithm.
    np.testing.assert_allclose(heights[:, 0], [0, 1, 0.5], atol=1e-9)
    np.testing.assert_allclose(heights[:, 2], [0, 0.5, 1], atol=1e-9)
    assert np.argmax([line.get_linewidth() for line in lines]) == 2


def test_less_may_be_better() -> None:
    figure = parallel_coordinates(SETTINGS, [1.0, 3.0, 2.0, 4.0], label="loss", higher_is_better=False)
    bold = max(figure.axes[0].lines, key=lambda line: float(line.get_linewidth()))
    assert np.asarray(bold.get_ydata())[-1] == 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_failed_runs_do_not_press_the_others_together(sign: float) -> None:
    results = [*np.linspace(0.95, 0.99, 11), 0.5, 0.51]
    figure = parallel_coordinates(
        {"units": list(range(13))}, [sign * one for one in results], label="result", higher_is_better=sign > 0
    )
    axes = figure.axes[0]
    ends = [float(np.asarray(line.get_ydata())[-1]) for line in axes.lines[:13]]  # from the worst to the best
    np.testing.assert_allclose(
        ends if sign > 0 else 1 - np.array(ends), [0, 0, *np.linspace(0, 1, 11)], atol=1e-9
    )
    texts = [text.get_text() for text in axes.texts]
    assert [text for text in texts if text.endswith("or worse")] == [f"{sign * 0.95:.3g} or worse"]


def test_bars_are_means_with_their_deviation() -> None:
    drops = {"lr": np.array([1.0, 3.0]), "units": np.array([4.0, 6.0])}
    axes = importance_bars(drops, label="drop").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [5.0, 2.0]  # type: ignore[attr-defined]


def test_planes_share_their_cells_and_name_what_is_no_number() -> None:
    planes = {"result": np.array([[1.0, np.nan]]), "activation": np.array([[0.0, 1.0]])}
    hits = np.array([[2, 0]])
    figure = map_planes(planes, hits, label="accuracy (%)", names={"activation": ["relu", "elu"]})
    figure.draw_without_rendering()
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array()).tolist() == [[False, True]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["2"]
    bar = figure.axes[-1]
    assert [label.get_text() for label in bar.get_yticklabels()] == ["relu", "elu"]


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match="need settings"):
        parallel_coordinates({}, [1.0], label="x")
    with pytest.raises(ValueError, match="no setting"):
        importance_bars({}, label="x")
    with pytest.raises(ValueError, match="planes of one shape"):
        map_planes({"result": np.zeros((2, 2))}, np.zeros((3, 3), int), label="x")


def test_counts_are_black_on_bright_cells_and_white_on_dark_ones() -> None:
    planes = {"result": np.array([[0.0, 1.0]])}  # viridis from purple to yellow
    figure = map_planes(planes, np.array([[2, 3]]), label="accuracy (%)")
    assert [text.get_color() for text in figure.axes[0].texts] == ["white", "#000000"]
