"""Splits an object: by a click on each part, or by a line across it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import Box, Change, Labels, Point, check_point, object_box
from napari_instseg.editing.likeness import Clues

NEARNESS = 3.0
"""Weight of the distance in the image, in units of that between the clicks, against that of the features."""


def split(labels: Labels, points: Sequence[Point], new_ids: Iterator[int], clues: Clues | None = None) -> Change:
    """Divide an object among clicks: each pixel goes to the nearest one, in the image and in what the network said.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
    points : sequence of points
        One in each part, two or more, all in one object.
    new_ids : iterator of int
        Ids for all parts but the largest, which keeps the object's.
    clues : Clues, optional
        What the network said; without it, the image distance alone counts.

    Raises
    ------
    InputError
        If there are fewer than two points, or they are not in one object.
    """
    places = list(dict.fromkeys(check_point(point, labels.shape) for point in points))
    under = {int(labels[place]) for place in places}
    if len(places) < 2 or len(under) != 1 or 0 in under:
        raise InputError(
            f"Splitting needs two clicks at different places in one object; these are on {_names(under)}. "
            "Click once in each part."
        )
    (label,) = under
    box = object_box(labels, label)
    own = labels[box] == label
    distance = np.stack([_squared_distance(box, place, places, clues) for place in places])
    return _parts(labels, box, label, np.where(own, distance.argmin(axis=0) + 1, 0), new_ids)


def cut(labels: Labels, line: Sequence[Sequence[float]], new_ids: Iterator[int], label: int | None = None) -> Change:
    """Divide an object along a line that goes right across it.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
    line : sequence of points
        In pixels, two or more; in a volume it cuts all slices alike.
    new_ids : iterator of int
        Ids for all parts but the largest, which keeps the object's.
    label : int, optional
        The object; by default the one that the line has most of its length in.

    Raises
    ------
    InputError
        If the line crosses no object, or does not divide it.
    """
    from scipy import ndimage

    track = stroke(line, labels.shape)
    crossed = labels[tuple(track.T)]
    if label is None:
        counts = np.bincount(crossed[crossed > 0], minlength=1)
        label = int(counts.argmax())
    if not (crossed == label).any() or label <= 0:
        raise InputError("The line crosses no object. Draw it from one side of an object to the other.")
    box = object_box(labels, label)
    own = labels[box] == label
    barrier = np.zeros(own.shape[-2:], bool)
    y, x = track[:, -2] - box[-2].start, track[:, -1] - box[-1].start
    inside = (y >= 0) & (x >= 0) & (y < barrier.shape[0]) & (x < barrier.shape[1])
    barrier[y[inside], x[inside]] = True
    free = own & ~barrier
    pieces, _ = ndimage.label(free, output=np.int32)
    # parts that the line did not make, such as crumbs beside it, stay with what is near
    beside = ndimage.binary_dilation(barrier, np.ones((3, 3), bool))
    made = np.unique(pieces[np.broadcast_to(beside, own.shape) & free])
    sizes = np.bincount(pieces.ravel())
    parts = [piece for piece in made if sizes[piece] > 2]
    if len(parts) < 2:
        raise InputError(f"The line does not divide object {label}. Draw it right across, beyond both sides.")
    nearest = ndimage.distance_transform_edt(~np.isin(pieces, parts), return_distances=False, return_indices=True)
    return _parts(labels, box, label, np.where(own, pieces[tuple(nearest)], 0), new_ids)


def stroke(line: Sequence[Sequence[float]], shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return the pixels (N, D) of an image that a line goes through, connected by their sides.

    Raises
    ------
    InputError
        If the line lies outside the image.
    """
    points = np.asarray(line, float).reshape(-1, len(shape))
    passed = [points[:1]]
    for begin, end in pairwise(points):
        steps = max(int(np.ceil(4 * np.abs(end - begin).max())), 1)
        passed.append(begin + (end - begin) * np.linspace(0, 1, steps + 1)[1:, None])
    track = np.round(np.concatenate(passed)).astype(np.intp)
    # a step to a corner's pixel also takes the one beside it, or pixels would be connected across the line
    corners = track[1:][(np.abs(np.diff(track, axis=0)) > 0).sum(axis=1) > 1]
    before = track[:-1][(np.abs(np.diff(track, axis=0)) > 0).sum(axis=1) > 1]
    beside = corners.copy()
    beside[:, -1] = before[:, -1]
    track = np.concatenate([track, beside])
    track = track[((track >= 0) & (track < shape)).all(axis=1)]
    if not len(track):
        raise InputError(f"The line lies outside the image, whose shape is {shape}. Nothing was changed.")
    return np.unique(track, axis=0)


def _squared_distance(box: Box, place: Point, places: Sequence[Point], clues: Clues | None) -> npt.NDArray[np.float32]:
    apart = min(sum((a - b) ** 2 for a, b in zip(place, other, strict=True)) for other in places if other != place)
    total = np.zeros(tuple(part.stop - part.start for part in box), np.float32)
    for axis, (part, at) in enumerate(zip(box, place, strict=True)):
        along = (np.arange(part.start, part.stop, dtype=np.float32) - at) ** 2
        total += NEARNESS * along.reshape(-1, *(1,) * (len(box) - axis - 1)) / np.float32(apart)
    if clues is not None:
        total += clues.squared_distance(box, clues.around(place))
    return total


def _parts(labels: Labels, box: Box, label: int, parts: npt.NDArray[np.integer], new_ids: Iterator[int]) -> Change:
    new = labels[box].copy()
    sizes = np.bincount(parts.ravel())[1:]
    largest_first = [int(part) + 1 for part in np.argsort(-sizes, kind="stable") if sizes[part]]
    ids = [label, *(next(new_ids) for _ in largest_first[1:])]
    for part, given in zip(largest_first, ids, strict=True):
        new[parts == part] = given
    return Change(box, new, tuple(ids))


def _names(under: set[int]) -> str:
    named = [f"object {label}" if label else "background" for label in sorted(under)]
    return " and ".join(named) or "nothing"
