from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cnnlab.figures.comparison import Curve, compared
from cnnlab.figures.confusion import confusion_matrix
from cnnlab.figures.curves import learning_curves
from cnnlab.figures.landscape import importance_bars, map_planes, parallel_coordinates
from cnnlab.figures.sensitivity import heat_map, sensitivity
from cnnlab.figures.style import darken, is_logarithmic, new_figure, pixels, readable_on, save


def test_save_writes_a_png_of_the_figures_size_and_nothing_else(tmp_path: Path) -> None:
    path = save(new_figure(8, 5), tmp_path / "new" / "curves.png")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (1200, 750))
    assert [file.name for file in path.parent.iterdir()] == ["curves.png"]


def test_save_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    save(new_figure(1, 1), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_failing_save_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(new_figure(1, 1), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def drawn() -> Figure:
    history = {
        "epoch": [1, 2, 3],
        "train/loss": [3.0, 2.0, 1.0],
        "val/loss": [3.0, 2.5, 2.0],
        "train/accuracy": [0.1, 0.5, 0.6],
        "lr": [0.1, 0.2, 0.1],
    }
    return learning_curves(history, best_epoch=2, title="curves")


def test_pixels_are_what_matplotlib_itself_saves(tmp_path: Path) -> None:
    found = pixels(drawn())
    drawn().savefig(tmp_path / "own.png")
    np.testing.assert_array_equal(found, np.asarray(Image.open(tmp_path / "own.png").convert("RGB")))


def test_a_change_is_drawn_anew() -> None:
    figure = drawn()
    before = pixels(figure)
    figure.axes[0].set_ylabel("another")
    assert (pixels(figure) != before).any()


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines 2.2 define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_and_lines_stand_out_from_their_page(dark: bool) -> None:
    figure = drawn()
    figure.draw_without_rendering()
    if dark:
        darken(figure)
    page = to_rgb(figure.get_facecolor())
    assert (luminance(page) < 0.05) == dark
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(contrast(to_rgb(text.get_color()), page) for text in texts) > 7
    # 3 to 1 is what the guidelines ask of graphics.
    lines = [line for axes in figure.axes for line in axes.lines]
    assert min(contrast(to_rgb(line.get_color()), page) for line in lines) > 3


def test_a_dark_page_leaves_the_cells_as_they_are() -> None:
    figure = confusion_matrix(np.array([[9, 1], [0, 10]]))
    before = [text.get_color() for text in figure.axes[0].texts]
    darken(figure)
    assert [text.get_color() for text in figure.axes[0].texts] == before
    assert luminance(to_rgb(figure.axes[0].get_xticklabels()[0].get_color())) > 0.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_stand_out_from_their_boxes_and_the_best_run_from_the_page(dark: bool) -> None:
    settings = {"units": [16.0, 32.0, 64.0], "activation": ["relu", "relu", "elu"]}
    figure = parallel_coordinates(settings, [0.5, 0.6, 0.9], label="accuracy")
    if dark:
        darken(figure)
    page = to_rgb(figure.get_facecolor())
    axes = figure.axes[0]
    for text in axes.texts:
        box = text.get_bbox_patch()
        assert box is not None
        assert contrast(to_rgb(text.get_color()), to_rgb(box.get_facecolor())) > 7
    *others, best = [line for line in axes.lines if len(np.asarray(line.get_xdata())) == 3]
    seen = [contrast(to_rgb(line.get_color()), page) for line in (*others, best)]
    assert seen[0] < seen[1]
    assert seen[-1] > 4.5


def test_a_text_in_a_cell_stands_out_whatever_the_colour_of_the_cell() -> None:
    for grey in np.linspace(0, 1, 11):
        assert contrast(to_rgb(readable_on(grey)), (grey, grey, grey)) > 4.5


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([1e-4, 1e-3, 1e-2, 1e-1], True),
        ([1e-3, 1.0], True),
        (np.random.default_rng(0).uniform(0, 0.5, 30), False),
        (10 ** np.random.default_rng(0).uniform(-4, -1, 30), True),
        ([0.0, 1e-3, 1.0], False),
        ([1, 2, 3], False),
    ],
)
def test_an_axis_is_logarithmic_where_values_lie_evenly_by_their_logarithm(
    values: list[float], logarithmic: bool
) -> None:
    assert is_logarithmic(values) == logarithmic


def test_a_text_with_dollar_signs_is_no_formula() -> None:
    name = r"$\foo$"
    grid = np.array([[1.0, 2.0]])
    figures = [
        heat_map([name], [name, "b"], grid, xlabel=name, ylabel=name, label=name, title=name),
        sensitivity({name: {name: [1.0]}, "b": {name: [2.0]}}, xlabel=name, ylabel=name, title=name),
        compared({name: {name: Curve([1, 2], [1.0, 2.0])}}, xlabel=name, ylabel=name, title=name),
        parallel_coordinates({name: [name, "b"]}, [1.0, 2.0], label=name, title=name),
        importance_bars({name: np.array([0.1, 0.2])}, label=name, title=name),
        map_planes({"result": grid, name: grid}, np.array([[1, 0]]), label=name, names={name: [name, "b"]}),
    ]
    for figure in figures:
        assert pixels(figure).size
