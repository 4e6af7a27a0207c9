import numpy as np
import pytest
from matplotlib import colormaps

from cnnlab.figures.filters import CELL, GAP, filter_grid, responses


def test_grey_filters_fill_a_grid_with_their_weights_on_one_scale() -> None:
    kernels = np.random.default_rng(0).normal(size=(10, 1, 3, 3))
    (image,) = filter_grid(kernels).axes[0].images
    shown = np.ma.filled(image.get_array(), np.nan)
    scale = CELL // 3
    pitch = 3 * scale + GAP
    for number, kernel in enumerate(kernels[:, 0]):
        row, column = divmod(number, 8)
        top, left = GAP + row * pitch, GAP + column * pitch
        cell = shown[top : top + 3 * scale, left : left + 3 * scale]
        np.testing.assert_array_equal(cell[::scale, ::scale], kernel)
        assert np.isnan(shown[top - 1, left]), "between filters nothing is drawn"
    assert (image.norm.vmin, image.norm.vmax) == (-np.abs(kernels).max(), np.abs(kernels).max())


def test_filters_on_colours_are_stretched_around_grey() -> None:
    kernels = np.zeros((1, 3, 1, 2))
    kernels[0, :, 0, 0] = [2.0, -2.0, 0.0]
    (image,) = filter_grid(kernels).axes[0].images
    cell = np.asarray(image.get_array())[GAP : GAP + 1, GAP:-GAP]
    np.testing.assert_allclose(cell[0, 0], [1.0, 0.0, 0.5])
    np.testing.assert_allclose(cell[0, -1], [0.5, 0.5, 0.5])


def test_filters_on_many_channels_are_rows() -> None:
    figure = filter_grid(np.ones((4, 20, 3, 3)), title="conv2")
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("input channel", "filter")
    assert figure.get_suptitle() == "conv2\n4 filters, 16 of 20 input channels of each"


def test_the_strongest_maps_stand_beside_each_image() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 4, 4, 1), dtype=np.uint8)
    maps = np.zeros((2, 9, 2, 2))
    maps[:, 3:] = random.uniform(1, 2, (2, 6, 2, 2))
    maps[:, 1] = -100.0  # strong, but against what the filter looks for
    axes = responses(images, ["cat", "dog"], {"conv1": maps}).axes[0]
    titles = [text.get_text() for text in axes.texts]
    assert titles == [
        "cat",
        *(f"conv1, {i}" for i in range(3, 9)),
        "dog",
        *(f"conv1, {i}" for i in range(3, 9)),
    ]
    shown = np.asarray(axes.images[1].get_array())
    expected = colormaps["viridis"](maps[0, 3] / maps[0, 3].max(), bytes=True)[..., :3]
    np.testing.assert_array_equal(shown, expected.repeat(2, axis=0).repeat(2, axis=1))


def test_maps_of_a_layer_that_is_nowhere_positive_are_not_blank() -> None:
    maps = np.array([[[[-3.0, -1.0], [-2.0, -3.0]]]])
    axes = responses(np.zeros((1, 2, 2, 1), np.uint8), ["digit"], {"output": maps}).axes[0]
    expected = colormaps["viridis"](np.array([[0.0, 1.0], [0.5, 0.0]]), bytes=True)[..., :3]
    np.testing.assert_array_equal(np.asarray(axes.images[1].get_array()), expected)


def test_a_single_filter_is_one() -> None:
    assert filter_grid(np.ones((1, 1, 3, 3))).get_suptitle() == "1 filter"


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match="kernels are"):
        filter_grid(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="maps of shape"):
        responses(np.zeros((2, 4, 4, 1), np.uint8), ["a", "b"], {"conv1": np.zeros((1, 2, 2, 2))})
