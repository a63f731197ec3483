"""What every clusterer gives: pixels in groups, the groups' centres, and how compact they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands

Embedding = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clusters:
    """Pixels put into groups by their embedding."""

    map: npt.NDArray[np.int32]
    """0 background or in no cluster, clusters 1 to k; (Y, X) or (Z, Y, X)."""
    centres: Embedding
    """Centre of each cluster, (k, D)."""
    spread: npt.NDArray[np.float64] | None = None
    """Root mean square distance of each cluster's pixels to its centre, (k,), where it came up on the way."""

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return self.map.nbytes + self.centres.nbytes


def cluster_spread(embedding: Embedding, clusters: Clusters, every: int = 1) -> npt.NDArray[np.float64]:
    """Root mean square distance of each cluster's pixels to its centre, (k,).

    With `every` above 1 only every so many-th row is looked at; clusters that have no pixel there get the median.
    """
    width = clusters.map.shape[-1]
    labels = np.ascontiguousarray(clusters.map).reshape(-1, width)[::every]
    rows = np.ascontiguousarray(embedding).reshape(len(embedding), -1, width)[:, ::every]
    centres = np.pad(clusters.centres.T, ((0, 0), (1, 0)))
    total = sum(in_bands(_sum_squares, len(labels), rows, labels, centres))[1:]
    spread: npt.NDArray[np.float64] = np.sqrt(total[:, 0] / np.maximum(total[:, 1], 1))
    seen = total[:, 1] > 0
    if not seen.all() and seen.any():
        spread[~seen] = np.median(spread[seen])
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
    if len(centres) < 2:
        return np.ones(len(centres))
    gap = np.sqrt(np.concatenate(in_bands(_squared_gaps, len(centres), np.ascontiguousarray(centres.T))))
    ratio: npt.NDArray[np.float64] = np.divide(gap, gap + 2 * spread, out=np.zeros(len(centres)), where=gap > 0)
    return ratio


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _squared_gaps(centres, first, last):  # type: ignore[no-untyped-def]
    """Squared distance to the nearest other centre, by comparing all: in many dimensions a tree would do the same."""
    dims, k = centres.shape
    gaps, squared = np.empty(last - first), np.empty(k, np.float32)
    for i in range(first, last):
        squared[:] = 0
        for d in range(dims):
            value = centres[d, i]
            for j in range(k):
                difference = centres[d, j] - value
                squared[j] += difference * difference
        squared[i] = np.inf
        gaps[i - first] = squared.min()
    return gaps


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _sum_squares(rows, labels, centres, first, last):  # type: ignore[no-untyped-def]
    """Stream row by row and channel by channel; `centres` are (D, k + 1), the first column being the background's."""
    sums = np.zeros((centres.shape[1], 2))
    width = labels.shape[1]
    squared = np.empty(width, np.float32)
    for row in range(first, last):
        squared[:] = 0
        for d in range(len(rows)):
            line, own = rows[d, row], centres[d]
            for x in range(width):
                difference = line[x] - own[labels[row, x]]
                squared[x] += difference * difference
        for x in range(width):
            sums[labels[row, x], 0] += squared[x]
            sums[labels[row, x], 1] += 1
    return sums
