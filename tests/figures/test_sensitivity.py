import numpy as np
import pytest

from cnnlab.figures.sensitivity import heat_map, sensitivity

NAMED = {"xlabel": "kernel size", "ylabel": "test error (%)"}


def test_means_stand_at_their_numbers_with_a_bar_of_one_deviation() -> None:
    results = {5: [30.0, 34.0], 2: [40.0, 41.0, 45.0], 9: [20.0]}
    axes = sensitivity({"deep": results}, **NAMED).axes[0]
    line, _, (bars,) = axes.containers[0]
    assert line.get_xdata().tolist() == [2, 5, 9]
    assert line.get_ydata().tolist() == [42.0, 32.0, 20.0]
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    assert heights == pytest.approx([2 * np.sqrt(7), 2 * np.sqrt(8), 0.0])


def test_orders_of_magnitude_get_a_logarithmic_axis() -> None:
    axes = sensitivity({"": {rate: [1.0] for rate in (1e-4, 1e-2)}}, **NAMED).axes[0]
    assert axes.get_xscale() == "log"
    assert not axes.get_figure(root=True).legends  # type: ignore[union-attr]


def test_names_stand_side_by_side_and_do_not_meet() -> None:
    names = [f"a name of {i} and more" for i in range(12)]
    figure = sensitivity({"": {name: [1.0] for name in names}}, **NAMED)
    figure.draw_without_rendering()
    labels = figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == [name[:17] + "…" for name in names]
    corners = [label.get_window_extent().x1 for label in labels]
    assert min(np.diff(corners)) > labels[0].get_fontsize()  # type: ignore[operator]


def test_lines_differ_without_their_colours() -> None:
    lines = {str(i): {1: [float(i)], 2: [float(i)]} for i in range(20)}
    drawn = [container[0] for container in sensitivity(lines, **NAMED).axes[0].containers]
    assert len({(line.get_linestyle(), line.get_marker()) for line in drawn}) == 20


@pytest.mark.parametrize(("lower", "best"), [(True, (1, 0)), (False, (0, 1))])
def test_the_best_cell_has_a_frame(lower: bool, best: tuple[int, int]) -> None:
    mean = np.array([[3.0, 4.0, np.nan], [1.0, 2.0, 3.0]])
    labels = NAMED | {"label": "test error (%)"}
    axes = heat_map(["relu", "elu"], [1, 2, 3], mean, lower_is_better=lower, **labels).axes[0]
    (frame,) = axes.patches
    assert (frame.get_y() + 0.5, frame.get_x() + 0.5) == best  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.texts] == ["3", "4", "1", "2", "3"]


def test_nothing_to_draw_is_told() -> None:
    with pytest.raises(ValueError, match="no result"):
        sensitivity({"": {1: []}}, **NAMED)
    with pytest.raises(ValueError, match="no result"):
        heat_map([1], [1], np.array([[np.nan]]), label="x", **NAMED)


def test_names_have_marks_and_no_line() -> None:
    lines = {"wide": {"relu": [1.0], "elu": [2.0]}, "narrow": {"relu": [3.0], "elu": [4.0]}}
    drawn = [container[0] for container in sensitivity(lines, **NAMED).axes[0].containers]
    assert {line.get_linestyle() for line in drawn} == {"None"}
    places = np.array([line.get_xdata() for line in drawn], np.float64)
    assert (np.diff(places, axis=0) > 0).all()  # beside each other
    assert np.rint(places).tolist() == [[0, 1], [0, 1]]


def test_settings_stand_at_a_heat_map_as_they_are_typed():
    axes = heat_map([2.0, 2.5], ["[16,32]", 1e-3], np.ones((2, 2)), label="x", **NAMED).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["[16,32]", "0.001"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["2", "2.5"]
