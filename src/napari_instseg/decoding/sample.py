"""An even sample of foreground pixels, for clusterers whose cost grows faster than the number of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.decoding.assign import assign_blocks, assign_points, assign_rest, gather_points
from napari_instseg.decoding.blocks import Blocks
from napari_instseg.decoding.clusters import Clusters

Embedding = npt.NDArray[np.float32]

NEAR = 1 / 3
"""Part of its reach within which a centre is looked for everywhere: pixels inside objects are nearer, and the search
for all that a centre could reach would take long."""


@dataclass(frozen=True)
class Sample:
    """Foreground pixels, one drawn from each cell of a regular grid over the image."""

    pixels: npt.NDArray[np.int64]
    """Flat indices into the grid, (n,)."""
    points: Embedding
    """Their embeddings, (n, D)."""
    share: float
    """Part of the foreground that was drawn."""

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return self.pixels.nbytes + self.points.nbytes


def draw_sample(embedding: Embedding, mask: npt.NDArray[Any], size: int, seed: int = 0) -> Sample:
    """Draw about `size` foreground pixels, evenly over the image; all of them if there are no more.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
    mask : bool array (Y, X) or (Z, Y, X)
    size : int
    seed : int
    """
    pixels = np.flatnonzero(mask)
    n = len(pixels)
    if n > size:
        side = (n / size) ** (1 / mask.ndim)
        cells = np.zeros(n, np.int64)
        for axis in np.unravel_index(pixels, mask.shape):
            cells = cells * (1 << 20) + (axis / side).astype(np.int64)
        # the first of each cell after shuffling is a fair draw from it
        shuffled = np.random.default_rng(seed).permutation(n)
        _, first = np.unique(cells[shuffled], return_index=True)
        pixels = np.sort(pixels[shuffled[first]])
    return Sample(pixels, gather_points(embedding, pixels), len(pixels) / max(n, 1))


def spread_labels(
    embedding: Embedding, mask: npt.NDArray[Any], blocks: Blocks, sample: Sample, labels: npt.NDArray[np.int32]
) -> Clusters:
    """Carry the clusters of a sample over to all foreground pixels.

    A centre reaches as far as its own members lie, and at least half way to the next centre. A pixel takes the nearest
    of the centres around it in the image that reach it; or else one, anywhere, that it is very near to; or else, such
    as where objects run into each other, the nearest of those around it.

    Parameters
    ----------
    embedding, mask, blocks
        As for `mean_shift`.
    sample : Sample
    labels : int32 array (n,)
        Cluster of each sampled pixel, 1 to k; 0 none.
    """
    centres, radius = _centres(sample.points, labels)
    used = blocks.count > 0
    block_label = np.zeros(used.shape, np.int32)
    near = radius * np.float32(NEAR)
    block_label[used] = assign_points(blocks.mean[used], centres, near)
    assigned = assign_blocks(embedding, mask, blocks, block_label, centres, radius, nearest=True).labels
    assign_rest(embedding, assigned, centres, near)
    return Clusters(assigned, centres)


def _centres(points: Embedding, labels: npt.NDArray[np.int32]) -> tuple[Embedding, npt.NDArray[np.float32]]:
    from scipy.spatial import cKDTree

    k = int(labels.max(initial=0))
    member = labels > 0
    own = labels[member] - 1
    centres = np.zeros((k, points.shape[1]))
    np.add.at(centres, own, points[member])
    centres /= np.maximum(np.bincount(own, minlength=k), 1)[:, None]
    radius = np.zeros(k)
    np.maximum.at(radius, own, np.linalg.norm(points[member] - centres[own], axis=1))
    if k > 1:
        radius = np.maximum(radius, cKDTree(centres).query(centres, k=2)[0][:, 1] / 2)
    # a centre must reach its own farthest member in spite of rounding
    return centres.astype(np.float32), (radius * 1.001).astype(np.float32)
