"""Grows an object from one click: the connected pixels that are like those under it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import Box, Change, Labels, Mask, Point, check_point
from napari_instseg.editing.likeness import Clues
from napari_instseg.editing.place import place

THRESHOLD = 0.5
"""Likeness of a pixel, 0 to 1, from which on it joins."""
FIRST_REACH = 32
"""Pixels around the click that are looked at first; twice as many while the object goes on at the border."""
ROUNDS = 2
"""First by the pixels under the click, then by the mean of what these gave: one step of mean-shift."""


def grow_region(clues: Clues, point: Point, threshold: float = THRESHOLD) -> tuple[Box, Mask]:
    """Find the object around a pixel.

    The likeness of a pixel to the object is ``2 ** -(d / (scale spread)) ** 2`` with d the distance of their features,
    less where it lies in the foreground less than the click does. What is connected with the click above the threshold
    is the object; holes are filled.

    Parameters
    ----------
    clues : Clues
        What the network said.
    point : tuple of int
        (Y, X) or (Z, Y, X).
    threshold : float
        0 to 1; lower gives a larger object.

    Returns
    -------
    box : tuple of slice
        Where the object is.
    inside : bool array
        Its pixels in the box.

    Raises
    ------
    InputError
        If the point is outside the image, or there is nothing like it around it.
    """
    from scipy import ndimage

    point = check_point(point, clues.shape)
    reach = FIRST_REACH
    while True:
        box = tuple(
            slice(max(place - reach, 0), min(place + reach + 1, length))
            for place, length in zip(point, clues.shape, strict=True)
        )
        inside = _alike(clues, box, point, threshold)
        if not _goes_on(inside, box, clues.shape):
            break
        reach *= 2
    if not inside.any():
        raise InputError("Nothing grows from here. Click nearer to the middle of an object, or lower the threshold.")
    return box, np.asarray(ndimage.binary_fill_holes(inside))


def grow(
    labels: Labels,
    clues: Clues,
    point: Point,
    new_id: int,
    threshold: float = THRESHOLD,
    keep: Collection[int] = (),
) -> Change:
    """Return the object around a click its outline.

    If most of the object under the click lies in what grew, it is this object and keeps its id; else what grew is a
    new one.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
    clues, point, threshold
        See `grow_region`.
    new_id : int
        For a new object.
    keep : collection of int
        Ids of objects that stay as they are, but for the one under the click.

    Raises
    ------
    InputError
        If nothing grows.
    """
    box, inside = grow_region(clues, point, threshold)
    under = int(labels[check_point(point, labels.shape)])
    if under > 0:
        covered = np.count_nonzero(labels[box][inside] == under)
        if 2 * covered > np.count_nonzero(labels == under):
            return place(labels, box, inside, under, keep)
    return place(labels, box, inside, new_id, [other for other in keep if other != under])


def _alike(clues: Clues, box: Box, point: Point, threshold: float) -> Mask:
    """Return the pixels of a box that are connected with the point and like it."""
    from scipy import ndimage

    here = tuple(place - part.start for place, part in zip(point, box, strict=True))
    foreground = clues.in_foreground(box)
    under = foreground[tuple(slice(max(place - 1, 0), place + 2) for place in here)].mean()
    belongs = np.minimum(foreground / max(float(under), 1e-3), 1)
    features = clues.around(point)
    inside = np.zeros(foreground.shape, bool)
    for _ in range(ROUNDS):
        likeness = np.exp2(-clues.squared_distance(box, features) / clues.spread**2) * belongs
        pieces, _count = ndimage.label(likeness >= threshold)
        if not pieces[here]:
            break
        inside = pieces == pieces[here]
        features = clues.mean(box, inside)
    return inside


def _goes_on(inside: Mask, box: Box, shape: tuple[int, ...]) -> bool:
    """Return whether the pixels reach a side of the box that is not the image's own."""
    for axis, (part, length) in enumerate(zip(box, shape, strict=True)):
        if part.start > 0 and np.take(inside, 0, axis).any():
            return True
        if part.stop < length and np.take(inside, -1, axis).any():
            return True
    return False
