"""Fills holes in objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.runs import find_root, find_runs

SEVERAL = -1
"""Owner of a piece of background that touches several objects or the border."""


def fill_holes(labels: npt.NDArray[np.int32], max_size: int) -> npt.NDArray[np.int32]:
    """Assign holes to the object around them.

    A hole is a piece of background, connected over pixel faces, that touches one object and not the border.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        0 background.
    max_size : int
        Largest hole that is filled, in pixels.

    Returns
    -------
    int32 array of the same shape
        A new array, or the given one if it has no such hole.
    """
    if max_size <= 0:
        return labels
    runs = find_runs(labels)
    gaps = _find_gaps(runs.first, runs.start, runs.stop, labels.shape[-1])
    owner = _find_owners(*gaps, runs.first, runs.start, runs.stop, runs.value, labels.shape[-2], labels.ndim, max_size)
    filled = np.flatnonzero(owner > 0)
    if len(filled) == 0:
        return labels
    result = labels.copy()
    _paint(*gaps, owner, result.reshape(-1, labels.shape[-1]))
    return result


@njit(nogil=True, cache=True)
def _find_gaps(first, start, stop, width):  # type: ignore[no-untyped-def]
    """List the stretches of background of each row, as runs are listed."""
    n_rows = first.size - 1
    gap_first = np.zeros(n_rows + 1, np.int64)
    gap_start, gap_stop = np.empty(start.size + n_rows, np.int32), np.empty(start.size + n_rows, np.int32)
    n = 0
    for row in range(n_rows):
        x = 0
        for run in range(first[row], first[row + 1]):
            if start[run] > x:
                gap_start[n], gap_stop[n] = x, start[run]
                n += 1
            x = stop[run]
        if x < width:
            gap_start[n], gap_stop[n] = x, width
            n += 1
        gap_first[row + 1] = n
    return gap_first, gap_start[:n], gap_stop[:n]


@njit(nogil=True, cache=True)
def _find_owners(gap_first, gap_start, gap_stop, first, start, stop, value, height, ndim, max_size):  # type: ignore[no-untyped-def]
    """Return for each gap the object that its hole belongs to, or not above 0 if it is part of no hole so small."""
    n_rows = first.size - 1
    parent = np.arange(gap_start.size)
    owner = np.zeros(gap_start.size, np.int32)
    size = (gap_stop - gap_start).astype(np.int64)
    for row in range(n_rows):
        y = row % height
        edge = y == 0 or y == height - 1 or (ndim == 3 and (row < height or row >= n_rows - height))
        run = first[row]
        for gap in range(gap_first[row], gap_first[row + 1]):
            # the runs on both sides, if there are any
            while run < first[row + 1] and stop[run] < gap_start[gap]:
                run += 1
            if edge or gap_start[gap] == 0 or run + 1 >= first[row + 1] or value[run] != value[run + 1]:
                owner[gap] = SEVERAL
            else:
                owner[gap] = value[run]
        for step in range(4 if ndim == 3 else 2):
            other = row + (1 if step % 2 else -1) * (1 if step < 2 else height)
            if other < 0 or other >= n_rows or (step < 2 and other // height != row // height):
                continue
            _touch_runs(row, other, gap_first, gap_start, gap_stop, first, start, stop, value, owner)
            if other < row:
                _join_gaps(row, other, gap_first, gap_start, gap_stop, parent)
    for gap in range(parent.size):
        root = find_root(parent, gap)
        if root != gap:
            size[root] += size[gap]
            if owner[root] != owner[gap]:
                owner[root] = SEVERAL
    for gap in range(parent.size):
        root = find_root(parent, gap)
        owner[gap] = owner[root] if size[root] <= max_size else 0
    return owner


@njit(nogil=True, cache=True)
def _touch_runs(row, other, gap_first, gap_start, gap_stop, first, start, stop, value, owner):  # type: ignore[no-untyped-def]
    """Take note of the objects in another row that the gaps of a row share faces with."""
    run = first[other]
    for gap in range(gap_first[row], gap_first[row + 1]):
        if owner[gap] == SEVERAL:
            continue
        while run < first[other + 1] and stop[run] <= gap_start[gap]:
            run += 1
        beside = run
        while beside < first[other + 1] and start[beside] < gap_stop[gap]:
            if value[beside] != owner[gap]:
                owner[gap] = SEVERAL
            beside += 1


@njit(nogil=True, cache=True)
def _join_gaps(row, other, gap_first, gap_start, gap_stop, parent):  # type: ignore[no-untyped-def]
    i, j = gap_first[row], gap_first[other]
    while i < gap_first[row + 1] and j < gap_first[other + 1]:
        if min(gap_stop[i], gap_stop[j]) > max(gap_start[i], gap_start[j]):
            a, b = find_root(parent, i), find_root(parent, j)
            # the earlier gap leads, so that it comes first when owners are brought together
            parent[max(a, b)] = min(a, b)
        if gap_stop[i] <= gap_stop[j]:
            i += 1
        else:
            j += 1


@njit(nogil=True, cache=True)
def _paint(gap_first, gap_start, gap_stop, owner, rows):  # type: ignore[no-untyped-def]
    for row in range(rows.shape[0]):
        for gap in range(gap_first[row], gap_first[row + 1]):
            if owner[gap] > 0:
                rows[row, gap_start[gap] : gap_stop[gap]] = owner[gap]
