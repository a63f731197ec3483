"""Mean-shift as in De Brabandere et al. 2017, section 3.2, on condensed pixels: same objects, far less work."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.assign import NOWHERE, assign_blocks, assign_points, gather_points, sum_squares
from napari_instseg.decoding.blocks import PixelBlocks
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.leaders import gather_neighbours
from napari_instseg.decoding.neighbours import bucket_of, build_grid, cell_key, cells_around, too_far

FLAT = 0.6
"""A block whose spread is below this part of the bandwidth stands for its pixels as one point."""

LIGHT = 4
"""Leftover groups of fewer neighbouring pixels than this start no search: they are no object, but part of a border."""

MAX_SHIFTS = 100
"""Shifts after which a centre counts as converged."""

MAX_WORK = 4_000_000_000
"""Coordinates compared before the search for more clusters is given up. It is reached only where the bandwidth is far
below the noise of the embedding, so that every pixel is a cluster of its own."""

Embedding = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def mean_shift(
    embedding: Embedding, mask: npt.NDArray[Any], blocks: PixelBlocks, bandwidth: float, claim: bool = False
) -> Clusters:
    """Cluster foreground pixels by mean-shift with a flat kernel.

    The blocks in which the embedding is flat are clustered first, as weighted points. Every pixel of the other blocks
    takes the nearest centre within the bandwidth around it. Pixels that are left, such as those of very small objects
    and where objects run into each other, are gathered into small groups, which take the nearest of all centres or are
    clustered among themselves.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
        Finite values.
    mask : bool array (Y, X) or (Z, Y, X)
        Foreground.
    blocks : PixelBlocks
        From `condense` of the same embedding and mask.
    bandwidth : float
        Radius in embedding space, above 0; delta_v of the loss is the natural choice.
    claim : bool
        Pixels that no centre reaches, and that are no object of their own, join the nearest cluster around them.
        If not, each handful of them is a cluster of its own, as in the paper's loop.
    """
    flat = (blocks.count > 0) & (blocks.spread <= FLAT * bandwidth)
    block_label = np.zeros(flat.shape, np.int32)
    block_label[flat], centres = cluster_points(blocks.mean[flat], blocks.count[flat], bandwidth)
    radius = np.full(len(centres), bandwidth, np.float32)
    assigned = assign_blocks(embedding, mask, blocks, block_label, centres, radius, nearest=False)
    labels = assigned.labels
    rest = gather_neighbours(embedding, labels, FLAT * bandwidth)
    # the nearest cluster around a pixel, where there is one
    around = labels.ravel()[rest.pixels]
    around = np.where(around == NOWHERE, 0, -around)
    searched = np.ones(len(rest.count), bool)
    if claim:
        searched[rest.group[around > 0]] = False
        searched |= rest.count >= LIGHT
    found = np.zeros(len(rest.count), np.int32)
    found[searched] = assign_points(rest.mean[searched], centres, radius)
    left = searched & (found == 0)
    among, more = cluster_points(rest.mean[left], rest.count[left], bandwidth, LIGHT)
    found[left] = np.where(among > 0, among + len(centres), 0)
    own = found[rest.group]
    if claim:
        own = np.where(own > 0, own, around)
    # a group that is still in no cluster is one of its own
    alone = np.unique(rest.group[own == 0])
    number = np.zeros(len(rest.count), np.int32)
    number[alone] = np.arange(1, len(alone) + 1) + len(centres) + len(more)
    own = np.where(own > 0, own, number[rest.group])
    labels.ravel()[rest.pixels] = own
    centres = np.concatenate([centres, more, rest.mean[alone]])
    return Clusters(labels, centres, _spread(embedding, centres, assigned.squares, rest.pixels, around, own))


def _spread(
    embedding: Embedding,
    centres: Embedding,
    squares: npt.NDArray[np.float64],
    pixels: npt.NDArray[np.int64],
    before: IntArray,
    own: IntArray,
) -> npt.NDArray[np.float64]:
    """Return the clusters' spread, where some of the pixels that `squares` tells of now are in other clusters."""
    moved = own != before
    total = sum_squares(embedding, pixels[moved], own[moved], centres)
    total[: len(squares)] += squares
    left = moved & (before > 0)
    total -= sum_squares(embedding, pixels[left], before[left], centres)
    # what rounding leaves of a cluster without spread may be below 0
    spread: npt.NDArray[np.float64] = np.sqrt(np.maximum(total[1:, 1], 0) / np.maximum(total[1:, 0], 1))
    return spread


