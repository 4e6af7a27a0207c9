import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cnnlab.figures.confusion import confused_bars, confusion_matrix, confusions_in_words, most_confused

COUNTS = np.array([[999, 1, 0], [20, 60, 20], [0, 0, 0]])
NAMES = ["cat", "do$g$", "fox"]


def test_colours_are_shares_of_each_true_class_in_percent() -> None:
    (image,) = confusion_matrix(COUNTS, NAMES, title="").axes[0].images
    shares = image.get_array()
    assert shares is not None
    assert_allclose(shares[:2], np.array([[99.9, 0.1, 0.0], [20.0, 60.0, 20.0]]))
    assert np.ma.getmaskarray(shares)[2].all()  # no sample: no share, not a share of none
    assert (image.norm.vmin, image.norm.vmax) == (0, 100)


def test_cells_hold_count_and_percentage_at_their_place() -> None:
    texts = confusion_matrix(COUNTS, NAMES, title="").axes[0].texts
    cells = {
        (round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in texts
    }
    assert cells == {
        (0, 0): "999\n99.9%",
        (0, 1): "1\n0.1%",
        (1, 0): "20\n20.0%",
        (1, 1): "60\n60.0%",
        (1, 2): "20\n20.0%",
    }


def test_a_plain_matrix_is_of_counts() -> None:
    figure = confusion_matrix(COUNTS, NAMES, of="counts")
    axes, bar = figure.axes
    shown = axes.images[0].get_array()
    assert shown is not None
    assert_allclose(shown[:2], COUNTS[:2])
    assert np.ma.getmaskarray(shown)[2].all()
    assert [text.get_text() for text in axes.texts] == ["999", "1", "20", "60", "20"]
    assert bar.get_ylabel() == "number of samples"
    assert axes.images[0].norm.vmax == 999


def test_mistakes_are_said_in_words_and_drawn_as_bars() -> None:
    words = ["do$g$ taken for cat: 20 of 100 (20.0%)", "do$g$ taken for fox: 20 of 100 (20.0%)"]
    assert confusions_in_words(COUNTS, NAMES, n=2) == words
    axes = confused_bars(COUNTS, NAMES).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [20, 20, 1]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.texts][:2] == words


def test_a_percentage_too_small_to_write_is_not_nought() -> None:
    texts = confusion_matrix(np.array([[99999, 1], [0, 1]]), title="").axes[0].texts
    assert texts[1].get_text() == "1\n<0.1%"


def test_text_stands_out_from_its_cell() -> None:
    texts = confusion_matrix(COUNTS, NAMES, title="").axes[0].texts
    assert texts[0].get_color() == "white"
    assert texts[1].get_color() == "#000000"


def test_everything_is_named() -> None:
    figure = confusion_matrix(COUNTS, NAMES, title="cats & co")
    axes, bar = figure.axes
    assert axes.get_title() == "cats & co"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_xticklabels()] == NAMES
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert bar.get_ylabel() == "share of the true class (%)"


@pytest.mark.parametrize(
    ("classes", "texts", "ticks"), [(1, 1, 1), (20, 20, 20), (25, 0, 25), (100, 0, 100), (250, 0, 84)]
)
def test_text_and_ticks_by_the_number_of_classes(classes: int, texts: int, ticks: int) -> None:
    axes = confusion_matrix(7 * np.eye(classes, dtype=int), title="").axes[0]
    assert len(axes.texts) == texts
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == ticks


def test_names_never_overlap() -> None:
    names = [f"superclass number {number}" for number in range(100)]
    figure = confusion_matrix(np.eye(100, dtype=int), names, title="")
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(boxes))
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert all(left.x1 <= right.x0 + 1 for left, right in itertools.pairwise(boxes))


def test_cell_text_fits_its_cell() -> None:
    figure = confusion_matrix(np.full((20, 20), 12345), title="")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = axes.get_window_extent().width / 20
    assert all(text.get_window_extent().width <= cell for text in axes.texts)
    assert min(float(text.get_fontsize()) for text in axes.texts) >= 6


def test_the_figure_grows_with_the_classes() -> None:
    sizes = [
        confusion_matrix(np.eye(k, dtype=int), title="").get_size_inches()[0] for k in (2, 10, 20, 100, 1000)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 20


@pytest.mark.parametrize("shape", [(2, 3), (4,), (0, 0)])
def test_what_is_no_square_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is square"):
        confusion_matrix(np.zeros(shape, int), title="")


def test_names_that_do_not_match_are_told() -> None:
    with pytest.raises(ValueError, match="2 class names for 3 classes"):
        most_confused(COUNTS, ["cat", "dog"])


def test_most_confused_sorts_by_count_then_share_and_leaves_out_the_diagonal_and_nothing() -> None:
    counts = np.array([[50, 9, 2], [9, 1, 0], [3, 0, 4]])
    assert most_confused(counts, ["a", "b", "c"]) == [
        ("b", "a", 9, 0.9),
        ("a", "b", 9, pytest.approx(9 / 61)),
        ("c", "a", 3, pytest.approx(3 / 7)),
        ("a", "c", 2, pytest.approx(2 / 61)),
    ]
    assert len(most_confused(counts, n=1)) == 1
    assert most_confused(np.eye(3, dtype=int)) == []


def test_most_confused_gives_plain_values_for_json() -> None:
    ((true, predicted, count, share),) = most_confused(np.array([[1, 2], [0, 3]], dtype=np.uint8))
    assert [type(value) for value in (true, predicted, count, share)] == [str, str, int, float]
