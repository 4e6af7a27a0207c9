import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cnnlab.figures.curves import learning_curves

History = dict[str, list[float]]


def history(epochs: int, first: int = 0) -> History:
    steps = np.arange(epochs)
    loss = 0.1 + 2.0 * np.exp(-steps / 10)
    accuracy = 0.95 - 0.8 * np.exp(-steps / 10)
    columns = {"epoch": steps + first, "lr": 0.1 * 0.5 ** (steps // 10)}
    for part, offset in {"train": 0.0, "val": 0.1, "watched_test": 0.2}.items():
        columns |= {f"{part}/loss": loss + offset, f"{part}/accuracy": accuracy - offset}
    return {name: list(map(float, values)) for name, values in columns.items()}


def line(axes: Axes, label: str) -> Line2D:
    return next(line for line in axes.lines if line.get_label() == label)


def data(axes: Axes, label: str) -> NDArray[np.float64]:
    return np.asarray(line(axes, label).get_ydata(), dtype=np.float64)


def epochs_of(axes: Axes, label: str) -> list[float]:
    return [float(epoch) for epoch in np.asarray(line(axes, label).get_xdata())]


@pytest.mark.parametrize("epochs", [5, 25, 500])
def test_lines_hold_the_losses_and_the_errors_in_percent(epochs: int) -> None:
    columns = history(epochs)
    loss, error, *_ = learning_curves(columns, best_epoch=3, title="").axes
    for part, label in {"train": "train", "val": "validation", "watched_test": "test (watched)"}.items():
        assert epochs_of(loss, label) == columns["epoch"]
        assert_allclose(data(loss, label), columns[f"{part}/loss"])
        assert_allclose(data(error, label), 100 * (1 - np.array(columns[f"{part}/accuracy"])))


def test_axes_are_named_with_units() -> None:
    figure = learning_curves(history(25), best_epoch=17, title="vgg on $digits$")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "error (%)", "learning\nrate"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "epoch"]
    assert figure.get_suptitle() == "vgg on $digits$"


def test_the_best_epoch_is_a_vertical_mark_on_every_panel() -> None:
    for axes in learning_curves(history(25, first=1), best_epoch=17, title="").axes:
        assert epochs_of(axes, "best epoch (17)") == [17, 17]


def test_the_legend_names_every_line_once() -> None:
    (legend,) = learning_curves(history(25), best_epoch=17, title="").legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["train", "validation", "test (watched)", "best epoch (17)"]


def test_no_best_epoch_no_mark() -> None:
    axes = learning_curves(history(5), best_epoch=None, title="").axes[0]
    assert [line.get_label() for line in axes.lines] == ["train", "validation", "test (watched)"]


def test_lines_differ_without_colour() -> None:
    lines = learning_curves(history(25), best_epoch=None, title="").axes[0].lines
    assert len({line.get_linestyle() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3


def test_a_single_epoch_is_seen_by_its_marks() -> None:
    figure = learning_curves(history(1), best_epoch=0, title="")
    assert len(figure.axes) == 2  # one learning rate tells nothing
    assert line(figure.axes[0], "train").get_markevery() == [0]
    assert list(figure.axes[-1].get_xticks()) == [0]


def test_long_curves_carry_few_marks_and_not_at_the_same_epochs() -> None:
    lines = learning_curves(history(500), best_epoch=None, title="").axes[0].lines
    marks = [set(line.get_markevery()) for line in lines]  # type: ignore[arg-type]
    assert [len(each) for each in marks] == [10, 10, 10]
    assert not set.intersection(*marks)


def test_what_is_not_finite_is_a_gap() -> None:
    columns = history(5)
    columns["val/loss"][1:3] = [float("nan"), float("inf")]
    axes = learning_curves(columns, best_epoch=None, title="").axes[0]
    assert_allclose(np.isnan(data(axes, "validation")), [False, True, True, False, False])
    assert line(axes, "validation").get_markevery() == [0, 3, 4]


def test_a_lone_point_of_a_long_curve_is_marked() -> None:
    columns = history(100)
    columns["val/loss"] = [
        value if epoch % 25 == 24 else float("nan") for epoch, value in enumerate(columns["lr"])
    ]
    axes = learning_curves(columns, best_epoch=None, title="").axes[0]
    assert line(axes, "validation").get_markevery() == [24, 49, 74, 99]


def test_a_column_without_a_value_is_no_line() -> None:
    columns = history(5) | {"val/loss": [float("nan")] * 5}
    axes = learning_curves(columns, best_epoch=None, title="").axes[0]
    assert [line.get_label() for line in axes.lines] == ["train", "test (watched)"]


def test_without_accuracy_there_is_no_error_panel() -> None:
    columns: History = {"epoch": [0, 1, 2], "train/loss": [3, 2, 1], "lr": [0.1, 0.1, 0.1]}
    figure = learning_curves(columns, best_epoch=2, title="")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]
    assert figure.axes[0].get_xlabel() == "epoch"


def test_the_learning_rate_has_its_panel_where_it_changes() -> None:
    columns = history(25)
    (rate,) = learning_curves(columns, best_epoch=None, title="").axes[2].lines
    assert list(np.asarray(rate.get_ydata())) == columns["lr"]
    columns["lr"] = [0.1] * 25
    assert len(learning_curves(columns, best_epoch=None, title="").axes) == 2


@pytest.mark.parametrize(
    ("losses", "scale"), [([2.0, 1.0], "linear"), ([2.0, 1e-4], "log"), ([2.0, 0.0], "linear")]
)
def test_a_loss_over_orders_of_magnitude_is_logarithmic(losses: list[float], scale: str) -> None:
    axes = learning_curves({"epoch": [0, 1], "train/loss": losses}, best_epoch=None, title="").axes[0]
    assert axes.get_yscale() == scale


@pytest.mark.parametrize("accuracy", [[0.5, 0.99, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
def test_the_error_axis_shows_every_point_and_hardly_less_than_zero(accuracy: list[float]) -> None:
    columns: History = {"epoch": [0, 1, 2], "train/loss": [3, 2, 1], "train/accuracy": accuracy}
    axes = learning_curves(columns, best_epoch=None, title="").axes[1]
    low, high = axes.get_ylim()
    errors = 100 * (1 - np.array(accuracy))
    assert -5 < low < errors.min() <= errors.max() < high


@pytest.mark.parametrize(
    "columns", [{}, {"epoch": [0.0]}, {"train/loss": [1.0]}, {"epoch": [0.0], "lr": [0.1]}]
)
def test_missing_columns_are_told(columns: History) -> None:
    with pytest.raises(ValueError, match="need epoch and a loss"):
        learning_curves(columns, best_epoch=None, title="")


def test_columns_of_unequal_length_are_told() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        learning_curves({"epoch": [0, 1], "train/loss": [1.0]}, best_epoch=None, title="")


@pytest.mark.parametrize("epochs", [1, 25])
def test_it_draws_without_a_warning_and_without_pyplot(epochs: int) -> None:
    learning_curves(history(epochs), best_epoch=0, title="a $ b").draw_without_rendering()
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()
