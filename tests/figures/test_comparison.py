import math

import pytest

from cnnlab.figures.comparison import Curve, compared


def test_a_band_spans_one_standard_deviation_on_both_sides():
    curves = {"a": Curve([1, 2], [10.0, 20.0], [1.0, 3.0])}
    (axes,) = compared({"": curves}, xlabel="epoch", ylabel="loss").axes
    ys = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (ys.min(), ys.max()) == (9.0, 23.0)


def test_a_gap_is_bridged():
    curves = {"a": Curve([1, 2, 3], [1.0, math.nan, 3.0])}
    (axes,) = compared({"": curves}, xlabel="epoch", ylabel="loss").axes
    assert axes.lines[0].get_xdata().tolist() == [1, 3]


@pytest.mark.parametrize("number", [1, 3])
def test_panels_share_their_height_and_have_their_titles(number):
    panels = {f"panel {i}": {"a": Curve([1, 2], [i, i + 1])} for i in range(number)}
    figure = compared(panels, xlabel="epoch", ylabel="loss", title="all")
    assert [axes.get_title() for axes in figure.axes] == list(panels)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_the_legend_of_shared_curves_lies_on_no_panel():
    curves = {f"a long name of setting {i}": Curve([1, 2], [i, i + 1]) for i in range(5)}
    figure = compared({"train": curves, "validation": curves}, xlabel="epoch", ylabel="loss")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(curves)
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert (box.x0 >= 0, box.x1 <= figure.bbox.x1) == (True, True)


def test_a_curve_looks_alike_in_all_panels():
    a, b = Curve([1, 2], [1, 2]), Curve([1, 2], [2, 3])
    panels = {"train": {"a": a, "b": b}, "validation": {"b": b}}
    left, right = compared(panels, xlabel="epoch", ylabel="loss").axes
    assert [line.get_color() for line in left.lines][1:] == [line.get_color() for line in right.lines]
