"""A memory of an array, plane by plane: what did not change need not be copied again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.session.edit_history import Box
from napari_instseg.session.source import Index


class PlaneMemory:
    """Copies of the planes of an array as they were when they were last taken; planes of zeros take no memory.

    Parameters
    ----------
    array : array
        Copied.
    ndim : int
        Number of axes of a plane (or volume), the last ones of the array.
    """

    def __init__(self, array: Array, ndim: int) -> None:
        self._sides = array.shape[: array.ndim - ndim]
        self._zeros = np.zeros(array.shape[array.ndim - ndim :], array.dtype)
        self._planes = {index: array[index].copy() for index in np.ndindex(self._sides) if array[index].any()}
        self._given: set[Index] = set()

    def __getitem__(self, index: Index) -> Array:
        """Return a plane as it was taken; not to be written to."""
        return self._planes.get(index, self._zeros)

    def within(self, index: Index) -> Iterator[Index]:
        """List the planes at a position along the first axes of the stack."""
        return (full for full in np.ndindex(self._sides) if full[: len(index)] == index)

    def take(self, array: Array, box: Box) -> None:
        """Take what is now in a box of the array. Planes that were given away stay as they are: a copy is written."""
        stack, inside = box[: len(self._sides)], box[len(self._sides) :]
        for index in product(*(range(*part.indices(side)) for part, side in zip(stack, self._sides, strict=True))):
            known = self._planes.get(index)
            if known is None or index in self._given:
                known = self._planes[index] = self[index].copy()
                self._given.discard(index)
            known[inside] = array[index][inside]

    def read(self, box: Box) -> Array:
        """Return a box of the array as it was taken, as a copy."""
        stack, inside = box[: len(self._sides)], box[len(self._sides) :]
        ranges = [range(*part.indices(side)) for part, side in zip(stack, self._sides, strict=True)]
        parts = np.stack([self[index][inside] for index in product(*ranges)])
        return parts.reshape(*map(len, ranges), *parts.shape[1:])

    def give(self) -> Mapping[Index, Array]:
        """Return all planes that are not zero; they will not change any more. Costs no copy."""
        self._given = set(self._planes)
        return dict(self._planes)

    def whole(self, given: Mapping[Index, Array]) -> Array:
        """Make the array of planes that were given; any thread may."""
        array = np.zeros((*self._sides, *self._zeros.shape), self._zeros.dtype)
        for index, plane in given.items():
            array[index] = plane
        return array
