"""Merging of alike neighbours: the same as merging the two most alike again and again."""

import numpy as np
import pytest

from napari_instseg.decoding.merging import disagreement, distance, distance_in_radii, merge_order
from napari_instseg.decoding.scores import mean_channels
from napari_instseg.inference.prediction import Prediction


def tiles(seed, shape=(24, 30), side=5):
    """Rectangles of a few pixels, some of them background, all touching some others."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape) // side
    places = np.ravel_multi_index(tuple(grid), tuple(grid.max(axis=tuple(range(1, len(shape) + 1))) + 1))
    ids = np.cumsum(rng.random(places.max() + 1) > 0.2)
    ids[np.flatnonzero(np.diff(ids, prepend=0) == 0)] = 0
    return ids[places].astype(np.int32)


def slow_merge(labels, values, unlikeness, limit):
    """Recompute all means, merge the most alike touching pair, begin anew."""
    labels = labels.copy()
    while True:
        best = None
        for i in np.unique(labels[labels > 0]):
            for j in np.unique(labels[labels > i]):
                if not touch(labels == i, labels == j):
                    continue
                a, b = ([v[labels == k].astype(np.float64).mean() for v in values] for k in (i, j))
                unlike = unlikeness(np.array(a), np.array(b), (labels == i).sum(), (labels == j).sum())
                if best is None or unlike < best[0]:
                    best = (unlike, i, j)
        if best is None or best[0] >= limit:
            return labels
        labels[labels == best[2]] = best[1]


def touch(a, b):
    return any(
        (np.take(a, range(a.shape[k] - 1), k) & np.take(b, range(1, a.shape[k]), k)).any()
        or (np.take(b, range(a.shape[k] - 1), k) & np.take(a, range(1, a.shape[k]), k)).any()
        for k in range(a.ndim)
    )


def same_partition(a, b):
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("unlikeness", [distance, distance_in_radii, disagreement])
@pytest.mark.parametrize(("seed", "shape", "side"), [(0, (24, 30), 5), (1, (18, 18), 6), (2, (8, 12, 8), 4)])
def test_any_threshold_cuts_the_order_where_slow_merging_stops(unlikeness, seed, shape, side):
    labels = tiles(seed, shape, side)
    rng = np.random.default_rng(seed)
    values = rng.random((len(shape) + 1, *shape)).astype(np.float32)
    values += rng.random((len(shape) + 1, labels.max() + 1)).astype(np.float32)[:, labels]
    order = merge_order(labels, values, unlikeness)
    height = np.sort(order.unlike)
    between = ((height[1:] + height[:-1]) / 2)[np.diff(height) > 1e-3]
    for limit in (0, *between[:: max(len(between) // 4, 1)], 1e9):
        assert same_partition(
            order.leaders(labels.max(), limit)[labels], slow_merge(labels, values, unlikeness, limit)
        ), limit


def test_means_of_channels_and_sizes():
    labels = tiles(3)
    values = np.random.default_rng(3).random((3, *labels.shape)).astype(np.float32)
    means, sizes = mean_channels(labels, values, labels.max())
    for i in range(1, labels.max() + 1):
        assert sizes[i] == (labels == i).sum()
        np.testing.assert_allclose(means[i], [v[labels == i].mean() for v in values], rtol=1e-5)


def test_whole_disks_side_by_side_stay_and_halves_of_one_merge():
    y, x = np.indices((40, 60))
    left, right = ((y - 20) ** 2 + (x - cx) ** 2 <= 100 for cx in (20, 40))
    labels = np.where(left, np.where(y < 20, 1, 2), np.where(right, 3, 0)).astype(np.int32)
    places = np.stack([np.full(labels.shape, 20.0), np.where(left, 20.0, 40.0)])
    leader = merge_order(labels, places, distance_in_radii).leaders(3, 0.5)
    assert leader[1] == leader[2] != leader[3]


@pytest.mark.parametrize("limit", [0.0, 0.4, 1.2])
def test_a_broken_object_is_mended_while_its_neighbour_stays(limit):
    embedding = np.zeros((2, 20, 40), np.float32)
    embedding[0, :, 10:20] = 1.0
    embedding[0, :, 20:] = 4.0
    prediction = Prediction("discriminative", {"embedding": embedding})
    found = prediction.decode(bandwidth=0.4, merge_alike=limit)
    assert found.labels.max() == (2 if limit > 1 else 3)
    assert len(found.table) == found.labels.max()
    assert (found.labels > 0).all()
