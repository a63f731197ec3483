"""k-means with a number of objects that the user gives (Novotny et al. 2018, section 4.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.decoding.assign import gather_points
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.sample import PixelSample

Embedding = npt.NDArray[np.float32]


def k_means(
    embedding: Embedding, mask: npt.NDArray[Any], sample: PixelSample, n_clusters: int, seed: int = 0
) -> Clusters:
    """Cluster the sampled pixels by k-means, then give every foreground pixel the nearest centre.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
    mask : bool array (Y, X) or (Z, Y, X)
        Foreground.
    sample : PixelSample
        The pixels from which the centres are found.
    n_clusters : int
        No more clusters than different sampled pixels are made.
    seed : int
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import pairwise_distances_argmin

    labels = np.zeros(mask.shape, np.int32)
    if len(sample.points) == 0:
        return Clusters(labels, np.empty((0, len(embedding)), np.float32))
    k = min(n_clusters, len(np.unique(sample.points, axis=0)))
    model = KMeans(k, n_init=4, random_state=seed).fit(sample.points)
    pixels = np.flatnonzero(mask)
    nearest = pairwise_distances_argmin(gather_points(embedding, pixels), model.cluster_centers_)
    labels.ravel()[pixels] = nearest + 1
    return Clusters(labels, model.cluster_centers_.astype(np.float32))
