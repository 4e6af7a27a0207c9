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
