"""A label image as runs, stretches of neighbouring pixels of one value along a row: far fewer than pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Runs:
    """The runs of an image's rows in order, the background left out; rows of slices follow each other."""

    shape: tuple[int, ...]
    """Of the image, (Y, X) or (Z, Y, X)."""
    first: npt.NDArray[np.int64]
    """First run of each row, and their number, (rows + 1,)."""
    start: Ints
    """First column of each run, (n,)."""
    stop: Ints
    """One past its last column, (n,)."""
    value: Ints
    """The value of its pixels, above 0, (n,)."""

    @property
    def height(self) -> int:
        """Rows of one slice."""
        return self.shape[-2]

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return sum(array.nbytes for array in (self.first, self.start, self.stop, self.value))


def find_runs(labels: npt.NDArray[Any]) -> Runs:
    """Find the runs of equal values above 0.

    Parameters
    ----------
    labels : unsigned or int32 array (Y, X) or (Z, Y, X)
    """
    rows = np.ascontiguousarray(labels).reshape(-1, labels.shape[-1])
    first = np.zeros(len(rows) + 1, np.int64)
    in_bands(_count, len(rows), rows, first[1:])
    np.cumsum(first, out=first)
    start, stop, value = (np.empty(first[-1], np.int32) for _ in range(3))
    in_bands(_list, len(rows), rows, first, start, stop, value)
    return Runs(labels.shape, first, start, stop, value)


def connect_runs(runs: Runs) -> tuple[Ints, int]:
    """Number the connected sets of runs of one value, from 1; diagonal neighbours are connected.

    Returns
    -------
    piece : int32 array (n,)
        The set of each run.
    n : int
        How many there are.
    """
    piece = np.arange(len(runs.value), dtype=np.int32)
    n = _connect(runs.first, runs.start, runs.stop, runs.value, runs.height, piece)
    return piece, n


def paint_runs(runs: Runs, value: Ints) -> Ints:
    """Return the image whose runs have these values, (n,), instead of their own; 0 elsewhere."""
    image = np.empty(runs.shape, np.int32)
    rows = image.reshape(-1, runs.shape[-1])
    in_bands(_paint, len(rows), runs.first, runs.start, runs.stop, value, rows)
    return image


