"""Gives pixels to cluster centres: around them first, which is nearly always enough, then anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.decoding.blocks import SIDE, STRIP, Blocks, load_strip
from napari_instseg.decoding.neighbours import bucket_of, build_grid, cell_key, project
from napari_instseg.decoding.parallel import as_volume, in_bands

Embedding = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

CANDIDATES = 3 * (STRIP // SIDE + 2)
"""Most centres that a pixel is compared with: one for each block of its strip and of the ring around it."""


def assign_blocks(
    embedding: Embedding,
    mask: npt.NDArray[Any],
    blocks: Blocks,
    block_label: IntArray,
    centres: npt.NDArray[np.float32],
    bandwidth: float,
) -> IntArray:
    """Give each foreground pixel the nearest centre within the bandwidth among those of the blocks around it.

    Parameters
    ----------
    embedding, mask, blocks
        As for `mean_shift`.
    block_label : int32 array
        Cluster of each block, 0 where it has none.
    centres : float32 array (k, D)
    bandwidth : float

    Returns
    -------
    int32 array (Y, X) or (Z, Y, X)
        0 background, and where no such centre is near enough.
    """
    channels, volume = as_volume(embedding, 4), as_volume(mask).view(np.uint8)
    labels = np.zeros(volume.shape, np.int32)
    offset = np.zeros(block_label.shape, np.float32)
    has = block_label > 0
    offset[has] = np.linalg.norm(blocks.mean[has] - centres[block_label[has] - 1], axis=1)
    whole = has & (offset + blocks.reach <= bandwidth)
    in_bands(
        _assign_blocks, len(block_label), channels, volume, block_label, whole, centres, np.float32(bandwidth), labels
    )
    return labels.reshape(mask.shape)


def assign_points(points: Embedding, centres: npt.NDArray[np.float32], bandwidth: float) -> IntArray:
    """Give each point the nearest of all centres within the bandwidth, or 0; (n,)."""
    labels = np.zeros(len(points), np.int32)
    if len(points) and len(centres):
        in_bands(
            _assign_points, len(points), points, centres, np.float32(bandwidth), *build_grid(centres, bandwidth), labels
        )
    return labels


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
def _assign_points(points, centres, bandwidth, axes, origin, width, bucket, key, index, labels, first, last):  # type: ignore[no-untyped-def]
    cell = np.empty(3, np.int64)
    for i in range(first, last):
        nearest = bandwidth * bandwidth
        project(points[i], axes, origin, width, cell)
        for a in range(cell[0] - 1, cell[0] + 2):
            for b in range(cell[1] - 1, cell[1] + 2):
                for c in range(cell[2] - 1, cell[2] + 2):
                    wanted = cell_key(a, b, c)
                    at = bucket_of(wanted, bucket.size - 1)
                    for entry in range(bucket[at], bucket[at + 1]):
                        if key[entry] != wanted:
                            continue
                        squared = np.float32(0)
                        for d in range(points.shape[1]):
                            difference = points[i, d] - centres[index[entry], d]
                            squared += difference * difference
                        if squared <= nearest:
                            nearest = squared
                            labels[i] = index[entry] + 1


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _assign_blocks(channels, mask, block_label, whole, centres, bandwidth, labels, first, last):  # type: ignore[no-untyped-def]
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    columns = block_label.shape[1]
    pixels = SIDE * STRIP
    buffer = np.empty((dims, pixels), np.float32)
    squared = np.empty(pixels, np.float32)
    nearest = np.empty(pixels, np.float32)
    choice = np.zeros(pixels, np.int32)
    candidates = np.empty(CANDIDATES, np.int32)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        top, bottom = z * block_rows, (z + 1) * block_rows
        for x0 in range(0, width, STRIP):
            first_column = x0 // SIDE
            last_column = min(first_column + STRIP // SIDE, columns)
            all_whole = True
            for column in range(first_column, last_column):
                all_whole = all_whole and whole[row, column]
            choice[:] = 0
            if all_whole:
                for i in range(pixels):
                    choice[i] = block_label[row, min(first_column + (i % STRIP) // SIDE, columns - 1)]
            else:
                n = 0
                for r in range(max(row - 1, top), min(row + 2, bottom)):
                    for c in range(max(first_column - 1, 0), min(last_column + 1, columns)):
                        label = block_label[r, c]
                        known = label == 0
                        for k in range(n):
                            known = known or candidates[k] == label
                        if not known:
                            candidates[n] = label
                            n += 1
                if n == 0:
                    continue
                load_strip(channels, z, y0, x0, buffer)
                nearest[:] = bandwidth * bandwidth
                for k in range(n):
                    squared[:] = 0
                    for d in range(dims):
                        value = centres[candidates[k] - 1, d]
                        for i in range(pixels):
                            difference = buffer[d, i] - value
                            squared[i] += difference * difference
                    for i in range(pixels):
                        better = squared[i] <= nearest[i]
                        nearest[i] = squared[i] if better else nearest[i]
                        choice[i] = candidates[k] if better else choice[i]
            for dy in range(min(SIDE, height - y0)):
                for dx in range(min(STRIP, width - x0)):
                    if mask[z, y0 + dy, x0 + dx] != 0:
                        labels[z, y0 + dy, x0 + dx] = choice[dy * STRIP + dx]
