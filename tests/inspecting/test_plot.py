"""The plot of an embedding: every pixel has its cell, and a lasso finds its pixels again."""

import numpy as np
import pytest

from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting.plot import PROJECTIONS, SIDE, make_plot


@pytest.fixture
def heaps(results_of):
    """Three rectangles, each a heap of its own in the embedding, 0, 4 and 10 from the first."""
    rng = np.random.default_rng(0)
    embedding = rng.normal(0, 0.1, (4, 40, 90)).astype(np.float32)
    foreground = np.zeros((40, 90), np.float32)
    for place, value in enumerate((0, 4, 10)):
        part = (slice(5, 35), slice(5 + 30 * place, 25 + 30 * place))
        embedding[(2, *part)] += value
        foreground[part] = 1
    prediction = Prediction("discriminative", {"embedding": embedding, "foreground": foreground})
    return results_of(prediction, bandwidth=1.0, min_size=10, fill_holes=False)


def test_a_lasso_around_a_heap_finds_the_pixels_of_its_object(heaps):
    plot = make_plot(heaps, (), "main")
    labels = heaps.slices[()].labels
    for pixel in ((20, 15), (20, 45), (20, 75)):
        own = labels == labels[pixel]
        rows, columns = np.nonzero(plot.cells_of(own))
        low, high = np.array([rows.min(), columns.min()]) - 1, np.array([rows.max(), columns.max()]) + 1
        corners = np.array([low, (low[0], high[1]), high, (high[0], low[1])], float)
        np.testing.assert_array_equal(plot.pixels_in(corners), own)
        assert plot.describe(own) == f"600 pixels in 1 object: {labels[pixel]}."
    assert plot.describe(labels == 0).endswith("in no object.")


def test_distances_in_the_plot_are_those_of_the_embedding(heaps):
    plot = make_plot(heaps, (), "main")
    first, second, third = (np.array(plot.place(pixel)) for pixel in ((20, 15), (20, 45), (20, 75)))
    assert np.linalg.norm(first - third) / plot.unit == pytest.approx(10, rel=0.1)
    assert np.linalg.norm(first - second) / np.linalg.norm(first - third) == pytest.approx(0.4, abs=0.06)
    assert plot.bar == ("bandwidth", pytest.approx(plot.unit))
    assert plot.place((0, 0)) is None


def test_the_picture_shows_each_heap_in_the_colour_of_its_object(heaps):
    plot = make_plot(heaps, (), "main")
    labels = heaps.slices[()].labels
    palette = np.array([[128, 128, 128], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    picture = plot.picture(palette)
    assert picture.shape == (SIDE, SIDE, 3)
    for label in (1, 2, 3):
        colors = picture[plot.cells_of(labels == label)]
        assert (colors[:, label - 1] > 0).all()
        assert (np.delete(colors, label - 1, axis=1) == 0).all()
    everything = plot.cells_of(np.ones(labels.shape, bool))
    assert (picture[~everything] == 0).all()


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_every_foreground_pixel_has_a_cell_whatever_the_projection(heaps, projection):
    plot = make_plot(heaps, (), projection)
    np.testing.assert_array_equal(plot.cell >= 0, heaps.slices[()].labels > 0)
    assert plot.cell.max() < SIDE**2


def test_after_a_new_decode_only_the_objects_are_replaced(heaps):
    plot = make_plot(heaps, (), "main")
    prediction = heaps.predictions[()]
    params = prediction.parameters(bandwidth=5.0, min_size=10, fill_holes=False, connected=False)
    heaps = heaps.settle((), prediction.pipeline.run(params), params)
    again = make_plot(heaps, (), "main", plot)
    assert again.cell is plot.cell
    assert len(np.unique(again.labels)) < len(np.unique(plot.labels))
    assert again.bar[1] == pytest.approx(5 * plot.unit)
    assert make_plot(heaps, (), "further", plot).cell is not plot.cell


def test_colours_are_plotted_too(scene, results_of):
    results = results_of(scene[0])
    plot = make_plot(results, (), "main")
    labels = results.slices[()].labels
    assert plot.place((8, 8)) == plot.place((8, 8 + 3 * 18))
    assert plot.place((8, 8)) != plot.place((8, 8 + 18))
    np.testing.assert_array_equal(plot.cell >= 0, labels > 0)
    assert plot.bar is None


def test_without_objects_there_is_nothing_to_plot(scene, results_of):
    results = results_of(scene[0])
    assert make_plot(results, (4,), "main") is None
