"""Gives pixels to cluster centres: around them first, which is nearly always enough, then anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.decoding.blocks import SIDE, Blocks
from napari_instseg.decoding.neighbours import bucket_of, build_grid, cell_key, cells_around, too_far
from napari_instseg.decoding.parallel import as_volume, in_bands

Embedding = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


def assign_blocks(
    embedding: Embedding,
    mask: npt.NDArray[Any],
    blocks: Blocks,
    block_label: IntArray,
    centres: npt.NDArray[np.float32],
    radius: npt.NDArray[np.float32],
) -> IntArray:
    """Give each foreground pixel the nearest centre within its radius, among those of the blocks around it.

    Parameters
    ----------
    embedding, mask, blocks
        As for `mean_shift`.
    block_label : int32 array
        Cluster of each block, 0 where it has none.
    centres : float32 array (k, D)
    radius : float32 array (k,)
        How far each centre reaches.

    Returns
    -------
    int32 array (Y, X) or (Z, Y, X)
        0 background, and where no block around has a centre; minus the nearest centre where none of them reaches.
    """
    channels, volume = as_volume(embedding, 4), as_volume(mask).view(np.uint8)
    labels = np.zeros(volume.shape, np.int32)
    offset = np.zeros(block_label.shape, np.float32)
    has = block_label > 0
    own = block_label[has] - 1
    offset[has] = np.linalg.norm(blocks.mean[has] - centres[own], axis=1) + blocks.reach[has] - radius[own]
    whole = (blocks.count == 0) | (has & (offset <= 0))
    in_bands(_assign_blocks, len(block_label), channels, volume, block_label, whole, centres, radius, labels)
    return labels.reshape(mask.shape)


def assign_points(points: Embedding, centres: Embedding, radius: npt.NDArray[np.float32]) -> IntArray:
    """Give each point the nearest of all centres that reach it, or 0; (n,)."""
    labels = np.zeros(len(points), np.int32)
    if len(points) and len(centres):
        # centres are few: larger cells, so that fewer of them are looked into
        grid = build_grid(centres, 2 * float(radius.max()))
        in_bands(_assign_points, len(points), points, centres, radius, *grid, labels)
    return labels


def assign_rest(
    embedding: Embedding, mask: npt.NDArray[Any], labels: IntArray, centres: Embedding, radius: npt.NDArray[np.float32]
) -> None:
    """Give foreground pixels that no centre reached yet the nearest of all that do, in place."""
    rest = np.flatnonzero((labels <= 0) & mask)
    found = assign_points(gather_points(embedding, rest), centres, radius)
    labels.ravel()[rest[found > 0]] = found[found > 0]


def gather_points(embedding: Embedding, pixels: npt.NDArray[np.int64]) -> Embedding:
    """Give the embeddings of pixels (flat indices into the grid) as (n, D)."""
    points = np.empty((len(pixels), len(embedding)), np.float32)
    flat = np.ascontiguousarray(embedding).reshape(len(embedding), -1)
    in_bands(_gather_points, len(pixels), flat, pixels, points)
    return points


@njit(nogil=True, cache=True)
def _gather_points(flat, pixels, points, first, last):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        for d in range(flat.shape[0]):
            points[i, d] = flat[d, pixels[i]]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _assign_points(points, centres, radius, axes, origin, width, bucket, key, projected, point, labels, first, last):  # type: ignore[no-untyped-def]
    low, high, place = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.float32)
    farthest = radius.max()
    beyond = farthest * farthest * np.float32(1.002)
    for i in range(first, last):
        nearest = np.float32(np.inf)
        cells_around(points[i], farthest, axes, origin, width, place, low, high)
        for a in range(low[0], high[0] + 1):
            for b in range(low[1], high[1] + 1):
                for c in range(low[2], high[2] + 1):
                    wanted = cell_key(a, b, c)
                    at = bucket_of(wanted, bucket.size - 1)
                    for entry in range(bucket[at], bucket[at + 1]):
                        if key[entry] != wanted or too_far(projected[entry], place, beyond):
                            continue
                        k = point[entry]
                        squared = np.float32(0)
                        for d in range(points.shape[1]):
                            difference = points[i, d] - centres[k, d]
                            squared += difference * difference
                        if squared < nearest and squared <= radius[k] * radius[k]:
                            nearest = squared
                            labels[i] = k + 1


@njit(nogil=True, cache=True)
def _list_candidates(block_label, row, column, top, bottom, candidates):  # type: ignore[no-untyped-def]
    """List the clusters of a block and of the eight around it in its slice, each once; give their number."""
    n = 0
    for r in range(max(row - 1, top), min(row + 2, bottom)):
        for c in range(max(column - 1, 0), min(column + 2, block_label.shape[1])):
            label = block_label[r, c]
            new = label > 0
            for k in range(n):
                new = new and candidates[k] != label
            if new:
                candidates[n] = label
                n += 1
    return n


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _assign_blocks(channels, mask, block_label, whole, centres, radius, labels, first, last):  # type: ignore[no-untyped-def]
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    pixels = SIDE * SIDE
    buffer = np.zeros((dims, pixels), np.float32)
    squared = np.empty(pixels, np.float32)
    nearest = np.empty(pixels, np.float32)
    reached = np.zeros(pixels, np.bool_)
    choice = np.zeros(pixels, np.int32)
    candidates = np.empty(9, np.int32)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        n_rows = min(SIDE, height - y0)
        for column in range(block_label.shape[1]):
            x0 = column * SIDE
            n_columns = min(SIDE, width - x0)
            if whole[row, column]:
                choice[:] = block_label[row, column]
            else:
                n = _list_candidates(block_label, row, column, z * block_rows, (z + 1) * block_rows, candidates)
                if n == 0:
                    continue
                for d in range(dims):
                    for dy in range(n_rows):
                        for dx in range(n_columns):
                            buffer[d, dy * SIDE + dx] = channels[d, z, y0 + dy, x0 + dx]
                nearest[:] = np.inf
                reached[:] = False
                choice[:] = 0
                for k in range(n):
                    candidate = candidates[k] - 1
                    limit = radius[candidate] * radius[candidate]
                    squared[:] = 0
                    for d in range(dims):
                        value = centres[candidate, d]
                        for i in range(pixels):
                            difference = buffer[d, i] - value
                            squared[i] += difference * difference
                    for i in range(pixels):
                        within = squared[i] <= limit
                        better = (within and not reached[i]) or (squared[i] < nearest[i] and within == reached[i])
                        nearest[i] = squared[i] if better else nearest[i]
                        choice[i] = candidate + 1 if better else choice[i]
                        reached[i] = reached[i] or within
                for i in range(pixels):
                    choice[i] = choice[i] if reached[i] else -choice[i]
            for dy in range(n_rows):
                for dx in range(n_columns):
                    if mask[z, y0 + dy, x0 + dx] != 0:
                        labels[z, y0 + dy, x0 + dx] = choice[dy * SIDE + dx]
