"""What every clusterer gives: pixels in groups, the groups' centres, and how compact they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.decoding.parallel import in_bands

Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clusters:
    """Pixels put into groups by their embedding."""

    map: npt.NDArray[np.int32]
    """0 background or in no cluster, clusters 1 to k; (Y, X) or (Z, Y, X)."""
    centres: Embedding
    """Centre of each cluster, (k, D)."""

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return self.map.nbytes + self.centres.nbytes


def cluster_spread(embedding: Embedding, clusters: Clusters) -> npt.NDArray[np.float64]:
    """Root mean square distance of each cluster's pixels to its centre, (k,)."""
    width = clusters.map.shape[-1]
    labels = np.ascontiguousarray(clusters.map).reshape(-1, width)
    rows = np.ascontiguousarray(embedding).reshape(len(embedding), -1, width)
    total = sum(in_bands(_sum_squares, len(labels), rows, labels, clusters.centres))
    spread: npt.NDArray[np.float64] = np.sqrt(total[:, 0] / np.maximum(total[:, 1], 1))
    return spread


def compactness(centres: Embedding, spread: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Tell how compact clusters are, compared with the room that they have.

    ``gap / (gap + 2 * spread)``, where `gap` is the distance from a cluster's centre to the nearest other one:
    1 for a cluster that is a point, one half where the spread reaches half of the gap. A single cluster has all room.

    Parameters
    ----------
    centres : float array (k, D)
    spread : float array (k,)
        From `cluster_spread`.

    Returns
    -------
    float array (k,), 0 to 1
    """
    from scipy.spatial import cKDTree

    if len(centres) < 2:
        return np.ones(len(centres))
    gap = cKDTree(centres).query(centres, k=2)[0][:, 1]
    ratio: npt.NDArray[np.float64] = np.divide(gap, gap + 2 * spread, out=np.zeros(len(centres)), where=gap > 0)
    return ratio


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _sum_squares(rows, labels, centres, first, last):  # type: ignore[no-untyped-def]
    sums = np.zeros((len(centres), 2))
    width = labels.shape[1]
    for row in range(first, last):
        x = 0
        while x < width:
            label = labels[row, x]
            begin = x
            while x < width and labels[row, x] == label:
                x += 1
            if label == 0:
                continue
            total = np.float32(0)
            for d in range(len(rows)):
                line, value = rows[d, row], centres[label - 1, d]
                for i in range(begin, x):
                    difference = line[i] - value
                    total += difference * difference
            sums[label - 1, 0] += total
            sums[label - 1, 1] += x - begin
    return sums