def touching_runs(
    runs: Runs, piece: Ints
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the pairs of pieces, the lower first, whose runs share pixel faces, and how many; pairs come up repeatedly.

    Parameters
    ----------
    runs : Runs
    piece : int32 array (n,)
        The piece of each run.
    """
    # in a row, a run meets the next one; two rows of a and b runs share at most a + b stretches
    lower, higher, faces = (np.empty(5 * len(piece), np.int64) for _ in range(3))
    n = _touching(runs.first, runs.start, runs.stop, piece, runs.height, lower, higher, faces)
    return lower[:n], higher[:n], faces[:n]


def runs_with_cores(runs: Runs, piece: Ints, n: int) -> npt.NDArray[np.bool_]:
    """Tell which of the pieces 1 to n hold a pixel whose face neighbours are all of the piece, (n + 1,)."""
    cores = np.zeros(n + 1, np.bool_)
    _cores(runs.first, runs.start, runs.stop, piece, runs.height, len(runs.shape) == 3, cores)
    return cores


@njit(nogil=True, cache=True)
def _count(rows, counts, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        n = np.int64(rows[row, 0] != 0)
        for x in range(1, rows.shape[1]):
            n += (rows[row, x] != rows[row, x - 1]) & (rows[row, x] != 0)
        counts[row] = n


@njit(nogil=True, cache=True)
def _list(rows, first_run, start, stop, value, first, last):  # type: ignore[no-untyped-def]
    width = rows.shape[1]
    for row in range(first, last):
        run = first_run[row]
        x = 0
        while x < width:
            here, begin = rows[row, x], x
            x += 1
            while x < width and rows[row, x] == here:
                x += 1
            if here != 0:
                start[run], stop[run], value[run] = begin, x, here
                run += 1


@njit(nogil=True, cache=True)
def find_root(parent, run):  # type: ignore[no-untyped-def]
    """Return the first of the runs that one is joined with, and shorten the way to it."""
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(nogil=True, cache=True)
def _join(parent, value, a, b):  # type: ignore[no-untyped-def]
    if value[a] == value[b]:
        a, b = find_root(parent, a), find_root(parent, b)
        # the earlier run leads, so that no run comes before the one that it follows
        if a < b:
            parent[b] = a
        else:
            parent[a] = b


@njit(nogil=True, cache=True)
def _connect(first, start, stop, value, height, parent):  # type: ignore[no-untyped-def]
    """Join each row's runs with those of the rows around it that come earlier; write the pieces over the parents."""
    for row in range(first.size - 1):
        y = row % height
        for step in range(4):
            # the row before, then three rows of the slice before
            dy = 0 if step == 0 else step - 2
            other = row - 1 if step == 0 else row - height + dy
            if other < 0 or (step == 0 and y == 0) or y + dy < 0 or y + dy >= height:
                continue
            i, j = first[row], first[other]
            i_end, j_end = first[row + 1], first[other + 1]
            while i < i_end and j < j_end:
                if start[i] <= stop[j] and start[j] <= stop[i]:
                    _join(parent, value, i, j)
                if stop[i] < stop[j]:
                    i += 1
                elif stop[j] < stop[i]:
                    j += 1
                else:
                    # both end here: each may touch, by a corner, the one that follows the other
                    if i + 1 < i_end and start[i + 1] == stop[j]:
                        _join(parent, value, i + 1, j)
                    if j + 1 < j_end and start[j + 1] == stop[i]:
                        _join(parent, value, i, j + 1)
                    i += 1
                    j += 1
    n = 0
    for run in range(parent.size):
        if parent[run] == run:
            n += 1
            parent[run] = n
        else:
            parent[run] = parent[parent[run]]
    return n


@njit(nogil=True, cache=True)
def _paint(first_run, start, stop, value, image, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        x = 0
        for run in range(first_run[row], first_run[row + 1]):
            while x < start[run]:
                image[row, x] = 0
                x += 1
            while x < stop[run]:
                image[row, x] = value[run]
                x += 1
        while x < image.shape[1]:
            image[row, x] = 0
            x += 1


@njit(nogil=True, cache=True)
def _touching(first, start, stop, piece, height, lower, higher, faces):  # type: ignore[no-untyped-def]
    n, n_rows = 0, first.size - 1
    for row in range(n_rows):
        for i in range(first[row], first[row + 1] - 1):
            if stop[i] == start[i + 1] and piece[i] != piece[i + 1]:
                lower[n], higher[n] = min(piece[i], piece[i + 1]), max(piece[i], piece[i + 1])
                faces[n] = 1
                n += 1
        for step in range(2):
            other = row + 1 if step == 0 else row + height
            if other >= n_rows or (step == 0 and other % height == 0) or (step == 1 and height == n_rows):
                continue
            i, j = first[row], first[other]
            while i < first[row + 1] and j < first[other + 1]:
                shared = min(stop[i], stop[j]) - max(start[i], start[j])
                if shared > 0 and piece[i] != piece[j]:
                    lower[n], higher[n], faces[n] = min(piece[i], piece[j]), max(piece[i], piece[j]), shared
                    n += 1
                if stop[i] <= stop[j]:
                    i += 1
                else:
                    j += 1
    return n


@njit(nogil=True, cache=True)
def _reach(first, start, stop, piece, row, wanted, x):  # type: ignore[no-untyped-def]
    """Return the first stretch of a row, ending after x, that is of the wanted piece; an empty one if there is none."""
    low, high = first[row], first[row + 1]
    while low < high:
        middle = (low + high) // 2
        if stop[middle] <= x:
            low = middle + 1
        else:
            high = middle
    while low < first[row + 1]:
        if piece[low] == wanted:
            return start[low], stop[low]
        low += 1
    return np.int32(0), np.int32(0)


@njit(nogil=True, cache=True)
def _cores(first, start, stop, piece, height, volume, cores):  # type: ignore[no-untyped-def]
    n_rows = first.size - 1
    for row in range(n_rows):
        y = row % height
        if y == 0 or y == height - 1 or (volume and (row < height or row >= n_rows - height)):
            continue
        for run in range(first[row], first[row + 1]):
            if cores[piece[run]]:
                continue
            # the image's border belongs to no core: a run that ends there has a neighbour of its piece nowhere
            x, end = start[run] + 1, stop[run] - 1
            while x < end:
                further = x
                for step in range(4 if volume else 2):
                    away = 1 if step < 2 else height
                    other = row - away if step % 2 == 0 else row + away
                    begin, finish = _reach(first, start, stop, piece, other, piece[run], further)
                    if finish <= begin:
                        further = end
                        break
                    further = max(further, begin)
                if further == x:
                    cores[piece[run]] = True
                    break
                x = further
