"""The report of a data set: its keys, what is pooled and what is averaged, names, and unknown pixels."""

import json

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.metrics import THRESHOLDS, Counts, count, evaluate_labels, fbd, overlap, sbd

KEYS = {"ap", "mean_ap", "pq", "sq", "f1", "precision", "recall", "sbd", "fbd", "dic", "abs_dic"}
KEYS |= {"true_objects", "predicted_objects"}

ONE_OF_ONE = (np.array([[1, 1, 0, 0]]), np.array([[5, 5, 0, 0]]))
NONE_OF_TWO = (np.array([[1, 1, 2, 2]]), np.array([[0, 0, 0, 0]]))
THREE_FOR_NONE = (np.array([[0, 0, 0, 0]]), np.array([[1, 2, 3, 0]]))


def test_the_report_has_the_promised_keys_and_is_json(pair):
    report = evaluate_labels([pair, pair[::-1]], names=["a", "b"])
    assert set(report) == KEYS | {"images"}
    assert [set(image) for image in report["images"]] == [KEYS | {"image"}] * 2
    assert [image["image"] for image in report["images"]] == ["a", "b"]
    assert list(report["ap"]) == ["0.5", "0.6", "0.7", "0.8", "0.9"]
    assert json.loads(json.dumps(report)) == report


def test_an_image_has_the_scores_of_its_table(pair):
    (image,) = evaluate_labels([pair])["images"]
    table = overlap(*pair)
    half = count(table, 0.5)
    assert image["ap"] == {f"{t:g}": count(table, t).ap for t in THRESHOLDS}
    assert image["mean_ap"] == pytest.approx(np.mean([count(table, t).ap for t in THRESHOLDS]))
    assert (image["pq"], image["sq"], image["f1"]) == (half.pq, half.sq, half.f1)
    assert (image["precision"], image["recall"]) == (half.precision, half.recall)
    assert (image["sbd"], image["fbd"]) == (sbd(table), fbd(table))
    assert (image["true_objects"], image["predicted_objects"]) == (table.n_true, table.n_pred)


@pytest.mark.parametrize("pairs", [ONE_OF_ONE, [ONE_OF_ONE[0]], [(*ONE_OF_ONE, ONE_OF_ONE[0])]])
def test_what_is_no_list_of_pairs_is_refused_in_words(pairs):
    with pytest.raises(InputError, match=r"expected \(truth, prediction\)"):
        evaluate_labels(pairs)


def test_counts_are_pooled_and_leaf_scores_averaged():
    report = evaluate_labels([ONE_OF_ONE, NONE_OF_TWO, THREE_FOR_NONE])
    pooled = Counts(0.5, tp=1, fp=3, fn=2, iou_sum=1.0)
    assert report["ap"]["0.5"] == pooled.ap == 1 / 6
    assert report["pq"] == pooled.pq
    assert report["sbd"] == pytest.approx(1 / 3)
    assert report["dic"] == pytest.approx((0 - 2 + 3) / 3)
    assert report["abs_dic"] == pytest.approx((0 + 2 + 3) / 3)
    assert (report["true_objects"], report["predicted_objects"]) == (3, 4)


def test_other_thresholds_leave_pq_at_one_half():
    truth, prediction = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 0]])
    report = evaluate_labels([(truth, prediction)], thresholds=(0.75, 0.76))
    assert report["ap"] == {"0.75": 1.0, "0.76": 0.0}
    assert report["mean_ap"] == 0.5
    assert report["pq"] == 0.75


def test_unknown_pixels_change_nothing(pair):
    truth, prediction = pair
    unknown = np.random.default_rng(0).random(truth.shape) < 0.3
    masked = np.where(unknown, -1, truth)
    scribbled = np.where(unknown, np.random.default_rng(1).integers(0, 50, truth.shape), prediction)
    assert evaluate_labels([(masked, scribbled)]) == evaluate_labels([(masked, np.where(unknown, 0, prediction))])
    assert evaluate_labels([(masked, prediction)]) != evaluate_labels([pair])


def test_pairs_may_be_made_one_by_one(pair):
    assert evaluate_labels(p for p in [pair, pair]) == evaluate_labels([pair, pair])


def test_the_bad_image_is_named():
    good, bad = np.zeros((4, 4), int), np.zeros((4, 5), int)
    with pytest.raises(InputError, match="Image leaf 7: The truth has shape"):
        evaluate_labels([(good, good), (good, bad)], names=["leaf 6", "leaf 7"])
    with pytest.raises(InputError, match="Image 2: The truth has shape"):
        evaluate_labels([(good, good), (good, bad)])


def test_nothing_to_compare_is_an_error():
    with pytest.raises(InputError, match="no pair"):
        evaluate_labels([])
    with pytest.raises(InputError, match="no IoU threshold"):
        evaluate_labels([ONE_OF_ONE], thresholds=())
