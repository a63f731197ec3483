"""Which objects are doubtful."""

from dataclasses import replace

import numpy as np
import pytest

from napari_instseg.annotating.next_object import find_doubts, nudged, stability
from napari_instseg.core.params import Params, choice, flag, tunable
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Results
from napari_instseg.session.source import Source, readings


class Numbers(Params):
    level: float = tunable(0.5, 0.0, 1.0, step=0.01, title="Level", help="A level.")
    size: int = tunable(3, 0, 50, title="Size", help="A size.")
    whole: float = tunable(1.0, 0.0, 1.0, title="At its end", help="It cannot go up.")
    kind: str = choice("a", title="Kind", help="No number.")
    deep: float = tunable(0.5, 0.0, 1.0, title="Deep", help="For few.", advanced=True)
    on: bool = flag(True, title="On", help="No number.")


def test_numbers_in_use_are_moved_to_either_side_and_stay_in_range():
    moved = [{n: v for n, v in p.model_dump().items() if v != getattr(Numbers(), n)} for p in nudged(Numbers())]
    assert moved == [{"level": 0.45}, {"level": 0.55}, {"size": 2}, {"size": 4}, {"whole": 0.9}]


def test_stability_is_the_mean_iou_with_the_best_counterpart():
    labels = np.zeros((10, 30), np.int32)
    labels[:, :10], labels[:, 20:] = 3, 7
    halved = labels.copy()
    halved[:5, :10] = 0
    gone = np.where(labels == 3, 9, 0).astype(np.int32)  # under another id; the other object is gone
    assert stability(labels, [labels]) == {3: 1.0, 7: 1.0}
    assert stability(labels, [halved, gone]) == {3: 0.75, 7: 0.5}


@pytest.fixture
def results(third_method):
    """Three disks: a sure one, a faint one near the threshold, and one with a soft outline."""
    foreground = np.zeros((60, 160), np.float32)
    y, x = np.indices(foreground.shape)
    foreground[(y - 30) ** 2 + (x - 30) ** 2 <= 15**2] = 1.0
    foreground[(y - 30) ** 2 + (x - 80) ** 2 <= 15**2] = 0.52
    soft = np.clip(1.0 - np.hypot(y - 30, x - 130) / 30, 0, 1).astype(np.float32)
    foreground = np.maximum(foreground, soft)
    source = Source(foreground, "image")
    spec = ModelSpec(name="third", method="third", title="Third", diameter=20, intended_use="Tests.")
    made = Results(source, readings(source)[0], spec)
    prediction = Prediction("third", {"foreground": foreground})
    made = made.with_prediction((), prediction)
    return made.settle((), prediction.decode(), prediction.parameters())


def test_the_least_stable_come_first_and_what_the_user_said_is_left_out(results):
    labels = results.slices[()].labels
    corrections = Annotation(labels.copy())
    parameters = results.slices[()].parameters
    doubts = find_doubts(results, corrections, parameters)
    faint, soft, sure = (int(labels[30, x]) for x in (80, 130, 30))
    assert [doubt.label for doubt in doubts] == [faint, soft, sure]
    assert doubts[0].stability == pytest.approx(0.5)  # gone at the higher threshold, there at the lower one
    assert doubts[2].stability == 1.0
    assert doubts[2].place == pytest.approx((30, 30))
    assert doubts[2].side == 31
    assert "confidence 100%, unstable: changes when sliders move (overlap 50%)" in doubts[0].words
    corrections.accept(faint)
    corrections.mark(np.s_[:, 100:], np.ones(corrections.labels[:, 100:].shape, bool))
    assert [doubt.label for doubt in find_doubts(results, corrections, parameters)] == [sure]
    assert find_doubts(results, corrections, parameters, lambda: True) == []


def test_what_is_looked_at_elsewhere_is_not_disturbed(results):
    plane = results.slices[()]
    prediction = results.predictions[()]
    prediction.pipeline.run(plane.parameters)
    before = prediction.pipeline.data["labels"]
    find_doubts(results, Annotation(plane.labels.copy()), plane.parameters)
    assert prediction.pipeline.data["labels"] is before


def test_without_a_prediction_confidence_alone_counts(results):
    plane = results.slices[()]
    results = replace(results, predictions={})
    segmentation = Segmentation(plane.segmentation.labels, np.array([0.9, 0.2, 0.6], np.float32))
    results = results.settle((), segmentation, plane.parameters)
    doubts = find_doubts(results, Annotation(plane.labels.copy()), plane.parameters)
    assert [round(doubt.confidence, 1) for doubt in doubts] == [0.2, 0.6, 0.9]
