"""HDBSCAN on a sample of pixels: its tree is kept, only cutting it depends on the cluster size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit

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
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return np.empty((0, 4))
    points = points.astype(np.float64)
    neighbours = min(min_samples, len(points) - 1)
    # of each point the first neighbour is itself
    last = cKDTree(points).query(points, neighbours + 1)[1][:, -1]
    # rounded as in `_spanning_tree`: ties are frequent, as many edges are as long as a core distance
    core = sum(np.square(axis - axis[last]) for axis in points.T)
    first, second, squared = _spanning_tree(np.ascontiguousarray(points.T), core)
    distance = np.sqrt(squared)
    order = np.argsort(distance)
    tree: npt.NDArray[np.float64] = _link(first[order], second[order], distance[order])
    return tree


@njit(nogil=True, cache=True)
def _spanning_tree(points, core):  # type: ignore[no-untyped-def]
    """Span points (D, n) by the least mutual reachability (Prim); give both ends and the square of each edge.

    `core` are squares, too. Of points that are equally near the first is taken. Those that are not in the tree yet lie
    side by side: the last takes the place of the one that is taken, so that no step goes through others.
    """
    dims, n = points.shape
    outside, place, reach = np.arange(1, n), points[:, 1:].copy(), core[1:].copy()
    best, nearest, distance = np.full(n - 1, np.inf), np.zeros(n - 1, np.int64), np.empty(n - 1)
    first, second, squared = np.empty(n - 1, np.int64), np.empty(n - 1, np.int64), np.empty(n - 1)
    newest, here, own = 0, points[:, 0].copy(), core[0]
    for left in range(n - 1, 0, -1):
        distance[:left] = 0
        for d in range(dims):
            for i in range(left):
                difference = place[d, i] - here[d]
                distance[i] += difference * difference
        least, at = np.inf, 0
        for i in range(left):
            length = max(distance[i], reach[i], own)
            if length < best[i]:
                best[i], nearest[i] = length, newest
            if best[i] < least or (best[i] == least and outside[i] < outside[at]):
                least, at = best[i], i
        edge, last = n - 1 - left, left - 1
        first[edge], second[edge], squared[edge] = nearest[at], outside[at], least
        newest, own = outside[at], reach[at]
        here[:] = place[:, at]
        place[:, at] = place[:, last]
        outside[at], reach[at], best[at], nearest[at] = outside[last], reach[last], best[last], nearest[last]
    return first, second, squared


@njit(nogil=True, cache=True)
def _link(first, second, distance):  # type: ignore[no-untyped-def]
    """Join the ends of edges by rising distance; a point is a node below n, and row i makes node n + i."""
    n = len(distance) + 1
    tree = np.empty((n - 1, 4))
    above, size = np.arange(2 * n - 1), np.ones(2 * n - 1)
    for row in range(n - 1):
        left, right = _top(above, first[row]), _top(above, second[row])
        above[left] = above[right] = n + row
        size[n + row] = size[left] + size[right]
        tree[row, 0], tree[row, 1], tree[row, 2], tree[row, 3] = left, right, distance[row], size[n + row]
    return tree


@njit(nogil=True, cache=True)
def _top(above, node):  # type: ignore[no-untyped-def]
    while above[node] != node:
        above[node] = above[above[node]]
        node = above[node]
    return node


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
