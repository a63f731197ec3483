"""The overlap table against counting by hand, over id ranges, types, dimensions, unknown pixels and bad input."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.metrics import overlap


def as_dict(table):
    """Shared pixels by pair of ids."""
    true, pred = table.true_ids[table.true_index], table.pred_ids[table.pred_index]
    return dict(zip(zip(true.tolist(), pred.tolist(), strict=True), table.intersection.tolist(), strict=True))


def slow_table(truth, prediction):
    """Shared pixels by pair of ids, one pixel at a time."""
    shared = {}
    for pair in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if min(pair) > 0:
            shared[pair] = shared.get(pair, 0) + 1
    return shared


def test_every_shared_pixel_is_counted_once(pair):
    truth, prediction = pair
    table = overlap(truth, prediction)
    assert as_dict(table) == slow_table(truth, prediction)
    assert table.true_ids.tolist() == [i for i in np.unique(truth) if i]
    assert table.true_areas.tolist() == [(truth == i).sum() for i in table.true_ids]
    assert table.pred_areas.tolist() == [(prediction == i).sum() for i in table.pred_ids]


def test_iou_and_dice_are_those_of_the_masks(pair):
    truth, prediction = pair
    table = overlap(truth, prediction)
    for true, pred, iou, dice in zip(
        table.true_ids[table.true_index], table.pred_ids[table.pred_index], table.iou, table.dice, strict=True
    ):
        a, b = truth == true, prediction == pred
        assert iou == pytest.approx((a & b).sum() / (a | b).sum())
        assert dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.uint64])
def test_the_integer_type_does_not_matter(pair, dtype):
    truth, prediction = pair
    assert as_dict(overlap(truth.astype(dtype), prediction.astype(dtype))) == slow_table(truth, prediction)


def test_ids_beyond_any_lookup_table(pair):
    truth, prediction = (labels.astype(np.uint64) * (2**63 // 100) for labels in pair)
    assert as_dict(overlap(truth, prediction)) == slow_table(truth, prediction)


def test_huge_ids_without_background():
    truth = np.array([[10**12, 10**12, 10**12 + 1]])
    table = overlap(truth, np.array([[1, 0, 1]]))
    assert as_dict(table) == {(10**12, 1): 1, (10**12 + 1, 1): 1}
    assert table.true_areas.tolist() == [2, 1]


def test_more_pairs_than_can_be_counted_in_cells():
    truth = np.arange(1, 200 * 200 + 1).reshape(200, 200)
    table = overlap(truth, truth.T)
    assert len(table.intersection) == 200 * 200
    assert np.all(table.intersection == 1)
    assert np.all(truth.T[truth == 7] == table.pred_ids[table.pred_index[table.true_index == 6]])


def test_unknown_pixels_belong_to_no_object(pair):
    truth, prediction = pair
    unknown = np.random.default_rng(0).random(truth.shape) < 0.3
    table = overlap(np.where(unknown, -1, truth), prediction)
    assert as_dict(table) == slow_table(truth[~unknown], prediction[~unknown])
    assert table.pred_areas.tolist() == [(prediction[~unknown] == i).sum() for i in table.pred_ids]


def test_a_prediction_on_unknown_pixels_only_does_not_exist():
    table = overlap(np.array([[-1, -1, 0, 4]]), np.array([[1, 1, 0, 2]]))
    assert table.pred_ids.tolist() == [2]
    assert table.true_ids.tolist() == [4]


def test_nothing_known():
    table = overlap(np.full((3, 3), -1), np.ones((3, 3), int))
    assert (table.n_true, table.n_pred, len(table.iou)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("truth", "prediction", "words"),
    [
        (
            np.zeros((4, 5), int),
            np.zeros((5, 4), int),
            [r"truth has shape \(4, 5\)", r"\(5, 4\)", "same shape", "Compare"],
        ),
        (np.zeros((4, 4)), np.zeros((4, 4), int), ["truth has values of type float64", "integer labels", "astype"]),
        (np.zeros((4, 4), int), np.zeros((4, 4), np.float32), ["prediction has values of type float32", "integer"]),
        (np.zeros((4, 4), bool), np.zeros((4, 4), int), ["truth", "type bool", "connected components"]),
        (np.full((4, 4), -2), np.zeros((4, 4), int), ["truth has the label -2", "-1 for unknown", "Set background"]),
        (np.zeros((4, 4), int), np.full((4, 4), -1), ["prediction has the label -1", "expected 0 and above;?"]),
        (np.zeros((0, 4), int), np.zeros((0, 4), int), ["truth", r"\(0, 4\)", "without a pixel"]),
    ],
)
def test_bad_input_is_named(truth, prediction, words):
    with pytest.raises(InputError, match=".*".join(words)):
        overlap(truth, prediction)
