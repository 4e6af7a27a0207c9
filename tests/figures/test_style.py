from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnlab.figures.comparison import Curve, compared
from cnnlab.figures.curves import learning_curves
from cnnlab.figures.landscape import importance_bars, map_planes, parallel_coordinates
from cnnlab.figures.sensitivity import heat_map, sensitivity
from cnnlab.figures.style import is_logarithmic, new_figure, pixels, save


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


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([1e-4, 1e-3, 1e-2, 1e-1], True),
        ([1e-3, 1.0], True),
        ([4.7e-4, 2e-3, 9e-3, 3.7e-2], True),
        ([1.0, 2.0, 4.0, 8.0], False),
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
