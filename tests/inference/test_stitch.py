"""Block by block gives what decoding the whole at once gives: no object cut, lost or found twice."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label as connected
from skimage.segmentation import relabel_sequential

from napari_instseg.core.events import Message, Progress, Result
from napari_instseg.inference.stitch import Blocks, segment_blocks


def decode_truth(truth, change=None, seen=None):
    """Find in a window the connected pieces of the true objects, as a decoder that sees no more than the window."""

    def decode(window):
        if seen is not None:
            seen.append(window)
        part = truth[window]
        labels = connected(part, connectivity=1)
        if change is not None:
            labels = relabel_sequential(change(labels, window))[0]
        ids, places = np.unique(labels, return_index=True)
        score = part.ravel()[places[ids > 0]].astype(np.float32)
        yield Progress(1, 2, "tiles")
        yield Progress(2, 2, "tiles")
        yield Result({"labels": labels.astype(np.int32), "score": score})

    return decode


def stitch(truth, block, margin, **how):
    *_, last = segment_blocks(Blocks.split(truth.shape, block, margin), decode_truth(truth, **how))
    return last.value


def assert_same_objects(labels, truth):
    """Whether the partition is the same, whatever the ids."""
    assert labels.dtype == np.int32
    assert labels.max() == len(np.unique(truth[truth > 0]))
    pairs = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert [0, 0] in pairs.T.tolist() or (truth > 0).all()


def disks(shape, number, radius, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for i in range(1, number + 1):
        centre = rng.uniform(0, shape).reshape(-1, *[1] * len(shape))
        labels[((grid - centre) ** 2).sum(0) < rng.uniform(radius / 2, radius) ** 2] = i
    return relabel_sequential(connected(labels, connectivity=1).astype(np.int32))[0]


def cells(shape, number, seed=0, power=1.0):
    """Cells that touch everywhere: each pixel belongs to its nearest seed."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, bool)
    seeds[tuple((rng.uniform(0, 1, (len(shape), number)) ** power * np.reshape(shape, (-1, 1))).astype(int))] = True
    where = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    return connected(np.ravel_multi_index(where, shape) + 1, connectivity=1).astype(np.int32)


@pytest.mark.parametrize("seed", range(3))
def test_scattered_objects(seed):
    truth = disks((301, 407), 150, 14, seed)
    assert_same_objects(stitch(truth, 96, 20)["labels"], truth)


@pytest.mark.parametrize("seed", range(3))
def test_touching_cells(seed):
    truth = cells((256, 300), 250, seed)
    assert_same_objects(stitch(truth, (110, 90), 25)["labels"], truth)


def test_cells_larger_and_smaller_than_blocks_all_touching():
    truth = cells((400, 400), 120, power=3.0)
    sizes = np.bincount(truth.ravel())[1:]
    assert sizes.max() > 64**2 > 64 > sizes.min()
    assert_same_objects(stitch(truth, 64, 12)["labels"], truth)


@pytest.mark.parametrize(("block", "margin"), [(40, 8), ((64, 32, 48), 10)])
def test_volume(block, margin):
    truth = cells((64, 70, 82), 150)
    assert_same_objects(stitch(truth, block, margin)["labels"], truth)
    balls = disks((64, 70, 82), 60, 9)
    assert_same_objects(stitch(balls, block, margin)["labels"], balls)


def test_winding_objects_across_many_blocks():
    """Combs, rings and spirals: their arms are apart in one block and together in another."""
    truth = np.zeros((320, 320), np.int32)
    truth[10:20, 5:150] = 1
    truth[10:300, 5:12] = truth[10:300, 60:67] = truth[10:300, 143:150] = 1
    y, x = np.indices(truth.shape) - np.reshape((160, 235), (2, 1, 1))
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    truth[(radius < 80) & ((radius / 4 - angle / np.pi * 2) % 4 < 2)] = 2
    truth[(radius < 8)] = 0
    truth[310:315] = 3
    truth = relabel_sequential(connected(truth, connectivity=1).astype(np.int32))[0]
    for block, margin in [(64, 12), (80, 20), (100, 30)]:
        assert_same_objects(stitch(truth, block, margin)["labels"], truth)


def test_one_object_over_the_whole_image():
    truth = np.ones((200, 130), np.int32)
    assert_same_objects(stitch(truth, 64, 8)["labels"], truth)


