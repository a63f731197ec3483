"""Mean-shift as in De Brabandere et al. 2017, section 3.2, on condensed pixels: same objects, far less work."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.decoding.assign import assign_blocks, assign_points, gather_points
from napari_instseg.decoding.blocks import Blocks
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.neighbours import bucket_of, build_grid, cell_key, project

FLAT = 0.6
"""A block whose spread is below this part of the bandwidth stands for its pixels as one point."""

MAX_SHIFTS = 100
"""Shifts after which a centre counts as converged."""

Embedding = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def mean_shift(embedding: Embedding, mask: npt.NDArray[Any], blocks: Blocks, bandwidth: float) -> Clusters:
    """Cluster foreground pixels by mean-shift with a flat kernel.

    The blocks in which the embedding is flat are clustered first, as weighted points; every pixel of the other blocks
    then takes the nearest centre within the bandwidth, looked for around it and then anywhere; pixels that no
    centre reaches, such as those of very small objects, are clustered among themselves.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
        Finite values.
    mask : bool array (Y, X) or (Z, Y, X)
        Foreground.
    blocks : Blocks
        From `condense` of the same embedding and mask.
    bandwidth : float
        Radius in embedding space, above 0; delta_v of the loss is the natural choice.
    """
    flat = (blocks.count > 0) & (blocks.spread <= FLAT * bandwidth)
    block_label = np.zeros(flat.shape, np.int32)
    block_label[flat], centres = cluster_points(blocks.mean[flat], blocks.count[flat], bandwidth)
    labels = assign_blocks(embedding, mask, blocks, block_label, centres, bandwidth)
    rest = np.flatnonzero((labels == 0) & mask)
    points = gather_points(embedding, rest)
    found = assign_points(points, centres, bandwidth)
    own, more = cluster_points(points[found == 0], np.ones(np.count_nonzero(found == 0), np.int32), bandwidth)
    found[found == 0] = np.where(own > 0, own + len(centres), 0)
    labels.ravel()[rest] = found
    return Clusters(labels, np.concatenate([centres, more]))


def mean_shift_exact(embedding: Embedding, mask: npt.NDArray[Any], bandwidth: float) -> Clusters:
    """Cluster every foreground pixel as a point of its own: the paper's loop, with a grid to find neighbours."""
    labels = np.zeros(mask.shape, np.int32)
    pixels = np.flatnonzero(mask)
    points = gather_points(embedding, pixels)
    labels.ravel()[pixels], centres = cluster_points(points, np.ones(len(points), np.int32), bandwidth)
    return Clusters(labels, centres)


def cluster_points(
    points: Embedding, weight: npt.NDArray[np.int32], bandwidth: float
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """Cluster weighted points: a seed, the mean of the points within the bandwidth, again until it stays, next seed.

    Seeds are taken by falling weight; points of earlier clusters take no part, as in the paper.

    Parameters
    ----------
    points : float32 array (n, D)
    weight : int array (n,)
    bandwidth : float

    Returns
    -------
    labels : int32 array (n,), clusters 1 to k
    centres : float32 array (k, D)
    """
    grid = build_grid(points, bandwidth)
    order = np.argsort(-weight, kind="stable")
    labels, centres = _cluster(points, weight.astype(np.float32), order, np.float32(bandwidth), *grid, MAX_SHIFTS)
    return labels, centres


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _cluster(points, weight, order, bandwidth, axes, origin, width, bucket, key, index, max_shifts):  # type: ignore[no-untyped-def]
    n, dims = points.shape
    labels = np.zeros(n, np.int32)
    centres = np.empty((max(n, 1), dims), np.float32)
    k = 0
    centre = np.empty(dims, np.float32)
    shifted = np.empty(dims, np.float64)
    cell = np.empty(3, np.int64)
    members = np.empty(n, np.int64)
    limit = bandwidth * bandwidth
    still = np.float32(1e-3) * bandwidth
    for seed in order:
        if labels[seed] > 0:
            continue
        centre[:] = points[seed]
        for _ in range(max_shifts):
            n_members = 0
            total = 0.0
            shifted[:] = 0
            project(centre, axes, origin, width, cell)
            for a in range(cell[0] - 1, cell[0] + 2):
                for b in range(cell[1] - 1, cell[1] + 2):
                    for c in range(cell[2] - 1, cell[2] + 2):
                        wanted = cell_key(a, b, c)
                        at = bucket_of(wanted, bucket.size - 1)
                        for entry in range(bucket[at], bucket[at + 1]):
                            i = index[entry]
                            if key[entry] != wanted or labels[i] > 0:
                                continue
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
        centres[k] = centre
        k += 1
        for m in range(n_members):
            labels[members[m]] = k
        # rounding must not leave a seed that is its own only neighbour for ever
        if labels[seed] == 0 and n_members == 0:
            labels[seed] = k
    return labels, centres[:k].copy()
