"""An even sample of foreground pixels, for clusterers whose cost grows faster than the number of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.assign import assign_blocks, assign_points, assign_rest, gather_points
from napari_instseg.decoding.blocks import PixelBlocks
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.parallel import as_volume

Embedding = npt.NDArray[np.float32]

NEAR = 1 / 3
"""Part of its reach within which a centre is looked for everywhere: pixels inside objects are nearer, and the search
for all that a centre could reach would take long."""


@dataclass(frozen=True)
class PixelSample:
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


def draw_sample(embedding: Embedding, mask: npt.NDArray[Any], size: int, seed: int = 0) -> PixelSample:
    """Draw at most `size` foreground pixels, evenly over the image; all of them if there are no more.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
    mask : bool array (Y, X) or (Z, Y, X)
    size : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    n = int(np.count_nonzero(mask))
    pixels = np.flatnonzero(mask) if n <= size else _one_of_each_cell(mask, (n / size) ** (1 / mask.ndim), rng)
    if len(pixels) > size:
        # cells that the foreground fills in part only are counted whole, so there are more of them than asked for
        pixels = np.sort(rng.choice(pixels, size, replace=False))
    return PixelSample(pixels, gather_points(embedding, pixels), len(pixels) / max(n, 1))


def _one_of_each_cell(mask: npt.NDArray[Any], side: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw a foreground pixel of each cell of this side that has any; flat indices, in order."""
    volume = as_volume(mask).view(np.uint8)
    # a flat image is one cell deep
    cells = [(np.arange(length) / side).astype(np.int64) for length in volume.shape]
    shape = [int(axis[-1]) + 1 for axis in cells]
    cells[0] *= shape[1] * shape[2]
    cells[1] *= shape[2]
    count = np.zeros(int(np.prod(shape)), np.int64)
    _visit(volume, *cells, count, np.full_like(count, -1), count)
    # that many of the cell's pixels come before the one that is drawn
    wanted = (rng.random(len(count)) * count).astype(np.int64)
    drawn = np.full_like(count, -1)
    _visit(volume, *cells, np.zeros_like(count), wanted, drawn)
    return np.sort(drawn[count > 0])


@njit(nogil=True, cache=True)
def _visit(mask, cell_z, cell_y, cell_x, seen, wanted, drawn):  # type: ignore[no-untyped-def]
    """Count the foreground pixels of each cell; note the index of the one of the wanted number."""
    depth, height, width = mask.shape
    for z in range(depth):
        for y in range(height):
            base = cell_z[z] + cell_y[y]
            for x in range(width):
                if mask[z, y, x] != 0:
                    cell = base + cell_x[x]
                    if seen[cell] == wanted[cell]:
                        drawn[cell] = (z * height + y) * width + x
                    seen[cell] += 1


def spread_labels(
    embedding: Embedding,
    mask: npt.NDArray[Any],
    blocks: PixelBlocks,
    sample: PixelSample,
    labels: npt.NDArray[np.int32],
) -> Clusters:
    """Carry the clusters of a sample over to all foreground pixels.

    A centre reaches as far as its own members lie, and at least half way to the next centre. A pixel takes the nearest
    of the centres around it in the image that reach it; or else one, anywhere, that it is very near to; or else, such
    as where objects run into each other, the nearest of those around it.

    Parameters
    ----------
    embedding, mask, blocks
        As for `mean_shift`.
    sample : PixelSample
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
    if k == 0:
        return np.empty((0, points.shape[1]), np.float32), np.empty(0, np.float32)
    # points of one cluster side by side; each cluster has some
    order = np.argsort(own, kind="stable")
    members, own = points[member][order].astype(np.float64), own[order]
    first = np.searchsorted(own, np.arange(k))
    centres = np.add.reduceat(members, first) / np.bincount(own)[:, None]
    radius = np.maximum.reduceat(np.linalg.norm(members - centres[own], axis=1), first)
    if k > 1:
        radius = np.maximum(radius, cKDTree(centres).query(centres, k=2)[0][:, 1] / 2)
    # a centre must reach its own farthest member in spite of rounding
    return centres.astype(np.float32), (radius * 1.001).astype(np.float32)
