"""HDBSCAN on a sample of pixels: its tree is kept, only cutting it depends on the cluster size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

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
    from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters

    if len(tree) == 0:
        return np.ones(1, np.int32)
    condensed = condense_tree(tree, min_cluster_size)
    found: Any = get_clusters(condensed, compute_stability(condensed))[0]
    labels: npt.NDArray[np.int32] = found.astype(np.int32) + 1
    return labels if labels.any() else np.ones(len(labels), np.int32)