def mean_shift_exact(embedding: Embedding, mask: npt.NDArray[Any], bandwidth: float) -> Clusters:
    """Cluster every foreground pixel as a point of its own: the paper's loop, with a grid to find neighbours."""
    labels = np.zeros(mask.shape, np.int32)
    pixels = np.flatnonzero(mask)
    points = gather_points(embedding, pixels)
    labels.ravel()[pixels], centres = cluster_points(points, np.ones(len(points), np.int32), bandwidth)
    return Clusters(labels, centres)


def cluster_points(
    points: Embedding, weight: npt.NDArray[np.int32], bandwidth: float, light: int = 0
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """Cluster weighted points: a seed, the mean of the points within the bandwidth, again until it stays, next seed.

    Seeds are taken by falling weight; points of earlier clusters take no part, as in the paper. The search ends after
    `MAX_WORK` comparisons; points that it did not come to are in no cluster.

    Parameters
    ----------
    points : float32 array (n, D)
    weight : int array (n,)
    bandwidth : float
    light : int
        Points of less weight start no search.

    Returns
    -------
    labels : int32 array (n,), clusters 1 to k, 0 none
    centres : float32 array (k, D)
    """
    grid = build_grid(points, bandwidth)
    labels = np.zeros(len(points), np.int32)
    # points of one cell side by side in memory; seeds still in the order of their weight, short integers sort fast
    place = np.empty(len(points), np.int64)
    place[grid.point] = np.arange(len(points))
    order = place[np.argsort(-np.minimum(weight, np.iinfo(np.int16).max).astype(np.int16), kind="stable")]
    sorted_labels, centres = _cluster(
        points[grid.point], weight[grid.point].astype(np.float32), order, np.float32(bandwidth), light, *grid[:-1]
    )
    labels[grid.point] = sorted_labels
    return labels, centres


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _cluster(points, weight, order, bandwidth, light, axes, origin, width, bucket, key, projected):  # type: ignore[no-untyped-def]
    n, dims = points.shape
    labels = np.zeros(n, np.int32)
    centres = np.empty((max(n, 1), dims), np.float32)
    k = 0
    centre = np.empty(dims, np.float32)
    shifted = np.empty(dims, np.float64)
    low, high, place = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.float32)
    members = np.empty(n, np.int64)
    # entries of points that have a cluster are moved behind the end of their bucket, and no longer looked at
    entries, keys, end = np.arange(n), key.copy(), bucket[1:].copy()
    limit = bandwidth * bandwidth
    beyond = limit * np.float32(1.002)
    still = np.float32(1e-3) * bandwidth
    work = 0
    for seed in order:
        if labels[seed] > 0:
            continue
        if weight[seed] < light:
            break
        if work > MAX_WORK:
            break
        for d in range(dims):
            centre[d] = points[seed, d]
        n_members = 0
        for _ in range(MAX_SHIFTS):
            n_members = 0
            total = 0.0
            shifted[:] = 0
            cells_around(centre, bandwidth, axes, origin, width, place, low, high)
            for a in range(low[0], high[0] + 1):
                for b in range(low[1], high[1] + 1):
                    for c in range(low[2], high[2] + 1):
                        wanted = cell_key(a, b, c)
                        at = bucket_of(wanted, end.size)
                        entry = bucket[at]
                        while entry < end[at]:
                            i = entries[entry]
                            if labels[i] > 0:
                                end[at] -= 1
                                last = end[at]
                                entries[entry], entries[last] = entries[last], i
                                keys[entry], keys[last] = keys[last], keys[entry]
                                continue
                            entry += 1
                            if keys[entry - 1] != wanted:
                                continue
                            work += 1
                            if too_far(projected[i], place, beyond):
                                continue
                            work += dims
                            squared = np.float32(0)
                            for d in range(dims):
                                difference = points[i, d] - centre[d]
                                squared += difference * difference
                            if squared <= limit:
                                members[n_members] = i
                                n_members += 1
                                total += weight[i]
                                for d in range(dims):
                                    shifted[d] += weight[i] * points[i, d]
            shift = 0.0
            for d in range(dims):
                shifted[d] /= total
                shift += (shifted[d] - centre[d]) ** 2
            if shift <= still * still:
                break
            for d in range(dims):
                centre[d] = shifted[d]
        for d in range(dims):
            centres[k, d] = centre[d]
        k += 1
        for m in range(n_members):
            labels[members[m]] = k
    return labels, centres[:k].copy()
