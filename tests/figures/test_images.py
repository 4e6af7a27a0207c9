from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.figures.images import (
    CELL,
    GAP,
    HEADING_HEIGHT,
    NAME_WIDTH,
    TITLE_HEIGHT,
    captioned_rows,
    image_grid,
    image_rows,
)
from cnnlab.figures.style import save


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("titled", [False, True])
def test_every_pixel_is_a_crisp_square_of_the_page(tmp_path: Path, channels: int, titled: bool) -> None:
    images = random_images(5, 32, 32, channels)
    path = save(image_grid(images, ["x"] * 5 if titled else None, columns=3), tmp_path / "grid.png")
    page = np.asarray(Image.open(path).convert("RGB"))
    head = GAP + TITLE_HEIGHT * titled
    assert page.shape == (2 * (head + CELL) + GAP, 3 * (CELL + GAP) + GAP, 3)
    for index, image in enumerate(images):
        row, column = divmod(index, 3)
        top, left = head + row * (head + CELL), GAP + column * (CELL + GAP)
        shown = page[top : top + CELL, left : left + CELL]
        expected = np.broadcast_to(image, (32, 32, 3)).repeat(4, axis=0).repeat(4, axis=1)
        np.testing.assert_array_equal(shown, expected)


def test_titles_stand_above_their_images_in_order() -> None:
    axes = image_grid(
        random_images(4, 8, 12, 3), ["cat", "dog", "a $ b", "a name far too long"], columns=2
    ).axes[0]
    assert [text.get_text() for text in axes.texts] == ["cat", "dog", "a $ b", "a name far t…"]
    for text, image in zip(axes.texts, axes.images, strict=True):
        left, right, _, top = image.get_extent()
        assert text.get_position() == ((left + right) / 2, top - 6)
    axes.get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["Black_footed_Albatross", "→ WWWWWWWWWWWWWWWW", "<script>alert(1)</script>"]
)
def test_titles_keep_within_their_images(name: str) -> None:
    figure = image_grid(random_images(6, 32, 32, 3), [name] * 6, columns=3)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for text, image in zip(axes.texts, axes.images, strict=True):
        left, right, _, _ = image.get_extent()
        drawn = text.get_window_extent()
        assert text.get_text().endswith("…")
        assert left - 2 <= drawn.x0 < drawn.x1 <= right + 2


@pytest.mark.parametrize("side", [1, 28, 224, 600])
def test_pages_of_any_image_size_are_of_a_sensible_size(side: int) -> None:
    width, height = image_grid(random_images(2, side, side, 1)).get_size_inches() * 150
    assert 2 * 100 < width < 2 * 300
    assert 100 < height < 300


@pytest.mark.parametrize(
    "images",
    [random_images(0, 4, 4, 3), random_images(4, 4, 3), random_images(2, 3, 4, 5), np.zeros((1, 4, 4, 3))],
)
def test_what_is_no_batch_of_images_is_told(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="images are uint8 of shape"):
        image_grid(images)


@pytest.mark.parametrize("count", [1, 4, 8])
def test_a_heading_is_whole_and_within_the_page_however_few_images_there_are(count: int) -> None:
    title = "Surest mistakes, true → said. Test of ConvNet on digits, seed 0"
    figure = image_grid(random_images(count, 8, 8, 1), ["x"] * count, title=title)
    axes = figure.axes[0]
    heading = axes.texts[-1]
    assert heading.get_text().replace("\n", " ") == title
    box = heading.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= axes.bbox.width
    assert box.y1 <= axes.bbox.height
    assert box.y0 > axes.texts[0].get_window_extent().y1


def test_titles_and_columns_that_do_not_match_are_told() -> None:
    with pytest.raises(ValueError, match="1 titles for 2 images"):
        image_grid(random_images(2, 4, 4, 3), ["cat"])
    with pytest.raises(ValueError, match="at least 1"):
        image_grid(random_images(2, 4, 4, 3), columns=0)


@pytest.mark.parametrize("title", ["", "before and after"])
def test_rows_are_crisp_and_in_their_order(tmp_path: Path, title: str) -> None:
    rows = {"noisy": random_images(3, 32, 32, 1), "clean": 255 - random_images(3, 32, 32, 1)}
    page = np.asarray(Image.open(save(image_rows(rows, title=title), tmp_path / "rows.png")).convert("RGB"))
    head = HEADING_HEIGHT if title else GAP
    assert page.shape == (head + 2 * (CELL + GAP), NAME_WIDTH + 3 * (CELL + GAP), 3)
    for row, images in enumerate(rows.values()):
        for column, image in enumerate(images):
            top, left = head + row * (CELL + GAP), NAME_WIDTH + column * (CELL + GAP)
            shown = page[top : top + CELL, left : left + CELL]
            expected = np.broadcast_to(image, (32, 32, 3)).repeat(4, axis=0).repeat(4, axis=1)
            np.testing.assert_array_equal(shown, expected)


def test_each_row_has_its_name_at_its_height() -> None:
    images = random_images(2, 8, 8, 3)
    axes = image_rows({"noisy": images, "a $ b": images, "clean": images}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["noisy", "a $ b", "clean"]
    for text, image in zip(axes.texts, axes.images[::2], strict=True):
        _, _, bottom, top = image.get_extent()
        assert text.get_position()[1] == (top + bottom) / 2


def test_rows_that_are_not_of_one_shape_are_told() -> None:
    with pytest.raises(ValueError, match="rows of images are of one shape"):
        image_rows({"a": random_images(2, 8, 8, 1), "b": random_images(3, 8, 8, 1)})
    with pytest.raises(ValueError, match="rows of images are of one shape"):
        image_rows({})
    with pytest.raises(ValueError, match="images are uint8 of shape"):
        image_rows({"a": np.zeros((1, 4, 4, 1))})


def test_titles_of_several_lines_do_not_meet_an_image_or_each_other() -> None:
    figure = image_grid(random_images(8, 32, 32, 3), ["automobile\n→ automobile\n100.0%"] * 8, 4, title="all")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    images = [image.get_window_extent() for image in axes.images]
    assert not any(box.overlaps(image) for box in boxes for image in images)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_rows_stand_below_their_sentences(tmp_path: Path) -> None:
    rows = {
        "cat taken for dog: 3 of 9": random_images(3, 32, 32, 1),
        "dog for cat": random_images(1, 32, 32, 1),
    }
    figure = captioned_rows(rows, title="mistakes")
    page = np.asarray(Image.open(save(figure, tmp_path / "rows.png")).convert("RGB"))
    line = TITLE_HEIGHT + GAP + CELL + GAP
    for row, images in enumerate(rows.values()):
        for column, image in enumerate(images):
            top = HEADING_HEIGHT + row * line + TITLE_HEIGHT + GAP
            left = GAP + column * (CELL + GAP)
            expected = np.broadcast_to(image, (32, 32, 3)).repeat(4, axis=0).repeat(4, axis=1)
            np.testing.assert_array_equal(page[top : top + CELL, left : left + CELL], expected)
    with pytest.raises(ValueError, match="of one size"):
        captioned_rows({"a": random_images(1, 8, 8, 1), "b": random_images(1, 9, 9, 1)})
