"""Strips: the counts of decoding, the plateau where they do not change, and never in the way of anything else."""

import numpy as np
import pytest

from napari_instseg.core.params import Params
from napari_instseg.inference.fit import Known, only_objects
from napari_instseg.tuning import strips
from napari_instseg.tuning.strips import Point, Sensitivity, Strip, StripRequest, looked_at, sweep


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(strips, "CALM_S", 0.01)


def declared(prediction, name):
    return {parameter.name: parameter for parameter in prediction.parameters().parameters()}[name]


def whole(prediction):
    return looked_at(prediction.shape, None)


def strip_of(counts, scores=None):
    scores = scores or [None] * len(counts)
    last = len(counts) - 1
    points = [Point(i / last, float(i), n, s) for i, (n, s) in enumerate(zip(counts, scores, strict=True))]
    return Strip("p", tuple(points), Params())


def test_every_point_is_what_decoding_gives(scene):
    prediction, number = scene
    *_, last = sweep(
        prediction.new_pipeline(), prediction.parameters(), declared(prediction, "min_size"), whole(prediction)
    )
    assert last.name == "min_size"
    values = [point.value for point in last.points]
    assert values == sorted(set(values))
    assert {0, 5000} <= set(values)
    for point in last.points:
        assert point.n_objects == prediction.decode(min_size=point.value).n_objects
        assert point.score is None
    assert {point.n_objects for point in last.points} == {0, number}


def test_scores_are_those_of_the_known_objects(scene):
    prediction, _ = scene
    truth = np.where(prediction.decode().labels == 3, 7, 0)
    known = Known(prediction, only_objects(truth))
    *_, last = sweep(
        prediction.new_pipeline(), prediction.parameters(), declared(prediction, "min_size"), whole(prediction), known
    )
    assert {(point.n_objects > 0, point.score) for point in last.points} == {(True, 1.0), (False, 0.0)}
    assert last.stable == (0.0, max(point.share for point in last.points if point.score))


def test_the_stable_range_is_the_widest_in_which_the_number_hardly_changes():
    assert strip_of([500, 300, 100, 100, 101, 100, 60, 30, 1, 1, 1]).stable == (0.2, 0.5)
    assert strip_of([500, 400, 300, 200, 100, 50, 20, 10, 5, 2, 0]).stable is None
    assert strip_of([9, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]).stable is None, "one object, or none, is no plateau"


def test_scores_tell_more_than_counts():
    flat = [50] * 11
    scores = [0, 0.1, 0.2, 0.6, 0.69, 0.7, 0.69, 0.5, 0.7, 0.1, 0]
    assert strip_of(flat, scores).stable == (0.4, 0.6)


def test_only_the_middle_of_what_is_in_view_is_looked_at():
    assert looked_at((100, 200), None) == (slice(0, 100), slice(0, 200))
    assert looked_at((4096, 4096), (slice(100, 300), slice(0, 50))) == (slice(100, 300), slice(0, 50))
    window = looked_at((4096, 4096), None)
    assert window == (slice(1792, 2304), slice(1792, 2304))
    volume = looked_at((64, 1024, 1024), None)
    sides = [part.stop - part.start for part in volume]
    assert np.prod(sides) <= 1.05 * strips.MOST_PIXELS
    assert sides[0] < sides[1] == sides[2]
    assert looked_at((100, 200), (slice(500, 600), slice(0, 10))) == (slice(0, 100), slice(0, 200))


def watch(loop, **how):
    said = []
    return said, Sensitivity(said.append, pytest.fail, loop, **how)


def test_strips_of_all_names_come_rough_first_and_again_from_memory(scene, loop):
    prediction, _ = scene
    said, strips = watch(loop)
    question = StripRequest(prediction, prediction.parameters(), ("min_size", "min_score"))
    strips.ask(question)
    loop.run_until(lambda: strips.idle and len(said) >= 6)
    assert [strip.name for strip in said] == ["min_size"] * 3 + ["min_score"] * 3
    assert len(said[0].points) < len(said[2].points)
    # another value of a parameter leaves its own strip as it is
    strips.ask(StripRequest(prediction, prediction.parameters(min_size=500), ("min_size",)))
    loop.run_until(lambda: strips.idle and len(said) >= 7)
    assert said[6] is said[2]
    assert said[6].belongs_to(prediction.parameters(min_size=900))
    assert not said[6].belongs_to(prediction.parameters(min_score=0.5))
    strips.close()


def test_a_newer_question_ends_the_one_before(scene, loop):
    prediction, _ = scene
    said, strips = watch(loop)
    for size in range(30):
        strips.ask(StripRequest(prediction, prediction.parameters(min_size=size), ("min_score",)))
    last = prediction.parameters(min_size=82)
    strips.ask(StripRequest(prediction, last, ("min_score",)))
    loop.run_until(lambda: strips.idle and len(said) >= 3)
    assert len(said) == 3
    assert {point.n_objects for point in said[-1].points} == {0}
    strips.close()


def test_nothing_is_computed_while_something_else_is(scene, loop):
    prediction, _ = scene
    busy = [True]
    said, strips = watch(loop, is_busy=lambda: busy[0])
    strips.ask(StripRequest(prediction, prediction.parameters(), ("min_score",)))
    with pytest.raises(AssertionError, match="not done in time"):
        loop.run_until(lambda: bool(said), seconds=0.3)
    busy[0] = False
    loop.run_until(lambda: bool(said))
    strips.drop()
    loop.run_until(lambda: strips.idle)
    strips.close()
