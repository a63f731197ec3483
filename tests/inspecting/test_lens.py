"""The lens: what it shows and says of pixels, on predictions made by hand."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting import lens as module
from napari_instseg.inspecting.lens import Glance, Lens, Lenses, why_no_lens


@pytest.fixture
def embedded(results_of):
    """Three squares: the first two 0.5 apart in the embedding, the third 4 from the first."""
    embedding = np.zeros((2, 20, 60), np.float32)
    foreground = np.zeros((20, 60), np.float32)
    for place, value in enumerate((0.0, 0.5, 4.0)):
        part = (slice(4, 16), slice(4 + 20 * place, 16 + 20 * place))
        embedding[(0, *part)] = value
        foreground[part] = 1
    return results_of(
        Prediction("discriminative", {"embedding": embedding, "foreground": foreground}), bandwidth=1.0, min_size=10
    )


A, A2, B, C, OUTSIDE = (8, 8), (10, 12), (8, 28), (8, 48), (0, 0)


def test_two_pixels_are_compared_in_words(embedded):
    lens = Lens(embedded, ())
    labels = embedded.slices[()].labels
    assert lens.distance(A, C) == pytest.approx(4)
    assert lens.compare(A, A2) == f"0 apart, bandwidth 1: same object ({labels[A]})."
    assert lens.compare(A, C) == f"4 apart, bandwidth 1: different objects ({labels[A]} and {labels[C]})."
    assert lens.compare(A, B) == (
        f"0.5 apart, bandwidth 1: alike, yet different objects ({labels[A]} and {labels[B]}), pieces that do not touch."
    )
    assert "the second is not in an object" in lens.compare(A, OUTSIDE)
    assert "neither is in an object" in lens.compare(OUTSIDE, (19, 59))
    assert lens.describe(A) == f"Pixel (8, 8) in object {labels[A]}"
    assert "background" in lens.describe(OUTSIDE)


def touching(results_of, **parameters):
    """Two squares that touch, 2 apart in the embedding."""
    embedding, foreground = np.zeros((2, 20, 40), np.float32), np.zeros((20, 40), np.float32)
    embedding[0, 4:16, 20:36] = 2
    foreground[4:16, 4:36] = 1
    return results_of(
        Prediction("discriminative", {"embedding": embedding, "foreground": foreground}),
        bandwidth=1.0,
        min_size=10,
        **parameters,
    )


LEFT, RIGHT = (8, 8), (8, 30)


def test_the_reason_is_that_of_the_decoder_where_neighbours_were_joined(results_of):
    apart = Lens(touching(results_of), ())
    assert "different objects" in apart.compare(LEFT, RIGHT)
    joined = Lens(touching(results_of, merge_alike=3.0), ())
    assert joined.compare(LEFT, RIGHT) == (
        "2 apart, bandwidth 1: yet the same object (1), of two that 'Join similar neighbours' joined."
    )


def test_the_reason_is_the_correction_where_it_was_joined_or_split_by_hand(results_of):
    results = touching(results_of)
    labels = results.slices[()].labels.copy()
    labels[labels == labels[RIGHT]] = labels[LEFT]
    joined = Lens(results.amend((), labels, {int(labels[LEFT])}), ())
    assert joined.compare(LEFT, RIGHT).endswith(f"yet the same object ({labels[LEFT]}), as it was corrected.")
    results = touching(results_of)
    labels = results.slices[()].labels.copy()
    labels[10:16, 4:20] = 9
    split = Lens(results.amend((), labels, {9}), ())
    assert split.compare(LEFT, (13, 8)).endswith("and 9), as they were corrected.")


def test_the_picture_is_the_similarity_in_the_foreground(embedded):
    lens = Lens(embedded, ())
    lens.show(A)
    assert lens.picture[A2] == 100
    assert lens.picture[B] == pytest.approx(100 * 2 / (1 + np.exp(0.25)), abs=1)
    assert lens.picture[C] == 0
    assert lens.picture[OUTSIDE] == 0


def test_what_is_in_view_is_answered_first_and_like_the_whole(embedded, monkeypatch):
    monkeypatch.setattr(module, "VIEW_FIRST", 100)
    window = (slice(2, 18), slice(0, 30))
    answers = Lenses().look(Glance(embedded, (), A, window), lambda: False)
    lens, _ = next(answers)
    first = lens.picture.copy()
    next(answers)
    np.testing.assert_array_equal(first[window], lens.picture[window])
    lens.show(C)
    answers = Lenses().look(Glance(embedded, (), C, window), lambda: False)
    first = next(answers)[0].picture
    assert first[C] == 0, "what is out of view is not worked on yet"
    assert next(answers)[0].picture[C] == 100


def test_the_lens_is_ground_anew_for_another_decode(embedded):
    lenses = Lenses()
    (one, _) = next(lenses.look(Glance(embedded, (), A), lambda: False))
    (same, _) = next(lenses.look(Glance(embedded, (), B), lambda: False))
    assert same is one
    prediction = embedded.predictions[()]
    params = prediction.parameters(bandwidth=2.0, min_size=10)
    embedded = embedded.settle((), prediction.pipeline.run(params), params)
    (other, _) = next(lenses.look(Glance(embedded, (), A), lambda: False))
    assert other.judge.limit == 2


def test_colours_are_compared_by_their_probabilities(scene, results_of):
    results = results_of(scene[0])
    lens = Lens(results, ())
    same, other = (8, 8), (8, 8 + 18)
    assert lens.compare(same, (9, 9)).startswith("Same colour with probability 0.73: same object")
    assert "different objects" in lens.compare(same, other)
    twin = (8, 8 + 3 * 18)
    assert "pieces that do not touch" in lens.compare(same, twin)
    lens.show(same)
    assert lens.picture[twin] == pytest.approx(100 * (0.85**2 + 2 * 0.05**2), abs=1)


def test_without_an_embedding_or_colours_there_is_no_lens(embedded):
    assert why_no_lens(embedded, ()) == ""
    assert "Run" in why_no_lens(None, ())
    assert "run it again" in why_no_lens(embedded, (2,))
    with pytest.raises(InputError, match="run it again"):
        Lens(embedded, (2,))
