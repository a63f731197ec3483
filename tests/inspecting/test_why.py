"""The list of objects, and why one of them is as it is."""

import numpy as np
import pytest

from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting.what_if import CannotFollow, turning_points
from napari_instseg.inspecting.why import Reasons, embed_objects, list_objects
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.results import Results
from napari_instseg.session.source import Source, readings

NEVER = bool  # bool() is False


def results_of(prediction, **parameters):
    source = Source(np.zeros(prediction.shape, np.float32), "image", units=("um", "um"), scale=(0.5, 0.5))
    results = Results(source, readings(source)[0], ModelSpec(name="m", method=prediction.method, diameter=9))
    params = prediction.parameters(**parameters)
    results = results.with_prediction((), prediction)
    return results.settle((), prediction.pipeline.run(params), params)


def two_halves(apart, gap=0):
    """Two rectangles side by side, `apart` in the embedding."""
    embedding = np.zeros((2, 24, 48), np.float32)
    foreground = np.zeros((24, 48), np.float32)
    embedding[0, :, 24:] = apart
    foreground[4:20, 8 : 24 - gap] = foreground[4:20, 24:40] = 0.9
    return Prediction("discriminative", {"embedding": embedding, "foreground": foreground})


def test_spread_gap_and_neighbour_are_those_of_the_slow_way():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, (30, 40)).astype(np.int32)
    embedding = rng.standard_normal((3, 30, 40)).astype(np.float32)
    found = embed_objects(embedding, labels)
    means = [embedding[:, labels == k].mean(axis=1) for k in range(1, 8)]
    for k, mean in enumerate(means):
        own = embedding[:, labels == k + 1]
        assert found.spread[k] == pytest.approx(np.sqrt(((own - mean[:, None]) ** 2).sum(axis=0).mean()), rel=1e-4)
        apart = [np.inf if j == k else np.linalg.norm(mean - other) for j, other in enumerate(means)]
        assert found.gap[k] == pytest.approx(min(apart), rel=1e-4)
        assert found.neighbour[k] == np.argmin(apart) + 1
    alone = embed_objects(embedding, (labels == 1).astype(np.int32))
    assert alone.neighbour.tolist() == [0]


def test_the_bandwidth_at_which_two_objects_merge_is_found():
    prediction = two_halves(2.0)
    results = results_of(prediction, bandwidth=0.6, min_size=10, fill_holes=False)
    plane = results.slices[()]
    label = int(plane.labels[10, 12])
    turns = list(turning_points(prediction, plane.parameters, plane.labels, label))
    bandwidth = {turn.value > turn.now: turn for turn in turns if turn.parameter.name == "bandwidth"}
    other = int(plane.labels[10, 30])
    merge = bandwidth[True]
    assert merge.fate == f"it merges with object {other}"
    for value, merged in ((merge.value * 0.97, False), (merge.value * 1.1, True)):
        labels = prediction.decode(bandwidth=value, min_size=10, fill_holes=False).labels
        assert (labels[10, 12] == labels[10, 30]) == merged
    vanish = next(turn for turn in turns if turn.parameter.name == "foreground_threshold")
    assert vanish.fate == "it vanishes"
    assert vanish.value == pytest.approx(0.9, abs=0.02)


def test_what_breaks_an_object_is_found():
    prediction = two_halves(0.5)
    results = results_of(prediction, bandwidth=1.0, min_size=10, fill_holes=False)
    plane = results.slices[()]
    assert plane.segmentation.n_objects == 1
    turns = list(turning_points(prediction, plane.parameters, plane.labels, 1))
    broken = next(turn for turn in turns if turn.parameter.name == "bandwidth")
    assert broken.fate == "it breaks into 2"
    assert broken.value < broken.now
    assert str(broken).startswith("Bandwidth below 0.")
    assert "(now 1)" in str(broken)


def test_values_are_tried_up_to_the_ends_of_the_range_and_not_beyond():
    from napari_instseg.inspecting.what_if import _ladders
    from napari_instseg.methods import methods

    tried = 0
    for method in methods().values():
        own = method.decode()
        for parameter in own.parameters():
            if parameter.kind not in ("int", "float"):
                continue
            for ladder in _ladders(parameter, getattr(own, parameter.name)):
                assert ladder[0] == getattr(own, parameter.name)
                steps = np.abs(np.diff(ladder))
                assert (np.diff(steps) > 0).all(), "the nearest values are closest together"
                for value in ladder:
                    own.changed(**{parameter.name: round(value) if parameter.kind == "int" else value})
                tried += 1
    assert tried > 40


