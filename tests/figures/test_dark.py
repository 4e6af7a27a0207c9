import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from cnnlab.figures.confusion import confusion_matrix
from cnnlab.figures.curves import learning_curves
from cnnlab.figures.dark import darken
from cnnlab.figures.images import image_grid, picture
from cnnlab.figures.landscape import parallel_coordinates
from cnnlab.figures.sensitivity import heat_map
from cnnlab.figures.style import pixels, readable_on


def luminance(color: tuple[float, ...]) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines 2.2 define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_and_lines_stand_out_from_their_page(dark: bool) -> None:
    figure = learning_curves({"epoch": [1, 2], "train/loss": [1.0, 0.5], "val/loss": [1.1, 0.7]}, title="t")
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


def test_a_dark_page_leaves_the_cells_of_other_scales_as_they_are() -> None:
    named = {"xlabel": "x", "ylabel": "y", "label": "error (%)"}
    figure = heat_map([1, 2], [3, 4], np.array([[9.0, 1.0], [0.0, 10.0]]), **named)
    before = [text.get_color() for text in figure.axes[0].texts]
    darken(figure)
    assert [text.get_color() for text in figure.axes[0].texts] == before
    assert luminance(to_rgb(figure.axes[0].get_xticklabels()[0].get_color())) > 0.5


def test_an_empty_cell_of_a_confusion_matrix_is_as_dark_as_the_page_and_numbers_stand_out() -> None:
    figure = confusion_matrix(np.array([[90, 10, 0], [0, 50, 50], [1, 1, 98]]))
    darken(figure)
    (image,) = figure.axes[0].images
    colors = np.asarray(image.to_rgba(np.ma.asarray(image.get_array())))
    assert contrast(tuple(colors[0, 2]), to_rgb(figure.get_facecolor())) < 1.1
    assert luminance(tuple(colors[0, 0])) > 3 * luminance(tuple(colors[0, 1]))
    for text in figure.axes[0].texts:
        column, row = map(round, text.get_position())
        assert contrast(to_rgb(text.get_color()), tuple(colors[row, column])) > 4


def test_a_drawing_on_white_is_turned_round_and_a_photograph_is_not() -> None:
    image = np.full((30, 800, 3), 255, np.uint8)
    image[10:20] = 0
    image[20:] = (200, 255, 200)
    drawing, photograph = picture(image), image_grid(image[None])
    before = pixels(photograph)
    darken(drawing)
    darken(photograph)
    shown = np.asarray(drawing.axes[0].images[0].get_array())
    assert luminance(tuple(shown[0, 0])) < 0.05
    assert luminance(tuple(shown[15, 0])) > 0.5
    red, green, _ = shown[25, 0]
    assert green > red
    assert luminance(tuple(shown[25, 0])) < 0.1
    assert (pixels(photograph)[40:60, 40:60] == before[40:60, 40:60]).all()


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
