"""Fitted parameters: better than those at the start, never worse, the same for the same seed."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.core.events import Progress, Result
from napari_instseg.inference.fit import Agreement, Known, agreement, fit, fit_events, only_objects
from napari_instseg.inference.prediction import Prediction
from napari_instseg.methods import get_method
from napari_instseg.metrics import evaluate_labels, overlap


def scene(seed=0, side=96, spacing=16, radius=5):
    """A prediction of disks in a noisy 2-d embedding, with specks of 4 pixels that are no objects, and the truth."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side))
    row, column = y // spacing, x // spacing
    inside = (y % spacing - spacing // 2) ** 2 + (x % spacing - spacing // 2) ** 2 <= radius**2
    truth = np.where(inside, 1 + row * (side // spacing) + column, 0).astype(np.int32)
    specks = (y % spacing < 2) & (x % spacing < 2)
    means = rng.normal(0, 4, (int(truth.max()) + 1, 2))
    embedding = np.moveaxis(means[truth] + rng.normal(0, 0.1, (side, side, 2)), -1, 0).astype(np.float32)
    foreground = np.where(inside | specks, 0.9, 0.1).astype(np.float32)
    return Prediction("discriminative", {"embedding": embedding, "foreground": foreground}), truth


DETUNED = {"foreground_threshold": 0.05, "min_size": 90, "bandwidth": 5.0}


def test_a_detuned_start_is_mended_and_tried_within_the_limit():
    prediction, truth = scene()
    start = prediction.parameters(**DETUNED)
    found = fit([Known(prediction, truth)], start, most_tries=60, own=start, seed=1)
    assert found.before.mean_ap < 0.2
    assert found.after.mean_ap > 0.95
    assert found.n_objects == len(np.unique(truth)) - 1
    assert found.tries <= 60
    labels = prediction.decode(**found.parameters.model_dump()).labels
    assert evaluate_labels([(truth, labels)])["mean_ap"] == pytest.approx(found.after.mean_ap)


def test_a_few_known_objects_are_enough_and_the_others_are_not_judged():
    prediction, truth = scene()
    few = only_objects(np.where(np.isin(truth, (8, 9, 15)), truth, 0))
    found = fit([Known(prediction, few)], prediction.parameters(**DETUNED))
    assert found.n_objects == 3
    assert found.after.mean_ap == 1
    labels = prediction.decode(**found.parameters.model_dump()).labels
    assert evaluate_labels([(truth, labels)])["mean_ap"] > 0.9, "it should hold for the objects that were not known"


def test_a_start_that_cannot_be_bettered_is_kept():
    prediction, _ = scene()
    start = prediction.parameters(min_size=20)
    labels = prediction.decode(min_size=20).labels
    found = fit([Known(prediction, labels)], start, most_tries=40)
    assert found.parameters == start
    assert found.before == found.after == Agreement(1.0, 1.0)


def test_the_same_seed_gives_the_same_parameters_and_only_named_ones_are_moved():
    prediction, truth = scene()
    start = prediction.parameters(**DETUNED)
    found = [fit([Known(prediction, truth)], start, names=["min_size"], seed=3, most_tries=30) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].parameters.changed(min_size=start.min_size) == start
    with pytest.raises(ParameterError, match="no parameter nonsense"):
        fit([Known(prediction, truth)], start, names=["nonsense"])


def test_the_search_can_be_closed_between_two_tries():
    prediction, truth = scene()
    events = fit_events([Known(prediction, truth)], prediction.parameters(), most_tries=20)
    said = [next(events) for _ in range(3)]
    assert [event.done for event in said] == [0, 1, 2]
    events.close()
    *progress, last = fit_events([Known(prediction, truth)], prediction.parameters(), most_tries=5)
    assert all(isinstance(event, Progress) for event in progress)
    assert isinstance(last, Result)
    assert last.value.tries <= 5


def test_agreement_is_pooled_over_images():
    truth = np.zeros((10, 20), int)
    truth[:, :10], truth[:, 10:] = 1, 2
    half = np.where(truth == 1, 1, 0)
    pooled = agreement([overlap(truth, truth), overlap(truth, half)])
    assert pooled == Agreement(3 / 4, 3 / 4)
    assert agreement([overlap(truth, half)]).mean_iou == 0.5


def test_truth_of_another_shape_or_without_objects_is_refused():
    prediction, truth = scene()
    with pytest.raises(InputError, match="expected the same"):
        Known(prediction, truth[:5])
    with pytest.raises(InputError, match="no true object"):
        fit([Known(prediction, np.zeros_like(truth))], prediction.parameters())


def test_without_a_start_the_search_begins_at_the_predictions_own():
    known = Known(*scene())
    own = known.prediction.parameters()
    assert fit([known], most_tries=3) == fit([known], own, most_tries=3)


def test_what_cannot_be_fitted_is_told():
    known = Known(*scene())
    other = get_method("coloring").decode()
    for call, kind, words in (
        (lambda: fit([]), InputError, "no true object"),
        (lambda: fit(known), InputError, "Expected a list of Known"),
        (lambda: fit([known.prediction]), InputError, "Expected a list of Known"),
        (lambda: fit([known], other), ParameterError, "expected those of the method 'discriminative'"),
        (lambda: fit([known], {"bandwidth": 1}), ParameterError, "The parameters are dict"),
        (lambda: fit([known], own=other), ParameterError, "expected those of the method 'discriminative'"),
        (lambda: fit([known], seed=-1), ParameterError, "The seed is -1"),
        (lambda: Known(known.prediction, [[1]]), InputError, "The true labels are list"),
        (lambda: Known(known.prediction, known.truth * 1.0), InputError, "The true labels are float64"),
    ):
        with pytest.raises(kind, match=words):
            call()
