"""Objects in several pieces: those that are far apart are most likely two objects with one id."""

from __future__ import annotations

import numpy as np

from napari_instseg.editing.change import Labels, Mask, box_of


def far_pieces(inside: Mask) -> Labels:
    """Group the pieces of an object that are near each other.

    Pieces belong together where the gap between their boxes is smaller than the side of the larger box, as of an
    object that another one crosses.

    Parameters
    ----------
    inside : bool array (Y, X) or (Z, Y, X)
        The object.

    Returns
    -------
    int32 array
        0 outside, 1 to n the groups; n is 1 for an object as it should be.
    """
    from scipy import ndimage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pieces, count = ndimage.label(inside, np.ones((3,) * inside.ndim), output=np.int32)
    if count < 2:
        return np.asarray(pieces)
    boxes = ndimage.find_objects(pieces)
    low = np.array([[part.start for part in box] for box in boxes])
    high = np.array([[part.stop for part in box] for box in boxes])
    gap = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).max(axis=2)
    side = (high - low).max(axis=1)
    first, second = np.nonzero(gap < np.maximum(side[:, None], side[None]))
    _, group = connected_components(coo_array((np.ones(len(first)), (first, second)), shape=(count, count)))
    groups: Labels = np.concatenate([[0], group + 1]).astype(np.int32)[pieces]
    return groups


def words_on_pieces(inside: Mask, label: int) -> str:
    """Say that an object lies in places far apart, or nothing."""
    count = int(far_pieces(inside[box_of(inside)]).max())
    if count < 2:
        return ""
    return (
        f"Object {label} lies in {count} places that are far apart. If these are objects of their own, "
        "undo, and split it by one click on each."
    )


def separate(labels: Labels) -> Labels:
    """Return every far piece of every object an id of its own, above all others; the largest keeps the object's."""
    from skimage.measure import label as connect

    apart = labels.copy()
    highest = int(labels.max(initial=0))
    pieces = connect(np.maximum(labels, 0), background=0, connectivity=labels.ndim)
    owner = np.zeros(int(pieces.max(initial=0)) + 1, np.int64)
    owner[pieces.ravel()] = labels.ravel()
    several = np.flatnonzero(np.bincount(np.maximum(owner[1:], 0)) > 1)
    for label in several[several > 0]:
        inside = labels == label
        box = box_of(inside)
        groups = far_pieces(inside[box])
        sizes = np.bincount(groups.ravel())[1:]
        for group in np.argsort(-sizes)[1:] + 1:
            highest += 1
            apart[box][groups == group] = highest
    return apart
