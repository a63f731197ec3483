"""HDBSCAN on a sample of pixels: its tree is kept, only cutting it depends on the cluster size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Points = npt.NDArray[np.float32]


def single_linkage_tree(points: Points, min_samples: int) -> npt.NDArray[np.float64]:
    """Build HDBSCAN's single-linkage tree over the mutual reachability distance.

    Parameters
    ----------
    points : float array (n, D)
    min_samples : int
        Neighbours that define the core distance.

    Returns
    -------
    float64 array (n - 1, 4)
        The two nodes joined, their distance, and the number of points; empty for fewer than 2 points.
    """
    from hdbscan import HDBSCAN

    if len(points) < 2:
        return np.empty((0, 4))
    neighbours = min(min_samples, len(points) - 1)
    # n_jobs 1: its worker processes cost more than they save; prims_kdtree: exact, and the fastest at these sizes
    model = HDBSCAN(min_cluster_size=2, min_samples=neighbours, algorithm="prims_kdtree", core_dist_n_jobs=1).fit(
        points.astype(np.float64)
    )
    tree: npt.NDArray[np.float64] = model.single_linkage_tree_.to_numpy()
    return tree


def cut_tree(tree: npt.NDArray[np.float64], min_cluster_size: int) -> npt.NDArray[np.int32]:
    """Condense the tree for this cluster size and take its most stable clusters (excess of mass).

    Parameters
    ----------
    tree : float64 array (n - 1, 4)
        From `single_linkage_tree`.
    min_cluster_size : int
        In points, at least 2.

    Returns
    -------
    int32 array (n,)
        Clusters 1 to k, 0 for outliers; all ones if the points are one cluster.
    """
    if len(tree) == 0:
        return np.ones(1, np.int32)
    joined, size = tree[:, :2].astype(np.int64), tree[:, 3].astype(np.int64)
    with np.errstate(divide="ignore"):
        density = 1 / tree[:, 2]
    labels: npt.NDArray[np.int32] = _cut(joined, density, size, min_cluster_size)
    return labels if labels.any() else np.ones(len(labels), np.int32)


@njit(nogil=True, cache=True)
def _cut(joined, density, size, least):  # type: ignore[no-untyped-def]
    """Go down the tree once to condense it, up once to choose clusters (Campello et al. 2013), down to label points.

    `density` is one over the distance at which the two nodes of each row were `joined`; a point is a node below n, and
    row i is node n + i.
    """
    n = len(joined) + 1
    # of each node: the cluster that it lies in, or that its points have fallen out of, being too few
    cluster = np.empty(2 * n - 1, np.int64)
    fallen = np.empty(2 * n - 1, np.bool_)
    parent = np.empty(2 * n - 1, np.int64)
    birth, stability = np.empty(2 * n - 1), np.empty(2 * n - 1)
    cluster[2 * n - 2], fallen[2 * n - 2] = 0, False
    parent[0], birth[0], stability[0] = -1, 0.0, 0.0
    k = 1
    for row in range(n - 2, -1, -1):
        node = n + row
        own, left, right = cluster[node], joined[row, 0], joined[row, 1]
        left_size = size[left - n] if left >= n else 1
        right_size = size[right - n] if right >= n else 1
        both = left_size >= least and right_size >= least and not fallen[node]
        for side in range(2):
            child, points = (left, left_size) if side == 0 else (right, right_size)
            cluster[child] = own
            fallen[child] = fallen[node] or points < least
            if (both or fallen[child]) and not fallen[node]:
                stability[own] += (density[row] - birth[own]) * points
            if both:
                cluster[child], parent[k], birth[k], stability[k] = k, own, density[row], 0.0
                k += 1
    # a cluster is better than those within it if it is at least as stable as they are together; never the whole
    within = np.zeros(k)
    chosen = np.zeros(k, np.bool_)
    for c in range(k - 1, 0, -1):
        chosen[c] = not within[c] > stability[c]
        within[parent[c]] += stability[c] if chosen[c] else within[c]
    label = np.zeros(k, np.int32)
    found = 0
    for c in range(1, k):
        if label[parent[c]] > 0:
            label[c] = label[parent[c]]
        elif chosen[c]:
            found += 1
            label[c] = found
    labels = np.empty(n, np.int32)
    for point in range(n):
        labels[point] = label[cluster[point]]
    return labels
