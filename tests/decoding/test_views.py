"""What is worth looking at, against what can be said by hand."""

import numpy as np
import pytest

from napari_instseg.decoding.color_views import color_of_objects, halo, near_pieces, touching_same_color
from napari_instseg.decoding.views import displacement_arrows, embedding_views, principal_components, project_to_rgb
from napari_instseg.inference.prediction import Prediction


def squares(colors, n_colors=4, size=8, gap=4, shape=(20, 60)):
    """Probabilities of squares in a row, each in its colour and `gap` pixels from the next one."""
    made = np.full((n_colors, *shape), 0.02, np.float32)
    made[0] = 0.94
    for place, color in enumerate(colors):
        part = (slice(5, 5 + size), slice(4 + place * (size + gap), 4 + place * (size + gap) + size))
        made[(slice(None), *part)] = 0.05
        made[(color, *part)] = 0.85
    return made


def decoded(colors, **parameters):
    prediction = Prediction("coloring", {"colors": colors})
    params = prediction.parameters(fill_holes=False, **parameters)
    prediction.pipeline.run(params)
    return {**prediction.pipeline.data, "parameters": params}


def view(views, name):
    return next(view for view in views if view.name == name)


def test_principal_components_are_the_eigenvectors_of_the_foreground():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((5, 30, 40)) * np.array([1, 5, 0.1, 3, 0.5])[:, None, None]
    mask = rng.random((30, 40)) < 0.5
    basis, low, high = principal_components(points, mask)
    np.testing.assert_allclose(np.abs(basis[:2, [1, 3]]), np.eye(2), atol=0.05)
    assert (high > low).all()
    picture = project_to_rgb(points, (basis, low, high))
    assert picture.shape == (30, 40, 3)
    assert np.corrcoef(picture[..., 0].ravel(), points[1].ravel())[0, 1] > 0.98


def test_colors_of_a_later_slice_are_those_of_the_first():
    rng = np.random.default_rng(1)
    first, later = rng.standard_normal((2, 4, 20, 20)).astype(np.float32)
    later = 3 * later + 1
    for name in ("pca", "random"):
        shown = view(embedding_views(), name)
        fitted = shown.fit({"embedding": first})
        alone = shown.compute({"embedding": later})
        along = shown.compute({"embedding": later, "fitted": fitted})
        np.testing.assert_array_equal(along, project_to_rgb(later, fitted))
        assert np.abs(along - alone).max() > 0.1


@pytest.mark.parametrize("clusterer", ["mean-shift", "seeded growth"])
def test_affinity_is_one_at_the_centre_and_falls_with_distance(clusterer):
    embedding = np.zeros((2, 24, 24), np.float32)
    embedding[0, :, 12:] = 5
    embedding[1, 3, 3] = 0.4  # one pixel is a little off
    prediction = Prediction("discriminative", {"embedding": embedding, "foreground": np.ones((24, 24), np.float32)})
    params = prediction.parameters(clusterer=clusterer, bandwidth=1.0, n_seeds=20)
    prediction.pipeline.run(params)
    data = {**prediction.pipeline.data, "parameters": params}
    affinity = view(embedding_views(), "affinity").compute(data)
    clusters = data["clusters"]
    own = clusters.centres[clusters.map - 1]
    distance = np.linalg.norm(np.moveaxis(embedding, 0, -1) - own, axis=-1)
    expected = 2 / (1 + np.exp(np.where(clusters.map > 0, distance, np.inf) ** 2))
    np.testing.assert_allclose(affinity, expected, atol=1e-5)
    assert affinity[3, 3] < 0.95 < affinity[10, 3]


def test_seeds_are_the_pixels_that_objects_grew_from():
    embedding = np.zeros((1, 12, 20), np.float32)
    embedding[0, :, 10:] = 9
    prediction = Prediction("discriminative", {"embedding": embedding, "foreground": np.ones((12, 20), np.float32)})
    prediction.decode(clusterer="seeded growth", n_seeds=2, diversity=1.0)
    points = view(embedding_views(), "seeds").compute(prediction.pipeline.data)
    assert sorted(embedding[(0, *points.T)].tolist()) == [0, 9]


def test_arrows_start_in_objects_and_end_where_pixels_point():
    embedding = np.stack([np.full((40, 40), 20.0), np.full((40, 40), 11.0)])
    foreground = np.zeros((40, 40))
    foreground[5:30, 5:30] = 1
    arrows = displacement_arrows({"embedding": embedding, "foreground": foreground})
    np.testing.assert_allclose(arrows.sum(axis=1), np.broadcast_to([20, 11], (len(arrows), 2)))
    assert foreground[tuple(arrows[:, 0].astype(int).T)].all()
    large = np.ones((2, 800, 900))
    assert 1000 < len(displacement_arrows({"embedding": large, "foreground": large[0]})) < 6000


def test_touching_objects_of_one_colour_are_shown_in_it():
    data = decoded(squares([1, 2, 2, 3], gap=1), min_size=5)
    picture = touching_same_color(data)
    labels = data["labels"]
    shown = sorted(set(labels[picture > 0].tolist()))
    expected = [labels[8, 4 + place * 9 + 3] for place in (1, 2)]
    assert shown == sorted(expected)
    assert set(picture[picture > 0].tolist()) == {2}
    far = decoded(squares([1, 1], gap=6), min_size=5)
    assert touching_same_color(far).max() == 0


def test_the_colour_of_an_object_is_that_of_most_of_its_pixels():
    colors = squares([3, 1])
    labels = decoded(colors, min_size=5)["labels"]
    winners = color_of_objects(colors, labels)
    assert winners[0] == 0
    assert winners[labels[8, 6]] == 3
    assert winners[labels[8, 18]] == 1


@pytest.mark.parametrize(("gap", "joined"), [(4, 2), (12, 0)])
def test_near_pieces_of_one_colour_are_joined_by_a_line(gap, joined):
    data = decoded(squares([1, 1, 1], gap=gap), min_size=5)
    lines = near_pieces(data)
    assert lines.shape == (joined, 2, 2)
    if joined:
        np.testing.assert_allclose(lines[:, 1], [[0, 8 + gap]] * joined)
        np.testing.assert_allclose(lines[0, 0], [8.5, 7.5])
    wide = decoded(squares([1, 1, 1], gap=gap), min_size=5, merge_distance=60, merge_measure="gap")
    assert len(near_pieces(wide)) == 3


def test_the_halo_shows_the_own_colour_inside_and_around_the_object():
    colors = squares([1, 1, 2], gap=4)
    labels = decoded(colors, min_size=5)["labels"]
    selected = labels[8, 6]
    picture = halo(colors, labels, selected, 6)
    np.testing.assert_allclose(picture[labels == selected], 0.85)
    assert picture[8, 16] == np.float32(0.85), "the neighbour in the same colour lies in the ring"
    assert picture[8, 14] == np.float32(0.02)
    assert picture[8, 19] == 0, "beyond the margin nothing is shown"
    assert halo(colors, labels, 99, 6).max() == 0
