"""Gives pixels to cluster centres: around them first, which is nearly always enough, then anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.blocks import SIDE, PixelBlocks
from napari_instseg.decoding.neighbours import bucket_of, build_grid, cell_key, cells_around, too_far
from napari_instseg.decoding.parallel import as_volume, in_bands

Embedding = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]


NOWHERE = -(1 << 31)
"""In place of a label: no block around the pixel has a centre."""


@dataclass(frozen=True)
class Assigned:
    """Pixels given to cluster centres, and what that says of the clusters."""

    labels: IntArray
    """0 background; where no centre around reaches, minus the nearest one, or `NOWHERE` if there is none around."""
    squares: npt.NDArray[np.float64]
    """For each of the k clusters, and first none: the number of its pixels, and the sum of their squared distances to
    its centre; (k + 1, 2). Pixels that it does not reach count for the nearest one."""


def assign_blocks(
    embedding: Embedding,
    mask: npt.NDArray[Any],
    blocks: PixelBlocks,
    block_label: IntArray,
    centres: npt.NDArray[np.float32],
    radius: npt.NDArray[np.float32],
    nearest: bool,
) -> Assigned:
    """Return each foreground pixel a centre that reaches it, among those of its block and the blocks around it.

    Parameters
    ----------
    embedding, mask, blocks
        As for `mean_shift`.
    block_label : int32 array
        Cluster of each block, 0 where it has none.
    centres : float32 array (k, D)
    radius : float32 array (k,)
        How far each centre reaches.
    nearest : bool
        Of the centres that reach a pixel it takes the nearest; otherwise the first, as where clusters are found one
        after the other.
    """
    channels, volume = as_volume(embedding, 4), as_volume(mask).view(np.uint8)
    labels = np.empty(volume.shape, np.int32)
    parts = in_bands(
        _assign_blocks,
        len(block_label),
        channels,
        volume,
        blocks.count,
        blocks.mean,
        blocks.spread,
        blocks.reach,
        block_label,
        centres,
        radius,
        nearest,
        labels,
    )
    return Assigned(labels.reshape(mask.shape), sum(parts))


def sum_squares(
    embedding: Embedding, pixels: npt.NDArray[np.int64], own: IntArray, centres: Embedding
) -> npt.NDArray[np.float64]:
    """Do as the squares of `Assigned`, for some pixels (flat indices into the grid) of clusters `own`, from 1."""
    flat = np.ascontiguousarray(embedding).reshape(len(embedding), -1)
    total: npt.NDArray[np.float64] = sum(in_bands(_sum_squares, len(pixels), flat, pixels, own, centres))
    return total


def assign_points(points: Embedding, centres: Embedding, radius: npt.NDArray[np.float32]) -> IntArray:
    """Return each point the nearest of all centres that reach it, or 0; (n,)."""
    labels = np.zeros(len(points), np.int32)
    if len(points) and len(centres):
        # centres are few: larger cells, so that fewer of them are looked into
        grid = build_grid(centres, 2 * float(radius.max()))
        in_bands(_assign_points, len(points), points, centres, radius, *grid, labels)
    return labels


def assign_rest(embedding: Embedding, labels: IntArray, centres: Embedding, radius: npt.NDArray[np.float32]) -> None:
    """Assign to pixels that no centre around reaches the nearest of all that do, or the nearest around; in place."""
    rest = np.flatnonzero(labels < 0)
    found = assign_points(gather_points(embedding, rest), centres, radius)
    around = labels.ravel()[rest]
    labels.ravel()[rest] = np.where(found > 0, found, np.where(around == NOWHERE, 0, -around))


def gather_points(embedding: Embedding, pixels: npt.NDArray[np.int64]) -> Embedding:
    """Return the embeddings of pixels (flat indices into the grid) as (n, D)."""
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


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _sum_squares(flat, pixels, own, centres, first, last):  # type: ignore[no-untyped-def]
    sums = np.zeros((len(centres) + 1, 2))
    for i in range(first, last):
        k = own[i]
        squared = np.float32(0)
        for d in range(flat.shape[0]):
            difference = flat[d, pixels[i]] - centres[k - 1, d]
            squared += difference * difference
        sums[k, 0] += 1
        sums[k, 1] += squared
    return sums


@njit(nogil=True, cache=True)
def _list_candidates(block_label, row, column, top, bottom, candidates):  # type: ignore[no-untyped-def]
    """List the clusters of a block and of the eight around it in its slice, each once, in order; give their number."""
    n = 0
    for r in range(max(row - 1, top), min(row + 2, bottom)):
        for c in range(max(column - 1, 0), min(column + 2, block_label.shape[1])):
            label = block_label[r, c]
            at = n
            while at > 0 and candidates[at - 1] > label:
                at -= 1
            if label == 0 or (at > 0 and candidates[at - 1] == label):
                continue
            for k in range(n, at, -1):
                candidates[k] = candidates[k - 1]
            candidates[at] = label
            n += 1
    return n


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _apart(point, centres, k):  # type: ignore[no-untyped-def]
    squared = np.float32(0)
    for d in range(centres.shape[1]):
        difference = point[d] - centres[k, d]
        squared += difference * difference
    return np.sqrt(squared)


@njit(nogil=True, cache=True)
def _holds_whole(mean, reach, own, candidates, n, centres, radius, nearest):  # type: ignore[no-untyped-def]
    """Return the distance of a block's mean to its centre if all its pixels are sure to take that one, or else -1."""
    apart = _apart(mean, centres, own - 1)
    if apart + reach > radius[own - 1]:
        return np.float32(-1)
    for k in range(n):
        other = candidates[k]
        if other == own or (other > own and not nearest):
            continue
        least = _apart(mean, centres, other - 1) - reach
        if least <= radius[other - 1] and not (nearest and least > apart + reach):
            return np.float32(-1)
    return apart


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _assign_blocks(  # type: ignore[no-untyped-def]
    channels, mask, count, mean, spread, reach, block_label, centres, radius, nearest, labels, first, last
):
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    pixels = SIDE * SIDE
    sums = np.zeros((len(centres) + 1, 2))
    whole = np.empty(block_label.shape[1] * SIDE, np.int32)
    buffer = np.empty((dims, pixels), np.float32)
    squared, least = np.empty(pixels, np.float32), np.empty(pixels, np.float32)
    reached, choice = np.empty(pixels, np.bool_), np.empty(pixels, np.int32)
    candidates = np.empty(9, np.int32)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        n_rows = min(SIDE, height - y0)
        for column in range(block_label.shape[1]):
            own = block_label[row, column]
            if own > 0:
                n = _list_candidates(block_label, row, column, z * block_rows, (z + 1) * block_rows, candidates)
                apart = _holds_whole(
                    mean[row, column], reach[row, column], own, candidates, n, centres, radius, nearest
                )
                if apart >= 0:
                    sums[own, 0] += count[row, column]
                    sums[own, 1] += count[row, column] * (spread[row, column] ** 2 + apart * apart)
                else:
                    own = 0
            for dx in range(SIDE):
                whole[column * SIDE + dx] = own
        for dy in range(n_rows):
            for x in range(width):
                labels[z, y0 + dy, x] = whole[x] * mask[z, y0 + dy, x]
        for column in range(block_label.shape[1]):
            x0 = column * SIDE
            if count[row, column] == 0 or whole[x0] > 0:
                continue
            n = _list_candidates(block_label, row, column, z * block_rows, (z + 1) * block_rows, candidates)
            n_columns = min(SIDE, width - x0)
            if n == 0:
                for dy in range(n_rows):
                    for dx in range(n_columns):
                        if mask[z, y0 + dy, x0 + dx] != 0:
                            labels[z, y0 + dy, x0 + dx] = NOWHERE
                continue
            for d in range(dims):
                for dy in range(n_rows):
                    for dx in range(n_columns):
                        buffer[d, dy * SIDE + dx] = channels[d, z, y0 + dy, x0 + dx]
            for i in range(pixels):
                least[i] = np.inf
                reached[i] = False
                choice[i] = 0
            for k in range(n):
                candidate = candidates[k] - 1
                limit = radius[candidate] * radius[candidate]
                for i in range(pixels):
                    squared[i] = 0
                for d in range(dims):
                    value = centres[candidate, d]
                    for i in range(pixels):
                        difference = buffer[d, i] - value
                        squared[i] += difference * difference
                for i in range(pixels):
                    within = squared[i] <= limit
                    nearer = squared[i] < least[i]
                    better = (within and (not reached[i] or (nearest and nearer))) or (nearer and not reached[i])
                    least[i] = squared[i] if better else least[i]
                    choice[i] = candidate + 1 if better else choice[i]
                    reached[i] = reached[i] or within
            for dy in range(n_rows):
                for dx in range(n_columns):
                    i = dy * SIDE + dx
                    if mask[z, y0 + dy, x0 + dx] != 0:
                        labels[z, y0 + dy, x0 + dx] = choice[i] if reached[i] else -choice[i]
                        sums[choice[i], 0] += 1
                        sums[choice[i], 1] += least[i]
    return sums
