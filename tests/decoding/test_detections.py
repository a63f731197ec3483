"""From rows of detections to overlapping masks and a label image."""

import numpy as np
import pytest

from napari_instseg.core.rows import MASK_SIDE, place_rows, rows_within
from napari_instseg.decoding.detections import DetectionDecode, detection_stages
from napari_instseg.decoding.instances import cut_out
from napari_instseg.decoding.pipeline import Pipeline

SHAPE = (60, 80)


def row(box, score=0.9, kind=1, seed=(), sigma=1.0, logits=8.0):
    mask = np.broadcast_to(np.asarray(logits, np.float32), (MASK_SIDE, MASK_SIDE))
    return np.concatenate([box, [score, kind], seed, [sigma], mask.ravel()]).astype(np.float32)


def decode(rows, embedding=None, **params):
    outputs = {"objectness": np.zeros(SHAPE, np.float32), "detections": np.stack(rows)}
    if embedding is not None:
        outputs["embedding"] = embedding
    pipeline = Pipeline(outputs, detection_stages, rows=["detections"])
    return pipeline.run(DetectionDecode(**params)), pipeline


def test_a_mask_fills_its_box_and_is_cut_at_the_border():
    found, _ = decode([row((10, 20, 30, 50)), row((50, 70, 75, 95), kind=2, score=0.7)])
    expected = np.zeros(SHAPE, int)
    expected[10:30, 20:50], expected[50:60, 70:80] = 1, 2
    np.testing.assert_array_equal(found.labels, expected)
    assert found.score == pytest.approx([0.9, 0.7])
    assert found.class_id.tolist() == [1, 2]


def test_a_mask_is_interpolated_linearly():
    """A ramp of logits over the box crosses zero in the middle of the box, whatever its size."""
    ramp = np.linspace(-5, 5, MASK_SIDE)[None, :]
    window, probability = cut_out(row((3, 11, 9, 53), logits=ramp)[None], SHAPE, None).mask(0)
    assert window == (slice(3, 9), slice(11, 53))
    logit = np.log(probability / (1 - probability))
    assert logit[0, 20] == pytest.approx(-logit[0, 21], abs=1e-4)
    steps = np.diff(logit[0, 2:-2])
    np.testing.assert_allclose(steps, 10 / (MASK_SIDE - 1) * MASK_SIDE / 42, rtol=1e-3)


def test_affinity_cuts_two_objects_out_of_one_box():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    embedding = np.stack([np.full(SHAPE, 20.0), np.where(x < 40, 30.0, 50.0)]).astype(np.float32)
    rows = [row((10, 20, 30, 60), seed=(20, 30), sigma=2.0), row((10, 20, 30, 60), 0.8, seed=(20, 50), sigma=2.0)]
    found, _ = decode(rows, embedding)
    expected = np.where((y >= 10) & (y < 30) & (x >= 20) & (x < 60), np.where(x < 40, 1, 2), 0)
    np.testing.assert_array_equal(found.labels, expected)
    without, _ = decode(rows, embedding, affinity=False)
    assert without.n_objects == 1, "both masks fill the box, so they are the same object"


def test_affinity_adds_the_logarithm_of_the_kernel():
    embedding = np.zeros((2, *SHAPE), np.float32)
    embedding[0] = 3
    _, probability = cut_out(row((0, 0, 28, 28), seed=(0, 4), sigma=2.5, logits=1.0)[None], SHAPE, embedding).mask(0)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-(1 - 5 / 2.5))), rtol=1e-5)


def test_overlapping_objects_are_both_kept_and_the_surer_one_lies_on_top():
    found, pipeline = decode([row((10, 10, 30, 40), 0.6), row((20, 30, 40, 60), 0.95)])
    assert found.n_objects == 2
    assert found.labels[25, 35] == 1
    assert found.score == pytest.approx([0.95, 0.6])
    stack = pipeline.data["instances"].stack(SHAPE)
    assert stack.sum((1, 2)).tolist() == [600, 600]
    assert (stack[0] & stack[1]).sum() == 100


