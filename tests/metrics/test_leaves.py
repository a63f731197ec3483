"""Leaf scores against masks compared one by one, closed forms, and empty images."""

import numpy as np
import pytest

from napari_instseg.metrics import dic, fbd, overlap, sbd


def masks_of(labels):
    return [labels == i for i in np.unique(labels) if i > 0]


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def best_dice(these, others):
    """Mean over these masks of the best Dice with any other (Scharr et al. 2016)."""
    return np.mean([max(dice(this, other) for other in others) for this in these])


def test_scores_equal_masks_compared_one_by_one(pair):
    truth, prediction = pair
    table = overlap(truth, prediction)
    true_masks, pred_masks = masks_of(truth), masks_of(prediction)
    assert sbd(table) == pytest.approx(min(best_dice(true_masks, pred_masks), best_dice(pred_masks, true_masks)))
    assert fbd(table) == pytest.approx(dice(truth > 0, prediction > 0))
    assert dic(table) == len(pred_masks) - len(true_masks)


def test_both_directions_count():
    # a leaf split in halves: each half's best Dice is 2/3, the leaf's too; the found second leaf is perfect
    truth = np.array([1, 1, 1, 1, 0, 2, 2])
    prediction = np.array([1, 1, 3, 3, 0, 2, 2])
    assert sbd(overlap(truth, prediction)) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert sbd(overlap(prediction, truth)) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert fbd(overlap(truth, prediction)) == 1
    assert (dic(overlap(truth, prediction)), dic(overlap(prediction, truth))) == (1, -1)


def test_a_missed_leaf_counts_as_zero():
    assert sbd(overlap(np.array([1, 1, 0, 2]), np.array([1, 1, 0, 0]))) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("truth", "prediction", "scores"),
    [(0, 0, (1.0, 1.0, 0)), (1, 0, (0.0, 0.0, -1)), (0, 1, (0.0, 0.0, 1)), (1, 1, (1.0, 1.0, 0))],
)
def test_empty_images(truth, prediction, scores):
    table = overlap(np.full((3, 3), truth), np.full((3, 3), prediction))
    assert (sbd(table), fbd(table), dic(table)) == scores
