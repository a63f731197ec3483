"""Similarity to one pixel, against the formulas written out."""

import numpy as np
import pytest

from napari_instseg.decoding import affinity
from napari_instseg.decoding.affinity import Yardstick, show_alike, show_same_color, yardstick
from napari_instseg.methods import get_method


@pytest.fixture
def embedding():
    return np.random.default_rng(0).standard_normal((5, 30, 41)).astype(np.float32)


@pytest.mark.parametrize(
    ("kernel", "formula"),
    [
        ("logistic", lambda d: 2 / (1 + np.exp(d**2))),
        ("gaussian", lambda d: np.exp(-(d**2) / 2)),
        ("laplacian", lambda d: np.exp(-d)),
    ],
)
def test_similarity_to_a_pixel_is_the_kernel_of_the_distance(embedding, kernel, formula):
    mask = np.random.default_rng(1).random((30, 41)) < 0.8
    picture = np.zeros((30, 41), np.uint8)
    scale = 2.5
    show_alike(embedding, mask, embedding[:, 3, 4], Yardstick("b", 1.0, kernel, scale), picture)
    distance = np.linalg.norm(embedding - embedding[:, 3, 4, None, None], axis=0)
    expected = np.where(mask, 100 * formula(distance / scale), 0)
    np.testing.assert_allclose(picture, expected, atol=1)
    assert picture[3, 4] == (100 if mask[3, 4] else 0)


def test_far_pixels_are_not_alike_at_all():
    embedding = np.zeros((1, 4, 4), np.float32)
    embedding[0, 2:] = 3e6
    picture = np.ones((4, 4), np.uint8)
    show_alike(embedding, np.ones((4, 4), bool), embedding[:, 0, 0], Yardstick("b", 1.0, "laplacian"), picture)
    assert (picture[:2] == 100).all()
    assert (picture[2:] == 0).all()


def test_volumes_are_looked_at_like_images(embedding):
    volume = embedding.reshape(5, 3, 10, 41)
    flat, deep = np.zeros((30, 41), np.uint8), np.zeros((3, 10, 41), np.uint8)
    judge, everywhere = Yardstick("b", 1.0), np.ones((30, 41), bool)
    show_alike(embedding, everywhere, embedding[:, 0, 0], judge, flat)
    show_alike(volume, everywhere.reshape(3, 10, 41), embedding[:, 0, 0], judge, deep)
    np.testing.assert_array_equal(flat.ravel(), deep.ravel())


def test_the_probability_of_a_common_colour(embedding):
    colors = np.exp(embedding)
    colors /= colors.sum(axis=0)
    picture = np.zeros((30, 41), np.uint8)
    show_same_color(colors, colors[:, 7, 8], picture)
    expected = 100 * np.einsum("cyx,c->yx", colors[1:], colors[1:, 7, 8])
    np.testing.assert_allclose(picture, expected, atol=0.51)


def test_a_look_that_nobody_wants_any_more_ends(embedding, monkeypatch):
    monkeypatch.setattr(affinity, "PART", 41)
    picture = np.full((30, 41), 101, np.uint8)
    left = iter([True, True, False])
    everywhere = np.ones((30, 41), bool)
    show_alike(embedding, everywhere, embedding[:, 0, 0], Yardstick("b", 1.0), picture, lambda: next(left))
    assert (picture[:2] <= 100).all()
    assert (picture[2:] == 101).all()


def test_the_yardstick_is_what_the_clusterer_compares_with(embedding):
    decode = get_method("discriminative").decode
    data = {"embedding": embedding, "spread": np.array([0.2, 0.4, 0.9])}
    assert yardstick(data, decode(bandwidth=1.25)).limit == 1.25
    grown = yardstick(data, decode(clusterer="seeded growth", similarity=0.5, kernel="gaussian", kernel_scale=2.0))
    assert grown.limit == pytest.approx(2 * np.sqrt(2 * np.log(2)), rel=1e-3)
    assert grown.affinity(grown.limit) == pytest.approx(0.5, abs=1e-3)
    assert yardstick(data, decode(clusterer="hdbscan")).limit == pytest.approx(0.8)
    kernel = yardstick({**data, "sigma": np.ones((30, 41))}, get_method("semiconv").decode(bandwidth=1.5))
    assert (kernel.kernel, kernel.scale, kernel.limit) == ("laplacian", 1.0, 1.5)
