"""How objects lie to each other: who touches whom, along which length, and how far the nearest is."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.measure.shape import Columns, Sizes


def measure_neighbours(labels: npt.NDArray[np.int32], n: int, sizes: Sizes) -> Columns:
    """Return the number of objects that touch each one, the contact, and the distance to the nearest.

    Objects touch where pixels share an edge or a corner. The contact is the length (in 3-d the area) of the pixel
    edges (faces) between objects, and its share of all edges of the object, where CellProfiler counts pixels
    (PercentTouching). The distance is from centroid to centroid (CellProfiler's FirstClosestDistance); NaN for a lone
    object.
    """
    from scipy.spatial import cKDTree

    steps = tuple(sizes) if sizes is not None else (1.0,) * labels.ndim
    touching = len_of_pairs(labels, n)
    columns: Columns = {"neighbours": touching}
    units = [("px", (1.0,) * labels.ndim)] + ([("um", steps)] if sizes is not None else [])
    for suffix, own in units:
        shared, around = _edges(labels, n, own)
        ending = suffix if labels.ndim == 2 or suffix == "px" else "um2"
        columns[f"contact_{ending}"] = shared
        if own == steps:
            columns["contact_share"] = shared / np.maximum(around, 1e-300)
    counts = np.maximum(np.bincount(labels.ravel(), minlength=n + 1)[1:], 1)
    centroids = np.stack(
        [
            np.bincount(labels.ravel(), np.broadcast_to(places, labels.shape).ravel(), minlength=n + 1)[1:] / counts
            for places in np.ogrid[tuple(slice(0, float(length)) for length in labels.shape)]
        ],
        axis=-1,
    )
    for suffix, own in units:
        nearest = np.full(n, np.nan)
        if n > 1:
            points = centroids * np.asarray(own)
            nearest = cKDTree(points).query(points, k=2)[0][:, 1]
        columns[f"nearest_centroid_{suffix}"] = nearest
    return columns


def len_of_pairs(labels: npt.NDArray[np.int32], n: int) -> npt.NDArray[np.int64]:
    """Count the objects that each of objects 1 to n touches, over edges and corners."""
    found = []
    for step in product((-1, 0, 1), repeat=labels.ndim):
        if step <= (0,) * labels.ndim:  # of two opposite steps one is enough
            continue
        a, b = _shifted(labels, step)
        meet = (a != b) & (a > 0) & (b > 0)
        found.append(np.unique(np.stack([a[meet], b[meet]]), axis=1))
    pairs = np.concatenate(found, axis=1)
    both = np.unique(np.concatenate([pairs, pairs[::-1]], axis=1), axis=1)
    return np.bincount(both[0], minlength=n + 1)[1:]


def _edges(
    labels: npt.NDArray[np.int32], n: int, steps: tuple[float, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the size of the edges that each object shares with others, and of all its edges within the image."""
    shared, around = np.zeros(n + 1), np.zeros(n + 1)
    padded = np.pad(labels, 1)
    for axis in range(labels.ndim):
        size = prod(step for other, step in enumerate(steps) if other != axis)
        step = tuple(int(i == axis) for i in range(labels.ndim))
        a, b = _shifted(padded, step)
        ends = a != b
        meet = ends & (a > 0) & (b > 0)
        for side in (a, b):
            around += np.bincount(side[ends], minlength=n + 1) * size
            shared += np.bincount(side[meet], minlength=n + 1) * size
    return shared[1:], around[1:]


def _shifted(array: npt.NDArray[Any], step: tuple[int, ...]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return two views of which each pixel of the second lies a step from that of the first."""
    first = tuple(slice(max(-s, 0), size - max(s, 0)) for s, size in zip(step, array.shape, strict=True))
    second = tuple(slice(max(s, 0), size - max(-s, 0)) for s, size in zip(step, array.shape, strict=True))
    return array[first], array[second]