def test_the_same_object_found_twice_is_one():
    rows = [row((10, 10, 30, 40), 0.6), row((11, 10, 31, 41), 0.9)]
    found, _ = decode(rows)
    assert found.score == pytest.approx([0.9])
    assert decode(rows, max_overlap=0.95)[0].n_objects == 2


def test_unsure_small_and_filled_up_rows_are_no_objects():
    rows = [row((10, 10, 30, 40), 0.4), row((40, 10, 43, 13), 0.9), row((0, 0, 0, 0), 0.0, logits=0.0)]
    assert decode(rows)[0].n_objects == 0
    found, _ = decode(rows, min_score=0.3, min_size=5)
    assert sorted(found.score) == pytest.approx([0.4, 0.9])


def test_no_detection_at_all():
    outputs = {"objectness": np.zeros(SHAPE, np.float32), "detections": np.zeros((0, 7 + MASK_SIDE**2), np.float32)}
    found = Pipeline(outputs, detection_stages, rows=["detections"]).run(DetectionDecode())
    assert found.n_objects == 0
    assert found.score.shape == (0,)


def test_a_window_shows_the_same_objects():
    rows = [row((10, 20, 30, 50)), row((45, 60, 58, 78), 0.7)]
    whole, pipeline = decode(rows)
    window = (slice(5, 35), slice(30, 70))
    part = pipeline.run(DetectionDecode(), window=window)
    np.testing.assert_array_equal(part.labels > 0, whole.labels[window] > 0)


def slow_decode(rows, min_score, mask_threshold, max_overlap):
    """All masks on the whole grid, compared pair by pair."""
    kept = []
    for one in sorted(rows, key=lambda each: -each[4]):
        window, probability = cut_out(one[None], SHAPE, None).mask(0)
        mask = np.zeros(SHAPE, bool)
        mask[window] = probability >= mask_threshold
        ious = [(mask & other).sum() / (mask | other).sum() for other in kept] if mask.any() else [2]
        if one[4] >= min_score and all(iou <= max_overlap for iou in ious):
            kept.append(mask)
    labels = np.zeros(SHAPE, int)
    for number in range(len(kept), 0, -1):
        labels[kept[number - 1]] = number
    return labels


@pytest.mark.parametrize("max_overlap", [0.0, 0.2, 0.6, 1.0])
def test_masks_are_kept_as_when_all_are_laid_out_on_the_grid(max_overlap):
    rng = np.random.default_rng(0)
    for mask_threshold in (0.3, 0.5, 0.8):
        low, size = rng.uniform(-10, 70, (40, 2)), rng.uniform(5, 40, (40, 2))
        rows = [
            row((*start, *(start + side)), rng.uniform(0.2, 1), logits=rng.normal(1, 3, (MASK_SIDE, MASK_SIDE)))
            for start, side in zip(low, size, strict=True)
            if (start < SHAPE).all()
        ]
        found, _ = decode(rows, min_score=0.4, mask_threshold=mask_threshold, max_overlap=max_overlap, min_size=0)
        expected = slow_decode(rows, 0.4, mask_threshold, max_overlap)
        seen = np.unique(expected[expected > 0])
        np.testing.assert_array_equal(
            found.labels, np.searchsorted(np.append(seen, 1 << 30), expected) + (expected > 0)
        )


def test_rows_move_scale_and_belong_to_the_window_of_their_centre():
    rows = np.stack([row((10, 20, 30, 40)), row((28, 20, 40, 40))])
    placed = place_rows(rows, (100, 200), (2, 0.5))
    assert placed[0, :4].tolist() == [120, 210, 160, 220]
    np.testing.assert_array_equal(placed[:, 4:], rows[:, 4:])
    assert len(rows_within(rows, (slice(0, 30), slice(0, 80)))) == 1
    assert len(rows_within(rows, (slice(30, 60), slice(0, 80)))) == 1
