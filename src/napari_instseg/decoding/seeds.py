"""Seeded growth (Fathi et al. 2017, section 3.3): good and different pixels become seeds, similar pixels join them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.assign import gather_points
from napari_instseg.decoding.blocks import SIDE, PixelBlocks
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.parallel import as_volume, in_bands

Embedding = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Kernel = Literal["logistic", "gaussian", "laplacian"]

CANDIDATES = 1 << 15
"""Foreground pixels up to which each may become a seed; of more, the best one of each small block may."""

FEW = 8
"""Seeds up to which a block's pixels are compared with one after the other; with more, pixels take turns."""

SAFE = np.float32(0.249)
"""Part of the squared distance of two seeds below which a point surely stays with the one that it has."""

TINY = float(np.finfo(np.float32).tiny)
"""Least squared distance, so that its logarithm is finite."""


@dataclass(frozen=True)
class Seeds:
    """Seed pixels in the order in which they were chosen, and the nearest of them for each pixel."""

    pixels: npt.NDArray[np.int64]
    """Flat indices into the grid, (k,)."""
    points: Embedding
    """Their embeddings, (k, D)."""
    nearest: npt.NDArray[np.int32]
    """For each foreground pixel the seed nearest in the embedding, from 1; 0 background; the grid's shape."""
    squared: Floats
    """Its squared distance; the grid's shape."""

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return sum(array.nbytes for array in (self.pixels, self.points, self.nearest, self.squared))


def similarity(squared: Floats, kernel: Kernel, scale: float) -> Floats:
    """Turn squared distances of embeddings into similarities in 0..1.

    ``"logistic"`` is 2 / (1 + exp(d^2)) (Fathi et al. 2017, equation 1), ``"gaussian"`` exp(-d^2 / 2) (Novotny et al.
    2018, equation 7, which for semi-convolutional embeddings is the steered bilateral kernel of equation 8), and
    ``"laplacian"`` exp(-d) (equation 10); d is the distance divided by `scale`.
    """
    scaled = squared / np.float32(scale**2)
    if kernel == "laplacian":
        result: Floats = np.exp(-np.sqrt(scaled))
    elif kernel == "gaussian":
        result = np.exp(-scaled / 2)
    else:
        # the same as 2 / (1 + exp(d^2)), without overflow
        result = 1 - np.tanh(scaled / 2)
    return result


def find_seeds(
    embedding: Embedding,
    mask: npt.NDArray[Any],
    blocks: PixelBlocks,
    seediness: Floats | None,
    n_seeds: int,
    diversity: float,
) -> Seeds:
    """Choose seeds greedily by ``log seediness + diversity * log distance``, and the nearest seed of each pixel.

    The distance is the squared one to the nearest of the seeds so far; the first seed is the one of most seediness.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
    mask : bool array (Y, X) or (Z, Y, X)
        Foreground: where seeds may lie, and what may join them.
    blocks : PixelBlocks
        From `condense` of the same embedding and mask.
    seediness : float array of the mask's shape, optional
        How good a seed each pixel is, 0 to 1; all alike if None.
    n_seeds : int
        Number of seeds, less where pixels run out.
    diversity : float
        Alpha of the paper.
    """
    pixels = np.flatnonzero(mask)
    goodness = np.ones(mask.shape, np.float32) if seediness is None else seediness.astype(np.float32)
    candidates = pixels if len(pixels) <= CANDIDATES else _best_of_blocks(goodness, mask, len(pixels))
    points = gather_points(embedding, candidates)
    log_goodness = np.log(np.maximum(goodness.ravel()[candidates], TINY))
    chosen = _choose(points, log_goodness, min(n_seeds, len(candidates)), np.float32(diversity))
    nearest, squared = _nearest_seed(embedding, mask, blocks, points[chosen])
    return Seeds(candidates[chosen], points[chosen], nearest, squared)


