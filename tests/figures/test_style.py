from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnlab.figures.style import new_figure, save


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
    def full_disk(self: Figure, target: Path, **options: object) -> None:
        target.write_bytes(b"\x89PNG half of it")
        raise OSError("no space left on device")

    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save(new_figure(1, 1), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]
