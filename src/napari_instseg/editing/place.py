"""Puts a new outline into a label image: who yields its pixels, and what becomes of what is left of others."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from napari_instseg.editing.change import Box, Change, Labels, Mask

SCRAP = 0.25
"""Of an object that a new one takes most of, pieces below this share of the new one's size are dropped."""


def place(labels: Labels, box: Box, inside: Mask, label: int, keep: Collection[int] = ()) -> Change:
    """Return a region to an object, whose pixels outside of it become background.

    Objects in `keep` yield nothing. Of another object that loses more than half of its pixels, only pieces that are
    large enough to be objects stay.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
    box : tuple of slice
        Where the region is.
    inside : bool array
        The region, in the box.
    label : int
        The object's id; one that is there already gets this new outline.
    keep : collection of int
        Ids of objects that stay as they are.

    Raises
    ------
    InputError
        If nothing is left of the region, since all of it belongs to kept objects.
    """
    from napari_instseg.core.errors import InputError

    kept = [other for other in keep if other != label]
    taken = inside & ~np.isin(labels[box], kept) if kept else inside
    if not taken.any():
        raise InputError("All of it belongs to accepted objects. Take back their acceptance, or choose another place.")
    cut = [int(other) for other in np.unique(labels[box][taken]) if other not in (0, label)]
    reach = _reach(labels, [label, *cut], box)
    # the region in the wider box that holds all that changes
    mask = np.zeros(tuple(part.stop - part.start for part in reach), bool)
    mask[tuple(slice(b.start - r.start, b.stop - r.start) for b, r in zip(box, reach, strict=True))] = taken
    new = labels[reach].copy()
    new[new == label] = 0
    for other in cut:
        _drop_scraps(new, new == other, mask)
    new[mask] = label
    return Change(reach, new, (label,))


def _reach(labels: Labels, ids: list[int], box: Box) -> Box:
    """Widen a box so that it holds these objects."""
    where = np.isin(labels, ids)
    reach = []
    for axis, part in enumerate(box):
        others = tuple(other for other in range(labels.ndim) if other != axis)
        along = np.flatnonzero(where.any(axis=others))
        low, high = (along[0], along[-1] + 1) if along.size else (part.start, part.stop)
        reach.append(slice(min(part.start, int(low)), max(part.stop, int(high))))
    return tuple(reach)


def _drop_scraps(new: Labels, other: Mask, mask: Mask) -> None:
    from scipy import ndimage

    left = other & ~mask
    if 2 * np.count_nonzero(left) >= np.count_nonzero(other):
        return
    pieces, _ = ndimage.label(left)
    sizes = np.bincount(pieces.ravel())
    small = sizes < SCRAP * np.count_nonzero(mask)
    small[0] = False
    new[small[pieces]] = 0