def grow_seeds(
    seeds: Seeds, threshold: float | Floats, kernel: Kernel, scale: float
) -> tuple[Clusters, npt.NDArray[np.int64]]:
    """Let pixels join the nearest seed if they are at least so similar to it.

    A seed that an earlier seed's own mask holds stands for the same object.

    Parameters
    ----------
    seeds : Seeds
    threshold : float, or float array (k,)
        Least similarity, one for all or one for each seed (tau of the paper).
    kernel, scale
        As for `similarity`.

    Returns
    -------
    clusters : Clusters
        Their centres are the seeds that stand for an object.
    leader : int array (m,)
        The seed, counted from 0, that each cluster stands for.
    """
    from scipy.spatial.distance import cdist

    each = np.broadcast_to(np.asarray(threshold, np.float32), (len(seeds.points),))
    limit = _squared_limit(each, kernel, scale)
    between = cdist(seeds.points, seeds.points, "sqeuclidean")
    leader = _group_seeds(between <= limit[:, None])
    kept = np.unique(leader)
    cluster_of = np.concatenate([[0], np.searchsorted(kept, leader) + 1]).astype(np.int32)
    width = seeds.nearest.shape[-1]
    grown = np.empty_like(seeds.nearest)
    nearest, squared, rows = (array.reshape(-1, width) for array in (seeds.nearest, seeds.squared, grown))
    limit = np.concatenate([[0], limit]).astype(np.float32)
    in_bands(_grow, len(rows), nearest, squared, rows, cluster_of, limit)
    return Clusters(grown, seeds.points[kept]), kept


def _squared_limit(threshold: Floats, kernel: Kernel, scale: float) -> Floats:
    """Squared distance at which the similarity falls to the threshold: pixels are compared without a kernel each."""
    if kernel == "laplacian":
        scaled = np.log(threshold) ** 2
    elif kernel == "gaussian":
        scaled = -2 * np.log(threshold)
    else:
        scaled = np.log(2 / threshold - 1)
    limit: Floats = scaled * np.float32(scale**2)
    return limit


def _best_of_blocks(goodness: Floats, mask: npt.NDArray[Any], n_pixels: int) -> npt.NDArray[np.int64]:
    """Return the best foreground pixel of each of about `CANDIDATES` blocks, the first of those that are alike."""
    side = (n_pixels / CANDIDATES) ** (1 / mask.ndim)
    volume, values = as_volume(mask).view(np.uint8), as_volume(goodness)
    blocks = [(np.arange(length) / side).astype(np.int64) for length in volume.shape]
    shape = [int(axis[-1]) + 1 for axis in blocks]
    best = np.full(shape, -1, np.int64)
    _find_best(volume, values, *blocks, best)
    return np.sort(best[best >= 0])


@njit(nogil=True, cache=True)
def _find_best(mask, goodness, block_z, block_y, block_x, best):  # type: ignore[no-untyped-def]
    flat = goodness.ravel()
    depth, height, width = mask.shape
    for z in range(depth):
        for y in range(height):
            row = best[block_z[z], block_y[y]]
            for x in range(width):
                if mask[z, y, x] != 0:
                    pixel = (z * height + y) * width + x
                    other = row[block_x[x]]
                    if other < 0 or flat[pixel] > flat[other]:
                        row[block_x[x]] = pixel


