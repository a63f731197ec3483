"""Outlines and masks from a file become one label image; what does not fit is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.data.pairs import listed
from napari_instseg.exchange.objects import Found, Grid
from napari_instseg.exchange.polygons import Ring, fill_polygon

LARGEST = np.iinfo(np.int32).max


class Painter:
    """Paints objects into a label image, the later over the earlier.

    Parameters
    ----------
    grid : Grid
        Of the image that they belong on.
    source : str
        How messages name the file.
    """

    def __init__(self, grid: Grid, source: str) -> None:
        self._grid, self._source = grid, source
        self._labels = np.zeros(grid.shape, np.int32)
        self._classes: dict[int, str] = {}
        self._painted: dict[int, str] = {}
        self._notes: list[str] = []
        self._cut: set[str] = set()
        self._empty: set[str] = set()
        self._covered = 0

    def note(self, text: str) -> None:
        """Tell the user something of the file."""
        self._notes.append(text)

    def polygons(self, number: int, polygons: Sequence[Sequence[Ring]], name: str = "", t: int = 0, z: int = 0) -> None:
        """Paint an object that consists of polygons, in (x, y) of pixels whose corner is at whole numbers.

        Raises
        ------
        InputError
            If a coordinate is no finite number, or the image has no such plane.
        """
        plane = self._labels[self._grid.place(t, z)]
        shown = name or str(number)
        for polygon in polygons:
            for ring in polygon:
                if not np.isfinite(ring).all():
                    raise InputError(f"{self._source}: object '{shown}' has corners that are not finite. Draw it anew.")
                low, high = ring.min(0, initial=np.inf), ring.max(0, initial=-np.inf)
                if (low < -0.5).any() or high[0] > plane.shape[1] + 0.5 or high[1] > plane.shape[0] + 0.5:
                    self._cut.add(shown)
        parts = [fill_polygon(polygon, plane.shape) for polygon in polygons]
        for window, inside in parts:
            self._paint(number, plane[window], inside)
        self._after(number, shown, any(inside.any() for _, inside in parts))

    def mask(self, number: int, mask: npt.NDArray[Any], name: str = "", t: int = 0, z: int = 0) -> None:
        """Paint an object from its mask of a whole plane."""
        self._paint(number, self._labels[self._grid.place(t, z)], mask)
        self._after(number, name or str(number), bool(mask.any()))

    def classify(self, number: int, name: str) -> None:
        """Note the class of an object."""
        self._classes[number] = name

    def found(self) -> Found:
        """Give the label image, with notes on what was cut, left out or covered.

        Raises
        ------
        InputError
            If there were objects and none lies in the image.
        """
        left = set(np.unique(self._labels).tolist())
        lost = sorted(name for number, name in self._painted.items() if number not in left and name not in self._empty)
        if self._painted and not left - {0}:
            raise InputError(
                f"{self._source}: none of the {len(self._painted)} objects lies in '{self._grid.name}', shape "
                f"{self._grid.shape}. Choose the image that they were drawn on."
            )
        notes = list(self._notes)
        if self._cut:
            notes.append(f"{len(self._cut)} objects reach out of the image and were cut: {listed(sorted(self._cut))}.")
        if self._empty:
            notes.append(
                f"{len(self._empty)} objects hold no pixel's centre in the image and were left out: "
                f"{listed(sorted(self._empty))}."
            )
        if self._covered:
            notes.append(f"{self._covered} pixels were in several objects; the later one in the file has them.")
        if lost:
            notes.append(f"{len(lost)} objects lie wholly under later ones and were lost: {listed(lost)}.")
        kept = {number: name for number, name in self._classes.items() if number in left}
        return Found(self._labels, tuple(notes), kept)

    def _paint(self, number: int, part: npt.NDArray[np.int32], inside: npt.NDArray[Any]) -> None:
        if not 0 < number <= LARGEST:
            raise InputError(
                f"{self._source} has an object number {number}; expected 1 to {LARGEST}. Number them anew."
            )
        self._covered += int(np.count_nonzero((part[inside] > 0) & (part[inside] != number)))
        part[inside] = number

    def _after(self, number: int, name: str, some: bool) -> None:
        # an object of several planes is there if it is in one of them
        if some:
            self._painted[number] = name
            self._empty.discard(name)
        elif number not in self._painted:
            self._painted[number] = name
            self._empty.add(name)


def numbered(names: Sequence[str], planes: Sequence[tuple[int, int]]) -> list[int]:
    """Give objects the numbers that their names are, if all are, and none is twice in a plane; else 1, 2, 3, ...

    Parameters
    ----------
    names : sequence of str
    planes : sequence of (int, int)
        The plane of each; an object may go on in another one.
    """
    numbers = [int(name) if name.isascii() and name.isdigit() and len(name) < 11 else 0 for name in names]
    good = all(0 < number <= LARGEST for number in numbers)
    if good and len(set(zip(numbers, planes, strict=True))) == len(numbers):
        return numbers
    return list(range(1, len(names) + 1))
