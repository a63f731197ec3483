"""Edits of whole objects: delete, merge, smooth, fill holes, draw."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import Change, Labels, box_of, object_box
from napari_instseg.editing.pieces import words_on_pieces
from napari_instseg.editing.place import place

SMOOTHING = 0.08
"""Width of the smoothing, as a share of the object's diameter."""
BRIDGE = 2
"""Background between merged objects that is nearer than this to both, in pixels, joins them."""


def delete(labels: Labels, label: int) -> Change:
    """Make an object background.

    Raises
    ------
    InputError
        If there is no such object.
    """
    box = object_box(labels, label)
    words = words_on_pieces(labels[box] == label, label)
    return Change(box, np.where(labels[box] == label, 0, labels[box]).astype(np.int32), words=words)


def merge(labels: Labels, ids: Collection[int]) -> Change:
    """Make several objects one; it gets the id of the largest. Narrow gaps between them are filled.

    Raises
    ------
    InputError
        If there are fewer than two of them.
    """
    from scipy import ndimage

    wanted = sorted({int(label) for label in ids} - {0})
    inside = np.isin(labels, wanted) if wanted else np.zeros(labels.shape, bool)
    sizes = np.bincount(labels[inside], minlength=1) if inside.any() else np.zeros(1, int)
    found = np.flatnonzero(sizes)
    if len(found) < 2:
        raise InputError(f"Merging needs two objects or more; found {len(found)}. Draw the stroke across all of them.")
    box = box_of(inside, BRIDGE + 1)
    new = labels[box].copy()
    union = inside[box]
    cube = np.ones((3,) * union.ndim, bool)
    closed = ndimage.binary_closing(np.pad(union, BRIDGE), cube, iterations=BRIDGE)
    closed = closed[tuple(slice(BRIDGE, -BRIDGE) for _ in box)]
    new[union | (closed & (new == 0))] = largest = int(sizes.argmax())
    return Change(box, new, (largest,), words_on_pieces(new == largest, largest))


def smooth(labels: Labels, label: int) -> Change:
    """Round an object's outline: bays are filled, spikes and crumbs are dropped; other objects yield nothing.

    Raises
    ------
    InputError
        If there is no such object.
    """
    from scipy import ndimage

    box = object_box(labels, label)
    size = np.count_nonzero(labels[box] == label)
    # of the disk, or ball, of this size
    diameter = 2 * (size / np.pi) ** 0.5 if labels.ndim == 2 else 2 * (3 * size / (4 * np.pi)) ** (1 / 3)
    width = max(SMOOTHING * diameter, 1.0)
    box = object_box(labels, label, int(np.ceil(2 * width)))
    new = labels[box].copy()
    own = new == label
    # the image's border is no outline, so the object goes on beyond it
    round_ = ndimage.gaussian_filter(own.astype(np.float32), width, mode="nearest") >= 0.5
    if not (round_ & ((new == 0) | own)).any():
        raise InputError(f"Object {label} has {size} px; that is too small to be smoothed. Nothing was changed.")
    new[own & ~round_] = 0
    new[round_ & (new == 0)] = label
    return Change(box, new, (label,))


def fill(labels: Labels, label: int) -> Change:
    """Fill the holes of an object; other objects inside it stay.

    Raises
    ------
    InputError
        If there is no such object, or it has no holes.
    """
    from scipy import ndimage

    box = object_box(labels, label)
    new = labels[box].copy()
    holes = ndimage.binary_fill_holes(new == label) & (new == 0)
    if not holes.any():
        raise InputError(f"Object {label} has no holes. Nothing was changed.")
    new[holes] = label
    return Change(box, new, (label,))


def draw(labels: Labels, outline: Sequence[Sequence[float]], label: int, keep: Collection[int] = ()) -> Change:
    """Make what an outline encloses an object.

    In an image (Y, X), a kept object that is most of what is enclosed, with most of its pixels, gets this outline.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
    outline : sequence of points
        In pixels; in a volume all of one z.
    label : int
        The new object's id.
    keep : collection of int
        Ids of objects that yield nothing to a new one.

    Raises
    ------
    InputError
        If it encloses no pixel of the image.
    """
    points = np.asarray(outline, float)
    inside, depth = enclosed(points, labels.shape)
    box = box_of(inside)
    if labels.ndim == 2:
        return place(labels, box, inside[box], _drawn_anew(labels, inside, keep) or label, keep)
    return place(labels, (slice(depth, depth + 1), *box), inside[box][None], label, keep)


def _drawn_anew(labels: Labels, inside: npt.NDArray[np.bool_], ids: Collection[int]) -> int:
    """Return the object, of these ids, that has most of its pixels inside and is most of what is there; else 0."""
    found, counts = np.unique(labels[inside], return_counts=True)
    most = int(counts.argmax())
    label, shared = int(found[most]), 2 * int(counts[most])
    same = label in ids and shared > np.count_nonzero(inside) and shared > np.count_nonzero(labels == label)
    return label if same else 0


def enclosed(points: npt.NDArray[Any], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.bool_], int]:
    """Return the pixels of a plane (Y, X) that a polygon encloses, and the plane's z, 0 where there is none.

    Raises
    ------
    InputError
        If these are none.
    """
    from skimage.draw import polygon2mask

    if len(points) < 3:
        raise InputError("An outline needs three points or more. Draw around the object.")
    inside = polygon2mask(shape[-2:], points[:, -2:])
    if not inside.any():
        raise InputError(f"The outline encloses no pixel of the image, whose shape is {shape}. Nothing was changed.")
    depth = round(float(points[0, 0])) if len(shape) == 3 else 0
    if not 0 <= depth < (shape[0] if len(shape) == 3 else 1):
        raise InputError(f"Slice {depth} is outside the volume, which has {shape[0]}. Nothing was changed.")
    return inside, depth