def test_the_search_ends_when_another_object_is_selected():
    prediction = two_halves(2.0)
    plane = results_of(prediction, bandwidth=0.6, min_size=10).slices[()]
    assert list(turning_points(prediction, plane.parameters, plane.labels, 1, lambda: True)) == []


def test_reasons_tell_size_score_spread_and_neighbour():
    results = results_of(two_halves(2.0), bandwidth=0.6, min_size=10, fill_holes=False)
    labels = results.slices[()].labels
    label, other = int(labels[10, 12]), int(labels[10, 30])
    reasons = list(Reasons().explain(results, (), label, NEVER))
    facts = " ".join(reasons[0].facts)
    assert f"Object {label}: 256 px (64 µm²), confidence 0.9" in facts
    assert f"Nearest in the embedding: object {other}, 2 away" in facts
    assert "bandwidth 0.6" in facts
    assert not reasons[0].complete
    assert reasons[-1].complete
    assert any("merges" in turn.fate for turn in reasons[-1].turns)
    assert list(Reasons().explain(results, (), 99, NEVER)) == []


def test_reasons_of_a_colouring_tell_the_nearest_object_of_the_same_colour(scene):
    results = results_of(scene[0], min_size=10)
    labels = results.slices[()].labels
    twins = {int(labels[8 + 18, 8 + 2 * 18]), int(labels[8 + 2 * 18, 8 + 18])}
    facts = next(Reasons().explain(results, (), int(labels[8, 8]), NEVER)).facts
    expected = {f"Colour 1. The nearest object of this colour, {twin}, is 29.7 px away." for twin in twins}
    assert facts[1] in expected  # the hypotenuse of 10 and 28


def test_objects_drawn_by_hand_are_measured_too(scene):
    results = results_of(scene[0])
    labels = results.slices[()].labels.copy()
    labels[0, :5] = 777
    results = results.amend((), labels, {777})
    reasons = list(Reasons().explain(results, (), 777, NEVER))
    assert reasons[0].facts[0].startswith("Object 777: 5 px")
    assert reasons[-1].turns == ()
    assert "drawn by hand" in reasons[-1].facts[-1]


def test_the_list_has_every_object_of_every_slice(scene):
    prediction, number = scene
    source = Source(np.zeros((3, *prediction.shape), np.float32), "stack", axis_labels=("z", "y", "x"))
    results = Results(source, readings(source)[0], ModelSpec(name="m", method="coloring", diameter=9))
    params = prediction.parameters()
    assert len(list_objects(results).label) == 0
    for index in ((0,), (2,)):
        results = results.with_prediction(index, prediction)
        results = results.settle(index, prediction.pipeline.run(params), params)
    listed = list_objects(results)
    assert len(set(listed.label)) == len(listed.label) == 2 * number
    labels = results.labels()
    for label, area, centre in zip(listed.label, listed.area, listed.centre, strict=True):
        assert labels[tuple(np.round(centre).astype(int))] == label
        assert area == np.count_nonzero(labels == label)
    assert listed.row_of[int(listed.label[5])] == 5


def test_where_the_surroundings_do_not_tell_all_of_the_image_is_decoded():
    labels = np.zeros((400, 40), np.int32)
    foreground = np.zeros((400, 40), np.float32)
    foreground[10:30, 10:30] = 0.9
    foreground[350:380, 5:35] = 0.9
    embedding = np.zeros((2, 400, 40), np.float32)
    prediction = Prediction("discriminative", {"embedding": embedding, "foreground": foreground})
    # one object in two places far from each other: beside the one there is nothing of the other
    params = prediction.parameters(connected=False, min_size=600, fill_holes=False, absorb=False)
    labels = prediction.decode(**params.model_dump()).labels
    assert labels[20, 20] == labels[360, 20] > 0
    with pytest.raises(CannotFollow):
        list(turning_points(prediction, params, np.where(labels > 0, 0, 1).astype(np.int32), 1))
    small = np.zeros_like(labels)
    small[10:30, 10:30] = 1
    turns = list(turning_points(prediction, params, small, 1))
    assert any(turn.parameter.name == "foreground_threshold" for turn in turns)
