import io

import numpy as np
import pytest
from PIL import Image

from cnnlab.report.embedding import Picture, fitting, is_png, shown_width


def noise(width=1500, height=900):
    """A PNG file that compresses badly."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, format="png")
    return written.getvalue()


@pytest.fixture(scope="module")
def heavy():
    content = noise()
    return [Picture(f"{i}", "", content) for i in range(3)]


def test_what_fits_is_left_as_it_is(heavy):
    assert fitting(heavy, sum(one.size for one in heavy)) == heavy


def test_what_is_too_large_gets_smaller_and_stays_a_picture(heavy):
    found = fitting(heavy, 3_000_000)
    assert [one.name for one in found] == ["0", "1", "2"]
    assert sum(one.size for one in found) <= 3_000_000
    for one in found:
        with Image.open(io.BytesIO(one.light)) as image:
            assert image.width / image.height == pytest.approx(1500 / 900, rel=0.01)


def test_the_last_ones_go_where_nothing_else_helps(heavy):
    found = fitting(heavy, 250_000)
    assert [one.name for one in found] == ["0"]


def test_what_cannot_be_read_is_left_out_where_there_is_no_room(heavy):
    broken = Picture("broken", "", heavy[0].light[:5000])
    assert is_png(broken.light)
    assert [one.name for one in fitting([broken, heavy[0]], 1_500_000)] == ["0"]


def test_a_figure_is_shown_at_two_thirds_of_its_pixels(heavy):
    assert shown_width(heavy[0].light) == 1000
