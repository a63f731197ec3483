"""Object ids that stay the same from one decode to the next, so that colours do not jump."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.core.errors import InputError
from napari_instseg.decoding.components import look_up
from napari_instseg.decoding.parallel import in_bands

Ids = npt.NDArray[np.int32]

DENSE = 1 << 22
"""Pairs of ids up to which overlaps are added up in a table of all of them, which is faster than sorting."""


def keep_ids(previous: npt.NDArray[Any], labels: npt.NDArray[Any], above: int = 0) -> tuple[Ids, Ids]:
    """Assign to objects the ids of the earlier objects that they overlap most.

    Pairs of an earlier and a new object are taken by falling overlap, each object once; new objects that are left
    get ids above all earlier ones and above `above`.

    Parameters
    ----------
    previous : int array (Y, X) or (Z, Y, X)
        The earlier label image; any ids.
    labels : int array of the same shape
        The new one, ids 1 to n.
    above : int
        New objects get no id up to this one.

    Returns
    -------
    labels : int32 array
        The new label image with the kept ids.
    ids : int32 array (n + 1,)
        The kept id of each new object: ``ids[i]`` is that of object i, ``ids[0]`` is 0.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if previous.shape != labels.shape:
        raise InputError(f"Ids cannot be kept from labels of shape {previous.shape} to labels of {labels.shape}.")
    width = labels.shape[-1]
    old_rows = np.ascontiguousarray(previous).reshape(-1, width)
    new_rows = np.ascontiguousarray(labels).reshape(-1, width)
    parts = in_bands(_overlap_runs, len(new_rows), old_rows, new_rows)
    old, new, length = (np.concatenate([part[i] for part in parts]) for i in range(3))
    ids = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    highest = int(previous.max(initial=0))
    pairs, overlap = _add_up(old * len(ids) + new, length, (highest + 1) * len(ids))
    order = np.argsort(-overlap, kind="stable")
    _match_greedily(*np.divmod(pairs[order], len(ids)), np.zeros(highest + 1, np.bool_), ids, max(highest, above) + 1)
    return look_up(ids, labels), ids


def _add_up(
    pairs: npt.NDArray[np.int64], length: npt.NDArray[np.int64], n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the pairs, as numbers below n, that come up at all, and the sum of the lengths of each."""
    overlap: npt.NDArray[np.float64]
    if n <= DENSE:
        overlap = np.bincount(pairs, length, n).astype(np.float64, copy=False)
        present: npt.NDArray[np.int64] = np.flatnonzero(overlap)
        return present, overlap[present]
    present, inverse = np.unique(pairs, return_inverse=True)
    overlap = np.bincount(inverse, length).astype(np.float64, copy=False)
    return present, overlap


@njit(nogil=True, cache=True)
def _overlap_runs(old, new, first, last):  # type: ignore[no-untyped-def]
    """List the runs in which both label images hold one object each: the earlier one, the new one, and the length."""
    olds, news, lengths = [np.int64(0)], [np.int64(0)], [np.int64(0)]
    width = old.shape[1]
    for row in range(first, last):
        x = 0
        while x < width:
            a, b = old[row, x], new[row, x]
            begin = x
            while x < width and old[row, x] == a and new[row, x] == b:
                x += 1
            if a > 0 and b > 0:
                olds.append(np.int64(a))
                news.append(np.int64(b))
                lengths.append(np.int64(x - begin))
    return np.array(olds[1:], np.int64), np.array(news[1:], np.int64), np.array(lengths[1:], np.int64)


@njit(nogil=True, cache=True)
def _match_greedily(old, new, taken, ids, fresh):  # type: ignore[no-untyped-def]
    for pair in range(old.size):
        if not taken[old[pair]] and ids[new[pair]] == 0:
            taken[old[pair]] = True
            ids[new[pair]] = old[pair]
    for label in range(1, ids.size):
        if ids[label] == 0:
            ids[label] = fresh
            fresh += 1
