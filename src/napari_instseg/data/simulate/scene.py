"""What every simulator shares: the size of the field, placing of shapes that cover each other, and the exact truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import Params, tunable

Window = tuple[slice, slice]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SMALLEST_VISIBLE = 12
"""Pixels. What shows less of itself than this is not an object that anybody could outline."""
TRIES = 200
"""Proposals for one object before the field is called full."""


class Field(Params):
    """The size of a simulated image."""

    height: int = tunable(384, 32, 8192, unit="px", title="Height", help="Rows of the image.")
    width: int = tunable(384, 32, 8192, unit="px", title="Width", help="Columns of the image.")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.height, self.width


@dataclass(frozen=True)
class Simulated:
    """A simulated image with its exact truth.

    Attributes
    ----------
    image : uint8 or uint16 array, (Y, X) or (Y, X, 3)
        What the camera saw.
    labels : int32 array, (Y, X)
        0 background, objects 1..n. Where objects cover each other the id is that of the one on top.
    masks : bool array, (n, Y, X), or None
        The whole of each object within the field, covered parts included, bottom first: mask ``k`` belongs to
        label ``k + 1``, and a pixel's label is the last mask that holds it. None where objects cannot overlap.
    classes : int32 array, (n,), or None
        Class of each object from 1, where the kind has classes.
    """

    image: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    masks: Mask | None = None
    classes: npt.NDArray[np.int32] | None = None


class Shape(Protocol):
    """A part of the field: a window and which of its pixels belong to the object."""

    @property
    def window(self) -> Window:
        """Rows and columns of the image that the shape's arrays stand for."""

    @property
    def mask(self) -> Mask:
        """Which pixels of the window the object fills, covered or not."""


S = TypeVar("S", bound=Shape)


def place(
    propose: Callable[[int, Sequence[S]], S | None],
    count: int,
    shape: tuple[int, int],
    min_visible: float,
    allowed: Mask | None = None,
) -> list[S]:
    """Lay down objects from the top of the pile to its bottom, each still showing enough of itself.

    Going downwards, the part of an object that shows is known as soon as it is placed.

    Parameters
    ----------
    propose : callable
        Given the number of the object from the top and those placed so far, a shape or None.
    count : int
        Number of objects wanted.
    shape : (int, int)
        Rows and columns of the field.
    min_visible : float
        Least part of an object, from 0 to 1, that nothing covers.
    allowed : bool array (Y, X), optional
        Where objects may lie.

    Returns
    -------
    list of shapes
        Bottom first, exactly `count`.

    Raises
    ------
    InputError
        If the field is full before all are placed.
    """
    covered = np.zeros(shape, bool)
    placed: list[S] = []
    while len(placed) < count:
        for _ in range(TRIES):
            candidate = propose(len(placed), placed)
            if candidate is not None and _shows(candidate, covered, min_visible, allowed):
                break
        else:
            raise InputError(
                f"Only {len(placed)} of {count} objects found a place in a field of {shape[0]} x {shape[1]} px. "
                "Ask for fewer or smaller objects, or for a larger field."
            )
        covered[candidate.window] |= candidate.mask
        placed.append(candidate)
    return placed[::-1]


def _shows(candidate: Shape, covered: Mask, min_visible: float, allowed: Mask | None) -> bool:
    mask = candidate.mask
    if allowed is not None and (mask & ~allowed[candidate.window]).any():
        return False
    visible = int((mask & ~covered[candidate.window]).sum())
    return visible >= max(SMALLEST_VISIBLE, min_visible * int(mask.sum()))


def stacked_truth(shapes: Sequence[Shape], shape: tuple[int, int]) -> tuple[npt.NDArray[np.int32], Mask]:
    """Return labels (Y, X), later shapes on top, and the whole masks (n, Y, X) of the same order."""
    labels = np.zeros(shape, np.int32)
    masks = np.zeros((len(shapes), *shape), bool)
    for index, item in enumerate(shapes):
        labels[item.window][item.mask] = index + 1
        masks[index][item.window] = item.mask
    return labels, masks


def nearest_outline(
    windows: Sequence[Window], edges: Sequence[Floats], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Share the field among shapes that press against each other.

    Parameters
    ----------
    windows, edges : sequences
        For each shape its window and, on it, the signed distance to its outline in px, negative inside.
    shape : (int, int)
        Rows and columns of the field.

    Returns
    -------
    owner : int array (Y, X)
        Index of the shape whose outline is nearest, or that holds the pixel most deeply; -1 far from all.
    distance : float array (Y, X)
        Signed distance to the owner's outline in px, infinite far from all.
    """
    owner = np.full(shape, -1, np.intp)
    distance = np.full(shape, np.inf)
    for index, (window, edge) in enumerate(zip(windows, edges, strict=True)):
        nearer = edge < distance[window]
        owner[window][nearer] = index
        distance[window][nearer] = edge[nearer]
    return owner, distance


def flat_truth(
    owner: npt.NDArray[np.intp], distance: Floats, count: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    """Return consecutive labels (Y, X) of shapes that do not overlap, and the index of the shape behind each label.

    Shapes with fewer than `SMALLEST_VISIBLE` pixels in the field get no label; do not draw them.
    """
    inside = distance <= 0
    sizes = np.bincount(owner[inside], minlength=count)
    kept = np.flatnonzero(sizes >= SMALLEST_VISIBLE)
    ids = np.zeros(count + 1, np.int32)
    ids[kept] = np.arange(1, len(kept) + 1)
    return np.where(inside, ids[owner], 0).astype(np.int32), kept
