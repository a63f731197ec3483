"""Matching against a dense assignment, shapes of known IoU, and panoptic quality by its definition."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from napari_instseg.core.errors import InputError
from napari_instseg.metrics import Counts, count, match, overlap

from ..work import count_calls


def dense_iou(truth, prediction):
    """IoU of all pairs of masks, one by one."""
    true_ids, pred_ids = (np.unique(labels[labels > 0]) for labels in (truth, prediction))
    return np.array(
        [
            [((truth == i) & (prediction == j)).sum() / ((truth == i) | (prediction == j)).sum() for j in pred_ids]
            for i in true_ids
        ]
    )


def slow_count(truth, prediction, threshold):
    """Counts from an assignment over all pairs, of the most pairs and then the largest sum of IoU."""
    iou = dense_iou(truth, prediction)
    good = iou >= threshold
    rows, columns = linear_sum_assignment(-good.astype(float) - iou * good / (2 * max(iou.shape)))
    paired = good[rows, columns]
    tp = int(paired.sum())
    return tp, iou.shape[1] - tp, iou.shape[0] - tp, iou[rows, columns][paired].sum()


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0])
def test_counts_equal_a_dense_assignment(pair, threshold):
    counts = count(overlap(*pair), threshold)
    tp, fp, fn, iou_sum = slow_count(*pair, threshold)
    assert (counts.tp, counts.fp, counts.fn) == (tp, fp, fn)
    assert counts.iou_sum == pytest.approx(iou_sum)


@pytest.mark.parametrize("shift", range(1, 10))
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_shifted_cube_has_the_iou_of_its_formula(shift, ndim):
    truth, prediction = np.zeros((2, *[24] * ndim), dtype=int)
    inner = [slice(2, 12)] * (ndim - 1)
    truth[slice(2, 12), *inner] = 1
    prediction[slice(2 + shift, 12 + shift), *inner] = 7
    expected = (10 - shift) / (10 + shift)
    table = overlap(truth, prediction)
    assert table.iou == pytest.approx([expected])
    assert count(table, expected).tp == 1, "a pair that just reaches the threshold is matched"
    assert count(table, expected + 1e-9).tp == 0


def test_a_shifted_disk_has_the_iou_of_two_circles():
    y, x = np.mgrid[:400, :500]
    radius, distance = 100, 50
    truth, prediction = (((y - 200) ** 2 + (x - left) ** 2 <= radius**2).astype(int) for left in (200, 200 + distance))
    lens = 2 * radius**2 * np.arccos(distance / (2 * radius)) - distance / 2 * np.sqrt(4 * radius**2 - distance**2)
    assert overlap(truth, prediction).iou[0] == pytest.approx(lens / (2 * np.pi * radius**2 - lens), rel=2e-3)


def test_at_one_half_two_halves_of_an_object_give_one_match():
    table = overlap(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]))
    assert count(table, 0.5) == Counts(0.5, tp=1, fp=1, fn=0, iou_sum=0.5)


def test_more_matches_go_before_better_matches():
    # the best single pair (1, 1) has IoU 0.4, but (1, 2) with (2, 1) makes two
    truth = np.array([1] * 6 + [2] * 4)
    prediction = np.array([2] * 2 + [1] * 4 + [1] * 2 + [0] * 2)
    table = overlap(truth, prediction)
    matched = match(table, 0.2)
    pairs = set(zip(table.true_ids[table.true_index[matched]], table.pred_ids[table.pred_index[matched]], strict=True))
    assert pairs == {(1, 2), (2, 1)}


def test_ids_and_their_order_do_not_matter(pair):
    truth, prediction = pair
    rng = np.random.default_rng(0)
    renamed = [np.concatenate([[0], rng.permutation(labels.max()) * 3 + 5])[labels] for labels in pair]
    for threshold in (0.3, 0.5, 0.8):
        before, after = count(overlap(truth, prediction), threshold), count(overlap(*renamed), threshold)
        assert (before.tp, before.fp, before.fn) == (after.tp, after.fp, after.fn)
        assert before.iou_sum == pytest.approx(after.iou_sum)


def test_scores_follow_their_definitions():
    counts = Counts(0.5, tp=6, fp=2, fn=4, iou_sum=4.5)
    assert counts.ap == 6 / 12
    assert counts.precision == 6 / 8
    assert counts.recall == 6 / 10
    assert counts.f1 == pytest.approx(2 / (8 / 6 + 10 / 6))
    assert counts.sq == 4.5 / 6
    assert counts.pq == pytest.approx(4.5 / (6 + 2 / 2 + 4 / 2))


def test_pooling_sums_counts_and_does_not_average_ratios():
    few, many = Counts(0.5, tp=1, fp=0, fn=0, iou_sum=0.9), Counts(0.5, tp=0, fp=4, fn=5, iou_sum=0.0)
    assert few + many == sum([few, many], Counts(0.5)) == Counts(0.5, tp=1, fp=4, fn=5, iou_sum=0.9)
    assert (few + many).ap == 1 / 10
    with pytest.raises(InputError, match=r"IoU 0\.5 and 0\.6; expected one threshold"):
        few + Counts(0.6)


@pytest.mark.parametrize(("truth", "prediction", "score"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0)])
def test_empty_images(truth, prediction, score):
    counts = count(overlap(np.full((3, 3), truth), np.full((3, 3), prediction)), 0.5)
    assert {counts.ap, counts.precision, counts.recall, counts.f1, counts.sq, counts.pq} == {score}


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_named(pair, threshold):
    with pytest.raises(InputError, match=f"threshold is {threshold}.*above 0 and up to 1"):
        match(overlap(*pair), threshold)


def test_five_hundred_objects_are_scored_at_once_and_not_one_by_one():
    calls = {}
    for side in (2, 23):
        tiles = np.arange(1, side**2 + 1).reshape(side, side).repeat(44, 0).repeat(44, 1)
        truth = np.pad(tiles, ((0, 12), (0, 12))).astype(np.int32)
        prediction = np.roll(truth, 5, axis=1)
        assert count(overlap(truth, prediction), 0.5).tp == side**2
        calls[side] = count_calls(lambda: count(overlap(truth, prediction), 0.5))  # noqa: B023
    assert calls[23] < 1.5 * calls[2]
