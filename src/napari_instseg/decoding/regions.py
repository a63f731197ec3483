"""Sizes, boxes, centroids and mean values of all objects of a label image, in one pass over its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import as_volume, in_bands


@dataclass(frozen=True)
class Regions:
    """What was measured of objects 1 to n; row i is object i + 1.

    Coordinates are in pixels, one per axis of the label image; a 2-d one counts as one slice, axes (Z, Y, X).
    """

    size: npt.NDArray[np.int64]
    """Number of pixels, (n,)."""
    centroid: npt.NDArray[np.float64]
    """Mean coordinates, (n, axes)."""
    start: npt.NDArray[np.int64]
    """First coordinates of the bounding box, (n, axes)."""
    stop: npt.NDArray[np.int64]
    """One past its last coordinates, (n, axes)."""

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(array.nbytes for array in (self.size, self.centroid, self.start, self.stop))


def measure_regions(labels: npt.NDArray[Any], n: int) -> Regions:
    """Measure objects 1 to n of a label image.

    Parameters
    ----------
    labels : int array (Y, X), (Z, Y, X) or with more axes before
        0 background, ids up to n.
    n : int
        Number of objects; ids without a pixel get size 0.
    """
    if labels.ndim > 3:
        return _measure_stack(labels, n)
    volume = as_volume(labels)
    depth, height, width = volume.shape
    parts = in_bands(_measure, depth * height, volume.reshape(-1, width), height, n)
    sums = sum(part[0] for part in parts)
    start = np.minimum.reduce([part[1] for part in parts])
    stop = np.maximum.reduce([part[2] for part in parts])
    size = sums[1:, 0].astype(np.int64)
    centroid = sums[1:, 1:] / np.maximum(size, 1)[:, None]
    return Regions(size, centroid, start[1:], stop[1:])


def _measure_stack(labels: npt.NDArray[Any], n: int) -> Regions:
    """Measure along the last two axes with all before as one, and along those before with the last two as one."""
    inner = measure_regions(labels.reshape(-1, *labels.shape[-2:]), n)
    outer = measure_regions(labels.reshape(*labels.shape[:-2], -1), n)

    def joined(name: str) -> npt.NDArray[Any]:
        return np.hstack([getattr(outer, name)[:, :-1], getattr(inner, name)[:, 1:]])

    return Regions(inner.size, joined("centroid"), joined("start"), joined("stop"))


@njit(nogil=True, cache=True)
def _measure(rows, height, n, first, last):  # type: ignore[no-untyped-def]
    """Sum by runs of equal labels within rows, which are few; size, then sums of z, y, x."""
    sums = np.zeros((n + 1, 4))
    start = np.full((n + 1, 3), np.iinfo(np.int64).max)
    stop = np.zeros((n + 1, 3), np.int64)
    width = rows.shape[1]
    for row in range(first, last):
        z, y = row // height, row % height
        x = 0
        while x < width:
            label = rows[row, x]
            begin = x
            while x < width and rows[row, x] == label:
                x += 1
            if label > 0:
                run = x - begin
                sums[label, 0] += run
                sums[label, 1] += run * z
                sums[label, 2] += run * y
                sums[label, 3] += run * (begin + x - 1) / 2
                start[label, 0] = min(start[label, 0], z)
                start[label, 1] = min(start[label, 1], y)
                start[label, 2] = min(start[label, 2], begin)
                stop[label, 0] = max(stop[label, 0], z + 1)
                stop[label, 1] = max(stop[label, 1], y + 1)
                stop[label, 2] = max(stop[label, 2], x)
    return sums, start, stop
