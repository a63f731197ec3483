"""Object ids that stay the same from one decode to the next, so that colours do not jump."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.components import look_up
from napari_instseg.decoding.parallel import in_bands

Ids = npt.NDArray[np.int32]


def keep_ids(previous: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[Ids, Ids]:
    """Give objects the ids of the earlier objects that they overlap most.

    Pairs of an earlier and a new object are taken by falling overlap, each object once; new objects that are left
    get ids above all earlier ones.

    Parameters
    ----------
    previous : int array (Y, X) or (Z, Y, X)
        The earlier label image; any ids.
    labels : int array of the same shape
        The new one, ids 1 to n.

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
    pairs, inverse = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    overlap = np.bincount(inverse, weights=np.concatenate([part[1] for part in parts]))
    order = np.argsort(-overlap, kind="stable")
    ids = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    fresh = int(previous.max(initial=0)) + 1
    _match_greedily(pairs[order] >> 32, pairs[order] & 0xFFFFFFFF, ids, fresh)
    return look_up(ids, labels), ids


@njit(nogil=True, cache=True)
def _overlap_runs(old, new, first, last):  # type: ignore[no-untyped-def]
    """List the runs in which both label images hold one object each: the pair as one number, and the length."""
    pairs, lengths = [], []
    width = old.shape[1]
    for row in range(first, last):
        x = 0
        while x < width:
            a, b = old[row, x], new[row, x]
            begin = x
            while x < width and old[row, x] == a and new[row, x] == b:
                x += 1
            if a > 0 and b > 0:
                pairs.append((np.int64(a) << 32) | np.int64(b))
                lengths.append(x - begin)
    return np.array(pairs, np.int64), np.array(lengths, np.int64)


@njit(nogil=True, cache=True)
def _match_greedily(old, new, ids, fresh):  # type: ignore[no-untyped-def]
    taken = np.zeros(fresh, np.bool_)
    for pair in range(old.size):
        if not taken[old[pair]] and ids[new[pair]] == 0:
            taken[old[pair]] = True
            ids[new[pair]] = old[pair]
    for label in range(1, ids.size):
        if ids[label] == 0:
            ids[label] = fresh
            fresh += 1
