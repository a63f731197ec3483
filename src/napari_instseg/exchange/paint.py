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
        self._under: list[npt.NDArray[np.int32]] = []
        self._scores: dict[int, float] = {}

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
        place = self._grid.place(t, z)
        plane = self._labels[place]
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
            self._paint(number, place, window, inside)
        self._after(number, shown, any(inside.any() for _, inside in parts))

    def mask(self, number: int, mask: npt.NDArray[Any], name: str = "", t: int = 0, z: int = 0) -> None:
        """Paint an object from its mask of a whole plane."""
        self._paint(number, self._grid.place(t, z), (slice(None), slice(None)), mask)
        self._after(number, name or str(number), bool(mask.any()))

    def cover(self, number: int, mask: npt.NDArray[Any], t: int = 0, z: int = 0) -> None:
        """Note where an object lies under others, by a mask of a whole plane."""
        self._hide(number, self._grid.place(t, z), np.argwhere(mask))

    def rate(self, number: int, score: float) -> None:
        """Note the confidence in an object."""
        self._scores[number] = score

    def classify(self, number: int, name: str) -> None:
        """Note the class of an object."""
        self._classes[number] = name

    def found(self) -> Found:
        """Return the label image, with notes on what was cut, left out or covered.

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
        covered = np.unique(np.concatenate([np.empty((0, self._labels.ndim + 1), np.int32), *self._under]), axis=0)
        covered = covered[self._labels[tuple(covered[:, 1:].T)] != covered[:, 0]]
        there = left | set(covered[:, 0].tolist())
        return Found(
            self._labels,
            tuple(notes),
            {number: name for number, name in self._classes.items() if number in there},
            covered,
            {number: score for number, score in self._scores.items() if number in there},
        )

    def _hide(self, number: int, place: tuple[int, ...], pixels: npt.NDArray[Any]) -> None:
        ahead = np.tile(np.array([number, *place], np.int32), (len(pixels), 1))
        self._under.append(np.concatenate([ahead, pixels.astype(np.int32)], axis=1))

    def _paint(self, number: int, place: tuple[int, ...], window: tuple[slice, ...], inside: npt.NDArray[Any]) -> None:
        part = self._labels[place][window]
        if not 0 < number <= LARGEST:
            raise InputError(
                f"{self._source} has an object number {number}; expected 1 to {LARGEST}. Number them anew."
            )
        under = np.argwhere(inside & (part > 0) & (part != number))
        self._covered += len(under)
        if len(under):
            before = part[tuple(under.T)]
            pixels = under + [side.start or 0 for side in window]
            for other in np.unique(before):
                self._hide(int(other), place, pixels[before == other])
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
