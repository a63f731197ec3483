"""Masks that may overlap: cut out of detected regions, compared with each other, painted over each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.decoding.components import look_up
from napari_instseg.decoding.parallel import in_bands

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Instances:
    """Masks that may overlap, each within a window of the grid, from the surest on."""

    windows: Ints
    """First row and column of each window, then one past its last, (n, 4)."""
    first: Ints
    """Where each mask begins in `values`, row by row, (n,)."""
    values: npt.NDArray[Any]
    """The pixels of all masks: probabilities, or bool."""
    score: Floats
    class_id: Ints

    def __len__(self) -> int:
        return len(self.first)

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return self.values.nbytes

    def mask(self, index: int) -> tuple[tuple[slice, slice], npt.NDArray[Any]]:
        """Return the window of one of them, and its mask there."""
        top, left, bottom, right = self.windows[index].tolist()
        start, shape = self.first[index], (bottom - top, right - left)
        return (slice(top, bottom), slice(left, right)), self.values[start : start + shape[0] * shape[1]].reshape(shape)

    def stack(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Lay all masks out on the grid, (n, Y, X)."""
        stack = np.zeros((len(self), *shape), bool)
        for index, layer in enumerate(stack):
            window, mask = self.mask(index)
            layer[window] = mask
        return stack


def cut_out(rows: Floats, shape: tuple[int, ...], embedding: Floats | None) -> Instances:
    """Return, in the window of each detection, the probability of each pixel to be in its object.

    Parameters
    ----------
    rows : float32 array (N, K)
        Box (y, x, y, x), score, class, seed (D), sigma, mask logits; boxes beyond the grid are left out.
    shape : tuple of int
        Of the grid; windows are cut at its border.
    embedding : float32 array (D, Y, X), optional
        If given, the logarithm of the kernel to the seed is added to the logits (Novotny et al. 2018, section 3.5), at
        the full resolution.
    """
    windows = np.concatenate([np.floor(rows[:, :2]), np.ceil(rows[:, 2:4])], axis=1)
    windows = np.clip(windows, 0, [*shape, *shape]).astype(np.int64)
    seen = (windows[:, 2:] > windows[:, :2]).all(axis=1)
    rows, windows = np.ascontiguousarray(rows[seen], np.float32), windows[seen]
    end = np.cumsum((windows[:, 2] - windows[:, 0]) * (windows[:, 3] - windows[:, 1]))
    first = np.concatenate([[0], end])
    values = np.empty(first[-1], np.float32)
    dims = rows.shape[1] - MASK_SIDE**2 - 7
    place = np.empty((0, *shape), np.float32) if embedding is None or dims == 0 else np.asarray(embedding, np.float32)
    in_bands(_cut_out, len(rows), rows, windows, first, place, values)
    return Instances(windows, first[:-1], values, rows[:, 4], rows[:, 5].astype(np.int64))


@njit(nogil=True, cache=True)
def _cells(low, high, start, stop):  # type: ignore[no-untyped-def]
    """Return, for each pixel along one axis, the cell of the mask below its centre, and how far on the next one is."""
    cell, share = np.empty(stop - start, np.int64), np.empty(stop - start, np.float32)
    for i in range(stop - start):
        at = (start + i + 0.5 - low) * (MASK_SIDE / max(high - low, 1e-6)) - 0.5
        at = min(max(at, 0.0), MASK_SIDE - 1.0)
        cell[i] = min(int(at), MASK_SIDE - 2)
        share[i] = at - cell[i]
    return cell, share


