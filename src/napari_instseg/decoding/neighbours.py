"""Finds embeddings near a given one: a grid over three directions of the embedding space, kept as a hash table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit

SAMPLE = 4096
"""Points from which the directions of the grid are worked out."""

Points = npt.NDArray[np.float32]


class CellGrid(NamedTuple):
    """Points sorted into cells by three coordinates.

    Distances never grow by an orthogonal projection, so the cells that a ball touches hold all points in it.
    """

    axes: npt.NDArray[np.float32]
    """Orthonormal directions, (3, D); fewer where D is lower, the rest zero."""
    origin: npt.NDArray[np.float32]
    """Lowest projected coordinates, (3,)."""
    width: np.float32
    """Side of a cell."""
    bucket: npt.NDArray[np.int64]
    """First entry of each bucket, (buckets + 1,), a power of two of them."""
    key: npt.NDArray[np.int64]
    """Cell of each entry, as one number."""
    projected: npt.NDArray[np.float32]
    """Coordinates along the axes of each entry, (n, 3): the first thing to compare."""
    point: npt.NDArray[np.int64]
    """The point that each entry stands for."""


def build_grid(points: Points, width: float) -> CellGrid:
    """Sort points into cells of side `width` along their three main directions.

    Parameters
    ----------
    points : float32 array (n, D)
        Embeddings, finite.
    width : float
        Above 0; near the radius that will be asked for where points are crowded, larger where they are few.
    """
    axes = _main_directions(points)
    buckets = 1 << max(int(np.ceil(np.log2(max(len(points), 1)))), 4)
    origin, bucket, key, projected, point = _fill(points, axes, np.float32(width), buckets)
    return CellGrid(axes, origin, np.float32(width), bucket, key, projected, point)


def _main_directions(points: Points) -> npt.NDArray[np.float32]:
    step = max(len(points) // SAMPLE, 1)
    sample = points[::step].astype(np.float64)
    dims = points.shape[1]
    axes = np.zeros((3, dims), np.float32)
    if len(sample):
        centred = sample - sample.mean(axis=0)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        main = vectors.T[::-1][:3]
        axes[: len(main)] = main
    return axes


@njit(nogil=True, cache=True)
def cells_around(point, radius, axes, origin, width, projected, low, high):  # type: ignore[no-untyped-def]
    """Write a point's coordinates along the axes, and the first and last cell that a ball around it touches."""
    # a hair more than the radius makes up for rounding in the projection
    reach = radius * np.float32(1.001)
    for axis in range(3):
        value = np.float32(0)
        for d in range(point.size):
            value += point[d] * axes[axis, d]
        projected[axis] = value
        low[axis] = np.int64(np.floor((value - reach - origin[axis]) / width))
        high[axis] = np.int64(np.floor((value + reach - origin[axis]) / width))


@njit(nogil=True, cache=True)
def too_far(a, b, limit):  # type: ignore[no-untyped-def]
    """Return whether two points are farther apart along the axes alone than the square root of `limit`."""
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z > limit


@njit(nogil=True, cache=True)
def cell_key(a, b, c):  # type: ignore[no-untyped-def]
    """Return a cell as one number; cells 2 million apart along an axis may share one, which costs time only."""
    return ((a & 0x1FFFFF) << 42) | ((b & 0x1FFFFF) << 21) | (c & 0x1FFFFF)


@njit(nogil=True, cache=True)
def bucket_of(key, buckets):  # type: ignore[no-untyped-def]
    """Spread keys over a power of two of buckets."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(buckets - 1))


@njit(nogil=True, cache=True)
def _fill(points, axes, width, buckets):  # type: ignore[no-untyped-def]
    n = len(points)
    projected = np.empty((n, 3), np.float32)
    origin = np.zeros(3, np.float32)
    for i in range(n):
        for axis in range(3):
            value = np.float32(0)
            for d in range(points.shape[1]):
                value += points[i, d] * axes[axis, d]
            projected[i, axis] = value
            if i == 0 or value < origin[axis]:
                origin[axis] = value
    keys = np.empty(n, np.int64)
    bucket = np.zeros(buckets + 1, np.int64)
    for i in range(n):
        a = np.int64(np.floor((projected[i, 0] - origin[0]) / width))
        b = np.int64(np.floor((projected[i, 1] - origin[1]) / width))
        c = np.int64(np.floor((projected[i, 2] - origin[2]) / width))
        keys[i] = cell_key(a, b, c)
        bucket[bucket_of(keys[i], buckets) + 1] += 1
    for i in range(buckets):
        bucket[i + 1] += bucket[i]
    place = bucket[:-1].copy()
    key = np.empty(n, np.int64)
    entry_projected = np.empty((n, 3), np.float32)
    point = np.empty(n, np.int64)
    for i in range(n):
        at = place[bucket_of(keys[i], buckets)]
        place[bucket_of(keys[i], buckets)] += 1
        key[at] = keys[i]
        entry_projected[at] = projected[i]
        point[at] = i
    return origin, bucket, key, entry_projected, point
