"""Scores where not all is known: pieces and mergers of known objects count, what lies in the unknown does not."""

import numpy as np
import pytest

from napari_instseg.metrics import count, overlap, overlap_known, settle_unknown


def squares(*boxes, other=0):
    labels = np.full((40, 40), other)
    for number, (y, x, height, width) in enumerate(boxes, start=1):
        labels[y : y + height, x : x + width] = number
    return labels


def test_where_all_is_known_it_is_the_overlap(pair):
    truth, prediction = pair
    table, expected = overlap_known(truth, prediction), overlap(truth, prediction)
    for name in ("true_ids", "pred_ids", "true_areas", "pred_areas", "true_index", "pred_index", "intersection"):
        np.testing.assert_array_equal(getattr(table, name), getattr(expected, name), err_msg=name)


def test_judged_are_those_mostly_known_and_those_that_share_most_of_the_smaller(pair):
    truth, prediction = pair
    known = np.random.default_rng(0).random(truth.shape) < 0.5
    truth = np.where(known | (truth % 3 == 1), truth, -1)
    judged = set()
    for pred in np.unique(prediction[prediction > 0]):
        b = prediction == pred
        if (b & (truth >= 0)).sum() > b.sum() / 2:
            judged.add(int(pred))
        for true in np.unique(truth[truth > 0]):
            a = truth == true
            if (a & b).sum() > min(a.sum(), b.sum()) / 2:
                judged.add(int(pred))
    table = overlap_known(truth, prediction)
    assert set(table.pred_ids.tolist()) == judged
    only = overlap(np.maximum(truth, 0), np.where(np.isin(prediction, list(judged)), prediction, 0))
    assert count(table, 0.5) == count(only, 0.5)
    np.testing.assert_array_equal(table.iou, only.iou)


def test_objects_elsewhere_and_neighbours_at_the_rim_are_not_judged():
    truth = squares((0, 0, 10, 10), other=-1)
    prediction = squares((0, 0, 10, 9), (0, 9, 10, 10), (30, 30, 5, 5))
    counts = count(overlap_known(truth, prediction), 0.5)
    assert (counts.tp, counts.fp, counts.fn) == (1, 0, 0)
    assert counts.iou_sum == pytest.approx(0.9)


def test_pieces_of_a_known_object_are_judged():
    truth = squares((0, 0, 10, 10), other=-1)
    prediction = squares((0, 0, 10, 6), (0, 6, 10, 4))
    counts = count(overlap_known(truth, prediction), 0.5)
    assert (counts.tp, counts.fp, counts.fn) == (1, 1, 0)


def test_what_swallows_a_known_object_is_judged_by_all_of_its_pixels():
    truth = squares((0, 0, 10, 10), other=-1)
    table = overlap_known(truth, squares((0, 0, 20, 20)))
    assert table.pred_areas.tolist() == [400]
    assert table.iou.tolist() == [0.25]


def test_ids_of_the_judged_are_kept_in_order():
    truth = squares((0, 0, 5, 5), (20, 20, 5, 5), other=-1)
    prediction = squares((10, 10, 5, 5), (0, 0, 5, 5), (30, 0, 5, 5), (20, 20, 5, 5))
    table = overlap_known(truth, prediction)
    assert table.pred_ids.tolist() == [2, 4]
    assert table.pred_index.tolist() == [0, 1]
    assert table.true_index.tolist() == [0, 1]


def test_what_is_predicted_on_known_background_is_judged():
    truth = squares((0, 0, 10, 10), other=-1)
    truth[:10, 10:20] = 0
    prediction = squares((0, 0, 10, 10), (0, 12, 5, 5), (0, 17, 5, 7))
    counts = count(overlap_known(truth, prediction), 0.5)
    assert (counts.tp, counts.fp, counts.fn) == (1, 1, 0)


def test_of_settled_labels_the_overlap_is_that_of_the_known(pair):
    truth, prediction = pair
    known = np.random.default_rng(1).random(truth.shape) < 0.5
    truth = np.where(known | (truth % 3 == 1), truth, -1)
    table, settled = overlap_known(truth, prediction), overlap(*settle_unknown(truth, prediction))
    for name in ("true_ids", "pred_ids", "true_areas", "pred_areas", "true_index", "pred_index", "intersection"):
        np.testing.assert_array_equal(getattr(settled, name), getattr(table, name), err_msg=name)
