"""Objects that lie on top of each other: a label image, and which pixels of objects are covered by others.

What is covered is listed in rows ``(id, index along each axis)``. So one picture of what is in sight and a short list
hold all masks, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.core.method import Array
from napari_instseg.decoding.instances import Instances

Labels = npt.NDArray[np.int32]
Covered = npt.NDArray[np.int32]
"""(m, 1 + ndim): id of the object, and where the pixel is; no pixel of an object twice, none that is in sight."""


def find_covered(instances: Instances, group: Sequence[int] | Array, labels: Labels) -> Covered:
    """List the pixels of masks at which another object is in sight.

    Parameters
    ----------
    instances : Instances
        Bool masks (Y, X).
    group : int array (n,)
        Which of them is the object of each id, from 1, counted from 0.
    labels : int32 array (Y, X)
        What is in sight.
    """
    numbers = np.asarray(group, np.int64)
    return np.asarray(_list_covered(instances.windows, instances.first, instances.values, numbers, labels))


@njit(nogil=True, cache=True)
def _list_covered(windows, first, inside, group, labels):  # type: ignore[no-untyped-def]
    """Count in a first round, and write in a second."""
    rows = np.empty((0, 3), np.int32)
    for writes in (False, True):
        count = 0
        for k in range(len(group)):
            top, left, bottom, right = windows[group[k]]
            at = first[group[k]]
            for y in range(top, bottom):
                for x in range(left, right):
                    if inside[at] and labels[y, x] > 0 and labels[y, x] != k + 1:
                        if writes:
                            rows[count, 0], rows[count, 1], rows[count, 2] = k + 1, y, x
                        count += 1
                    at += 1
        if not writes:
            rows = np.empty((count, 3), np.int32)
    return rows


def whole_masks(labels: Labels, covered: Covered | None, ids: Sequence[int] | Array) -> npt.NDArray[np.bool_]:
    """Return the mask of each object, what is covered of it included.

    Returns
    -------
    bool array (n, *shape of the labels)
        In the order of `ids`.
    """
    numbers = np.asarray(ids, np.int64).reshape(-1)
    masks: npt.NDArray[np.bool_] = labels == numbers.reshape(-1, *(1,) * labels.ndim)
    if covered is not None and len(numbers):
        order = np.argsort(numbers, kind="stable")
        known = covered[np.isin(covered[:, 0], numbers)]
        which = order[np.searchsorted(numbers, known[:, 0], sorter=order)]
        masks[(which, *known[:, 1:].T)] = True
    return masks


def from_masks(masks: Array) -> tuple[Labels, Covered]:
    """Return labels 1 to n and what is covered, of a stack of masks (n, *shape) of which the later lie on top."""
    labels = np.zeros(masks.shape[1:], np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    return labels, out_of_sight(masks, labels)


def out_of_sight(masks: Array, labels: Labels) -> Covered:
    """List the pixels of a stack of masks (n, *shape) at which the labels have not their number, from 1."""
    rows = [np.empty((0, masks.ndim), np.int32)]
    for number, mask in enumerate(masks, start=1):
        places = np.argwhere(mask & (labels != number))
        rows.append(np.insert(places, 0, number, axis=1).astype(np.int32))
    return np.concatenate(rows)


def layers_of(labels: Labels, covered: Covered) -> Labels:
    """Lay objects out so that none hides another: what is in sight, what is under that, what is under both, ...

    Returns
    -------
    int32 array (depths, *shape of the labels)
        Ids; of what is covered at a pixel the lower ids come first.
    """
    if not len(covered):
        return labels[None]
    place = np.ravel_multi_index(tuple(covered[:, 1:].T), labels.shape)
    order = np.lexsort((covered[:, 0], place))
    place, number = place[order], covered[order, 0]
    first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    depth = np.arange(len(place)) - np.repeat(first, np.diff(np.append(first, len(place))))
    layers = np.zeros((int(depth.max()) + 2, labels.size), np.int32)
    layers[0] = labels.ravel()
    layers[depth + 1, place] = number
    return layers.reshape(-1, *labels.shape)


def renumber_covered(covered: Covered, new_id: Array) -> Covered:
    """Renumber objects by a table over the old ones; what becomes 0 is left out."""
    numbers = np.where(covered[:, 0] < len(new_id), new_id[np.minimum(covered[:, 0], len(new_id) - 1)], 0)
    renamed = covered.copy()
    renamed[:, 0] = numbers
    return renamed[numbers > 0]


def crop_covered(covered: Covered, window: tuple[slice, ...]) -> Covered:
    """Return what is covered in a window of the grid, places counted from its corner."""
    start = np.array([part.start or 0 for part in window], np.int32)
    stop = np.array([np.iinfo(np.int32).max if part.stop is None else part.stop for part in window])
    inside = ((covered[:, 1:] >= start) & (covered[:, 1:] < stop)).all(axis=1)
    kept = covered[inside].copy()
    kept[:, 1:] -= start
    return kept
