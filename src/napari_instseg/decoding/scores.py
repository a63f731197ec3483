"""How sure each object is: mean values over its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


def mean_own_channel(
    labels: npt.NDArray[np.int32],
    channels: FloatArray,
    own: IntArray,
    others: FloatArray | None = None,
    own_other: IntArray | None = None,
) -> FloatArray:
    """Average over each object's pixels the channel that is the object's own.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        Ids 1 to n.
    channels : float32 array (C, *S)
        For example colour probabilities.
    own : int array (n,)
        Each object's channel.
    others, own_other : optional
        A second set of channels and each object's one of them; then the product of the two is averaged.

    Returns
    -------
    float32 array (n,)
    """
    width = labels.shape[-1]
    rows = np.ascontiguousarray(labels).reshape(-1, width)
    first = _as_rows(channels, width)
    second, own_second = first[:0], own
    if others is not None and own_other is not None:
        second, own_second = _as_rows(others, width), own_other
    parts = in_bands(_sum_own, len(rows), rows, first, _with_background(own), second, _with_background(own_second))
    total = sum(parts)[1:]
    means: FloatArray = (total[:, 0] / np.maximum(total[:, 1], 1)).astype(np.float32)
    return means


def _as_rows(channels: FloatArray, width: int) -> FloatArray:
    return np.ascontiguousarray(channels, np.float32).reshape(len(channels), -1, width)


def _with_background(own: IntArray) -> IntArray:
    return np.concatenate([[0], own]).astype(np.int64)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _sum_own(rows, channels, own, others, own_other, first, last):  # type: ignore[no-untyped-def]
    """Sum by runs of equal labels within rows."""
    sums = np.zeros((own.size, 2))
    product = len(others) > 0
    width = rows.shape[1]
    for row in range(first, last):
        x = 0
        while x < width:
            label = rows[row, x]
            begin = x
            while x < width and rows[row, x] == label:
                x += 1
            if label == 0:
                continue
            line = channels[own[label], row]
            total = np.float32(0)
            if product:
                other = others[own_other[label], row]
                for i in range(begin, x):
                    total += line[i] * other[i]
            else:
                for i in range(begin, x):
                    total += line[i]
            sums[label, 0] += total
            sums[label, 1] += x - begin
    return sums


def mean_channels(
    labels: npt.NDArray[np.int32], channels: npt.NDArray[np.floating[Any]], n: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Average all channels over each object.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        Ids up to n.
    channels : array (C, *S)

    Returns
    -------
    means : float64 array (n + 1, C)
        Row i is of object i; 0 of the background and of ids without a pixel.
    sizes : float64 array (n + 1,)
        In pixels; 0 of the background.
    """
    width = labels.shape[-1]
    rows = np.ascontiguousarray(labels).reshape(-1, width)
    total = sum(in_bands(_sum_channels, len(rows), rows, _as_rows(channels, width), n))
    return total[:, :-1] / np.maximum(total[:, -1:], 1), total[:, -1].copy()


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _sum_channels(rows, channels, n, first, last):  # type: ignore[no-untyped-def]
    """Sum by runs of equal labels within rows; the last column counts pixels."""
    count = len(channels)
    sums = np.zeros((n + 1, count + 1))
    width = rows.shape[1]
    for row in range(first, last):
        x = 0
        while x < width:
            label = rows[row, x]
            begin = x
            while x < width and rows[row, x] == label:
                x += 1
            if label == 0:
                continue
            sums[label, count] += x - begin
            for c in range(count):
                line = channels[c, row]
                total = np.float32(0)
                for i in range(begin, x):
                    total += line[i]
                sums[label, c] += total
    return sums
