"""A resized image of which only a region is computed, equal to the same region of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from napari_instseg.core.method import Array


def needed(part: slice, new: int, old: int) -> slice:
    """Return the pixels of an axis of length `old` that a part of the resized axis of length `new` is made of."""
    step = old / new
    reach = max(step, 1.0) + 1
    return slice(max(0, int(np.floor(part.start * step - reach))), min(old, int(np.ceil(part.stop * step + reach))))


def weights(part: slice, new: int, old: int, smooth: bool) -> sparse.csr_matrix:
    """Return the matrix from the pixels `needed` to a part of the resized axis: linear, a triangle where it shrinks.

    Parameters
    ----------
    part : slice
        Of the resized axis.
    new, old : int
        Its length, and that of the axis that is resized.
    smooth : bool
        Whether pixels are averaged where the axis shrinks.
    """
    step, source = old / new, needed(part, new, old)
    centre = (np.arange(part.start, part.stop) + 0.5) * step
    support = max(step, 1.0) if smooth else 1.0
    if not smooth:
        centre = np.clip(centre, 0.5, old - 0.5)
    first = np.floor(centre - support).astype(int)
    at = first[:, None] + np.arange(int(np.ceil(2 * support)) + 2)
    value = np.clip(1 - np.abs(at + 0.5 - centre[:, None]) / support, 0, None)
    value[(at < 0) | (at >= old)] = 0
    value /= value.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(len(centre))[:, None], at.shape)
    used = value > 0
    return sparse.csr_matrix(
        (value[used].astype(np.float32), (row[used], at[used] - source.start)),
        shape=(len(centre), source.stop - source.start),
    )


def resize_region(region: Array, window: Sequence[slice], new: Sequence[int], old: Sequence[int]) -> Array:
    """Resize (C, *S), the pixels `needed` along each axis, to a window of the resized image.

    The same as `napari_instseg.inference.rescale.resize` of the whole, cut to the window.
    """
    result: npt.NDArray[np.float32] = np.asarray(region, np.float32)
    smooth = len(old) == 2 and new[0] < old[0]
    for axis, (part, a, b) in enumerate(zip(window, new, old, strict=True), start=1):
        moved = np.moveaxis(result, axis, 0)
        flat = weights(part, a, b, smooth) @ moved.reshape(moved.shape[0], -1)
        result = np.moveaxis(flat.reshape(-1, *moved.shape[1:]), 0, axis)
    return np.ascontiguousarray(result, np.float32)