def _nearest_seed(
    embedding: Embedding, mask: npt.NDArray[Any], blocks: PixelBlocks, seeds: Embedding
) -> tuple[npt.NDArray[np.int32], Floats]:
    """Find the seed nearest to each pixel, and its squared distance."""
    channels, volume = as_volume(embedding, 4), as_volume(mask).view(np.uint8)
    nearest, squared = np.zeros(volume.shape, np.int32), np.zeros(volume.shape, np.float32)
    if len(seeds):
        columns = np.ascontiguousarray(seeds.T)
        points = (blocks.count, blocks.mean, blocks.reach)
        in_bands(_take_nearest, len(blocks.count), channels, volume, *points, columns, nearest, squared)
    return nearest.reshape(mask.shape), squared.reshape(mask.shape)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _measure(point, seeds, apart):  # type: ignore[no-untyped-def]
    """Write the squared distances of a point to all seeds."""
    apart[:] = 0
    for d in range(len(seeds)):
        value, line = point[d], seeds[d]
        for k in range(line.size):
            difference = line[k] - value
            apart[k] += difference * difference


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _take_nearest(channels, mask, count, mean, reach, seeds, nearest, squared, first, last):  # type: ignore[no-untyped-def]
    """Compare the pixels of a block with those seeds only that one of them may take.

    Pixels lie within `reach` of the block's mean, so a seed that is farther from the mean than the nearest one by more
    than twice that is the nearest of none. Where many are left, as where objects meet, each pixel asks all.
    """
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    n_seeds, pixels = seeds.shape[1], SIDE * SIDE
    apart, point = np.empty(n_seeds, np.float32), np.empty(dims, np.float32)
    buffer, value = np.empty((dims, pixels), np.float32), np.empty(pixels, np.float32)
    least, which = np.empty(pixels, np.float32), np.empty(pixels, np.int32)
    candidates = np.empty(n_seeds, np.int64)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        for column in range(count.shape[1]):
            if count[row, column] == 0:
                continue
            x0 = column * SIDE
            n_rows, n_columns = min(SIDE, height - y0), min(SIDE, width - x0)
            _measure(mean[row, column], seeds, apart)
            # a hair more than twice the reach makes up for rounding
            limit = (np.sqrt(apart.min()) + np.float32(2.001) * reach[row, column]) ** 2 * np.float32(1.0001)
            n = 0
            for k in range(n_seeds):
                candidates[n] = k
                n += apart[k] <= limit
            for d in range(dims):
                for dy in range(n_rows):
                    for dx in range(n_columns):
                        buffer[d, dy * SIDE + dx] = channels[d, z, y0 + dy, x0 + dx]
            least[:] = np.inf
            for c in range(n if n <= FEW else 0):
                value[:] = 0
                for d in range(dims):
                    centre = seeds[d, candidates[c]]
                    for i in range(pixels):
                        difference = buffer[d, i] - centre
                        value[i] += difference * difference
                for i in range(pixels):
                    better = value[i] < least[i]
                    least[i] = value[i] if better else least[i]
                    which[i] = np.int32(candidates[c]) if better else which[i]
            for dy in range(n_rows):
                for dx in range(n_columns):
                    y, x, i = y0 + dy, x0 + dx, dy * SIDE + dx
                    if mask[z, y, x] == 0:
                        continue
                    if n > FEW:
                        point[:] = buffer[:, i]
                        _measure(point, seeds, apart)
                        which[i] = np.argmin(apart)
                        least[i] = apart[which[i]]
                    nearest[z, y, x], squared[z, y, x] = which[i] + 1, least[i]


@njit(nogil=True, cache=True)
def _grow(nearest, squared, grown, cluster_of, limit, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        for x in range(nearest.shape[1]):
            seed = nearest[row, x]
            grown[row, x] = cluster_of[seed] if squared[row, x] <= limit[seed] else 0


def _choose(points: Embedding, log_goodness: Floats, n_seeds: int, diversity: np.float32) -> npt.NDArray[np.int64]:
    chosen = np.zeros(n_seeds, np.int64)
    nearest, which = np.full(len(points), np.inf, np.float32), np.zeros(len(points), np.int32)
    value = log_goodness.copy()
    best = int(np.argmax(log_goodness)) if n_seeds else 0
    for k in range(n_seeds):
        chosen[k] = best
        value[best] = -np.inf
        # a point is nearer to its seed than to a new one that is twice as far from that seed
        safe = np.square(points[chosen[:k]] - points[best]).sum(axis=1) * SAFE
        found = in_bands(
            _next_seed, len(points), points, log_goodness, diversity, points[best], k, safe, nearest, which, value
        )
        best = max(found, key=lambda pair: (pair[0], -pair[1]))[1]
    return chosen


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _next_seed(  # type: ignore[no-untyped-def]
    points, log_goodness, diversity, seed, k, safe, nearest, which, value, first, last
):
    """Bring distances to the seeds up to date with the new one, number k; give the best value and its point."""
    best_value, best = np.float32(-np.inf), first
    tiny = np.float32(TINY)
    for i in range(first, last):
        if k == 0 or nearest[i] > safe[which[i]]:
            squared = np.float32(0)
            for d in range(points.shape[1]):
                difference = points[i, d] - seed[d]
                squared += difference * difference
            if squared < nearest[i]:
                nearest[i], which[i] = squared, k
                # a seed itself keeps the value that nothing falls below
                if value[i] > -np.inf:
                    value[i] = log_goodness[i] + diversity * np.log(max(squared, tiny))
        if value[i] > best_value:
            best_value, best = value[i], i
    return best_value, best


@njit(nogil=True, cache=True)
def _group_seeds(holds):  # type: ignore[no-untyped-def]
    """Return each seed the first leading seed whose mask holds it, or itself."""
    leader = np.arange(len(holds))
    for k in range(len(holds)):
        for earlier in range(k):
            if leader[earlier] == earlier and holds[earlier, k]:
                leader[k] = earlier
                break
    return leader
