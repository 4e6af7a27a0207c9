from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.figures.style import save
from cnnlab.figures.tables import MOST_COLUMNS, column_histograms


def bars(axes):
    return [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in axes.patches if bar.get_height()]


def test_few_values_have_a_bar_each():
    table = np.array([[0, 1.5], [1, 2.5], [1, 1.5], [0, np.nan], [1, 4.5]])
    first, second = column_histograms(table, ["married", "rooms"]).axes
    assert bars(first) == [(0, 2), (1, 3)]
    assert bars(second) == [(1.5, 2), (2.5, 1), (4.5, 1)]
    assert second.get_title() == "rooms, 1 missing"


def test_every_value_that_is_there_is_in_a_bar():
    table = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    table[:40, 1] = np.nan
    figure = column_histograms(table, ["a", "b", "a $ name"])
    assert [sum(height for _, height in bars(axes)) for axes in figure.axes] == [500, 460, 500]


def test_a_wide_table_shows_its_first_columns(tmp_path: Path):
    figure = column_histograms(np.zeros((4, 784)), [f"x{i}" for i in range(784)], title="random")
    assert len([axes for axes in figure.axes if axes.get_visible()]) == MOST_COLUMNS
    assert figure.get_suptitle() == "random (the first 16 of 784 columns)"
    with Image.open(save(figure, tmp_path / "wide.png")) as picture:
        assert picture.width < 2000


def test_a_column_without_a_value_is_empty():
    table = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert bars(column_histograms(table, ["a", "b"]).axes[1]) == []


@pytest.mark.parametrize(
    ("table", "names"),
    [(np.zeros((0, 2)), ["a", "b"]), (np.zeros(3), ["a", "b", "c"]), (np.zeros((3, 2)), ["a"])],
)
def test_what_is_no_table_is_told(table, names):
    with pytest.raises(ValueError, match=f"{len(names)} names for a table of shape"):
        column_histograms(table, names)