@njit(nogil=True, cache=True)
def _cut_out(rows, windows, first, embedding, values, begin, end):  # type: ignore[no-untyped-def]
    for k in range(begin, end):
        row = rows[k]
        logits = row[row.size - MASK_SIDE**2 :].reshape(MASK_SIDE, MASK_SIDE)
        sigma = row[row.size - MASK_SIDE**2 - 1]
        top, left, bottom, right = windows[k]
        cell_y, share_y = _cells(row[0], row[2], top, bottom)
        cell_x, share_x = _cells(row[1], row[3], left, right)
        at = first[k]
        for i in range(bottom - top):
            upper, lower = logits[cell_y[i]], logits[cell_y[i] + 1]
            for j in range(right - left):
                c, s = cell_x[j], share_x[j]
                above = upper[c] + s * (upper[c + 1] - upper[c])
                below = lower[c] + s * (lower[c + 1] - lower[c])
                fine = above + share_y[i] * (below - above)
                if len(embedding):
                    squared = np.float32(0)
                    for d in range(len(embedding)):
                        difference = embedding[d, top + i, left + j] - row[6 + d]
                        squared += difference * difference
                    fine -= np.sqrt(squared) / sigma
                values[at] = 1 / (1 + np.exp(-min(max(fine, -60), 60)))
                at += 1


def keep_surest(candidates: Instances, min_score: float, mask_threshold: float, max_overlap: float) -> Instances:
    """Keep, from the surest on, the masks that overlap none that is kept by more than `max_overlap` (IoU).

    Masks without a pixel of at least `mask_threshold`, and those whose score is below `min_score`, are left out.
    """
    n = np.count_nonzero(candidates.score >= min_score)
    inside = candidates.values >= mask_threshold
    kept = _keep(candidates.windows[:n], candidates.first[:n], inside, max_overlap)
    return Instances(
        candidates.windows[kept], candidates.first[kept], inside, candidates.score[kept], candidates.class_id[kept]
    )


def paint(instances: Instances, shape: tuple[int, ...], min_size: int) -> tuple[npt.NDArray[np.int32], Ints]:
    """Paint from the least sure on, so that the surest lie on top; number what is left to see.

    Returns
    -------
    labels : int32 array of the shape
    seen : int array (m,)
        Which of the instances has each number, counted from 0; those with fewer than `min_size` pixels left are out.
    """
    painted = np.zeros(shape, np.int32)
    size = np.zeros(len(instances) + 1, np.int64)
    _lay(instances.windows, instances.first, instances.values, painted, size)
    seen = np.flatnonzero(size[1:] >= max(min_size, 1))
    new_id = np.zeros(len(instances) + 1, np.int32)
    new_id[seen + 1] = np.arange(1, len(seen) + 1)
    return look_up(new_id, painted), seen


@njit(nogil=True, cache=True)
def _keep(windows, first, inside, max_overlap):  # type: ignore[no-untyped-def]
    """List the masks that overlap no surer one that is kept by more than this (IoU)."""
    area = np.zeros(len(first), np.int64)
    kept = np.empty(len(first), np.int64)
    n = 0
    for k in range(len(first)):
        for at in range(first[k], first[k] + (windows[k, 2] - windows[k, 0]) * (windows[k, 3] - windows[k, 1])):
            area[k] += inside[at]
        new = area[k] > 0
        for i in range(n):
            if not new:
                break
            common = _common(windows, first, inside, k, kept[i])
            new = common <= max_overlap * (area[k] + area[kept[i]] - common)
        if new:
            kept[n] = k
            n += 1
    return kept[:n]


@njit(nogil=True, cache=True)
def _common(windows, first, inside, one, other):  # type: ignore[no-untyped-def]
    """Count the pixels that two masks share."""
    a, b = windows[one], windows[other]
    left, right = max(a[1], b[1]), min(a[3], b[3])
    common = 0
    for y in range(max(a[0], b[0]), min(a[2], b[2])):
        at_a = first[one] + (y - a[0]) * (a[3] - a[1]) - a[1]
        at_b = first[other] + (y - b[0]) * (b[3] - b[1]) - b[1]
        for x in range(left, right):
            common += inside[at_a + x] & inside[at_b + x]
    return common


@njit(nogil=True, cache=True)
def _lay(windows, first, inside, painted, size):  # type: ignore[no-untyped-def]
    """Write the masks over each other, the first on top, and count the pixels that are left of each, from 1."""
    for k in range(len(first) - 1, -1, -1):
        at = first[k]
        for y in range(windows[k, 0], windows[k, 2]):
            for x in range(windows[k, 1], windows[k, 3]):
                if inside[at]:
                    size[painted[y, x]] -= 1
                    painted[y, x] = k + 1
                    size[k + 1] += 1
                at += 1