def test_nothing():
    result = stitch(np.zeros((100, 130), np.int32), 64, 8)
    assert result["labels"].max() == 0
    assert result["score"].shape == (0,)


def drop_cut_objects(labels, window):
    """As a decoder that is at a loss with objects that its window cuts."""
    for axis in (0, 1):
        for end in (0, -1):
            labels[np.isin(labels, labels.take(end, axis))] = 0
    return labels


def test_objects_smaller_than_the_margin_do_not_depend_on_views_that_cut_them():
    truth = disks((300, 300), 120, 8)
    truth[:1] = truth[-1:] = truth[:, :1] = truth[:, -1:] = 0
    truth = relabel_sequential(connected(truth, connectivity=1).astype(np.int32))[0]
    diameter = max(max(s.stop - s.start for s in box) for box in ndimage.find_objects(truth))
    found = stitch(truth, 110, diameter + 1, change=drop_cut_objects)
    assert_same_objects(found["labels"], truth)


def wobble(labels, window):
    """As a decoder that draws outlines a little differently each time."""
    rng = np.random.default_rng(window[0].start * 1000 + window[1].start)
    drift = [ndimage.gaussian_filter(rng.normal(size=labels.shape), 3) * 8 for _ in range(2)]
    grid = np.indices(labels.shape)
    moved = [np.clip(np.rint(g + d), 0, n - 1).astype(int) for g, d, n in zip(grid, drift, labels.shape, strict=True)]
    return labels[tuple(moved)]


@pytest.mark.parametrize(
    ("truth", "margin"),
    [
        (disks((300, 300), 60, 14), 32),
        (cells((300, 300), 100), 40),
        (cells((300, 300), 30), 20),
        (cells((300, 300), 30, 5), 20),
    ],
)
def test_views_that_disagree_leave_neither_seams_nor_doubles(truth, margin):
    sizes = np.bincount(truth.ravel())
    truth = relabel_sequential(np.where(sizes[truth] < 40, 0, truth))[0]
    labels = stitch(truth, 128, margin, change=wobble)["labels"]
    sizes = np.bincount(labels.ravel())
    overlap = np.histogram2d(
        truth.ravel(), labels.ravel(), bins=[np.arange(n.max() + 2) - 0.5 for n in (truth, labels)]
    )[0]
    union = overlap.sum(1, keepdims=True) + overlap.sum(0, keepdims=True) - overlap
    iou = (overlap / union)[1:, 1:]
    matched = iou.max(1) > 0.5
    assert matched.mean() > 0.97
    big = sizes[1:] > 30
    assert (iou.max(0)[big] > 0.5).mean() > 0.97


def test_rows_follow_their_objects():
    truth = disks((200, 260), 80, 12)
    result = stitch(truth, 80, 16)
    for i, score in enumerate(result["score"], start=1):
        assert (truth[result["labels"] == i] == int(score)).all()


def test_an_object_put_together_has_the_row_of_its_largest_part():
    truth = np.ones((40, 300), np.int32)

    def decode(window):
        labels = truth[window]
        yield Result({"labels": labels, "score": np.array([labels.size], np.float32)})

    seen = []
    *_, last = segment_blocks(Blocks.split(truth.shape, (40, 100), 10), decode_truth(truth, seen=seen))
    sizes = [truth[window].size for window in seen]
    *_, last = segment_blocks(Blocks.split(truth.shape, (40, 100), 10), decode)
    assert last.value["score"].tolist() == [max(sizes)]


def test_blocks_are_bounded_and_progress_counts_them_all():
    seen = []
    truth = disks((200, 260), 80, 12)
    events = list(segment_blocks(Blocks.split(truth.shape, 80, 16, 8), decode_truth(truth, seen=seen)))
    assert all(part.stop - part.start <= 80 and part.start % 8 == 0 for window in seen for part in window)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == list(range(1, 2 * len(seen) + 1))
    assert {event.total for event in progress} == {2 * len(seen)}


def test_messages_pass_and_closing_stops_at_once():
    calls = []

    def decode(window):
        calls.append(window)
        yield Message("smaller tiles")
        yield Result({"labels": np.zeros([part.stop - part.start for part in window], np.int32)})

    events = segment_blocks(Blocks.split((100, 100), 50, 5), decode)
    assert next(events) == Message("smaller tiles")
    events.close()
    assert len(calls) == 1
