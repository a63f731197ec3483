"""Sets part of what is known aside, to judge by; the rest teaches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_instseg.core.labels import UNKNOWN
from napari_instseg.core.method import Array
from napari_instseg.training.annotations import Annotated, Labels

CELL_DIAMETERS = 3
"""Side of the cells by which known regions are held out, in typical diameters."""
SMALLEST_CELL = 48


def hold_out(images: Sequence[Annotated], share: float, diameter: float, seed: int) -> tuple[Annotated, ...]:
    """Set a share of what is known aside for judging, by regions, or by objects where they lie in one place.

    Space is divided into cells; an object belongs to the cell of its centre, known background to the cell that it is
    in. What is set aside is unknown to learning, and the other way round. Cells are drawn by their image's name and
    place, and their side is a power of two, so that what one version was judged by hardly teaches the next one, which
    has more examples.

    Parameters
    ----------
    images : sequence of Annotated
    share : float
        0 to 1; of two cells with objects, or more, at least one stays on either side.
    diameter : float
        Typical object diameter in pixels.
    seed : int

    Returns
    -------
    tuple of Annotated
        In the same order; nothing is held out if there is only one object.
    """
    cell = 2 ** round(np.log2(max(CELL_DIAMETERS * diameter, SMALLEST_CELL)))
    centres = [(number, id_, at) for number, one in enumerate(images) for id_, at in find_centres(one.learn)]
    cells = [(number, *(int(side // cell) for side in at)) for number, _, at in centres]
    by_cell = len(set(cells)) > 1
    units: list[tuple[int, ...]] = cells if by_cell else [(number, id_) for number, id_, _ in centres]
    every = sorted(set(units), key=lambda unit: _draw(seed, images[unit[0]].name, unit[1:]))
    if share <= 0 or len(every) < 2:
        return tuple(images)
    count = min(max(round(share * len(every)), 1), len(every) - 1)
    chosen = set(every[:count])
    held = [(number, id_) for (number, id_, _), unit in zip(centres, units, strict=True) if unit in chosen]
    return tuple(
        _divided(one, [id_ for at, id_ in held if at == number], _background(one, number, cell, chosen, by_cell))
        for number, one in enumerate(images)
    )


def _draw(seed: int, name: str, place: tuple[int, ...]) -> bytes:
    """Return a number that depends on nothing else, to draw lots with."""
    return hashlib.sha256(f"{seed} {name} {place}".encode()).digest()


def find_centres(labels: Labels) -> list[tuple[int, tuple[float, ...]]]:
    """Return id and centre of mass of each object."""
    where = np.nonzero(labels > 0)
    ids, owner, sizes = np.unique(labels[where], return_inverse=True, return_counts=True)
    means = [np.bincount(owner.ravel(), weights=axis) / sizes for axis in where]
    return [(int(id_), tuple(float(v) for v in at)) for id_, *at in zip(ids, *means, strict=True)] if ids.size else []


def _background(one: Annotated, number: int, cell: int, chosen: set[tuple[int, ...]], by_cell: bool) -> Array:
    """Mark the known background that lies in chosen cells."""
    held = np.zeros(one.learn.shape, bool)
    for where in chosen if by_cell else ():
        if where[0] == number:
            held[tuple(slice(i * cell, (i + 1) * cell) for i in where[1:])] = True
    marked: Array = held & (one.learn == 0)
    return marked


def _divided(one: Annotated, ids: list[int], background: Array) -> Annotated:
    held = np.isin(one.learn, ids) | background
    return replace(
        one,
        learn=np.where(held, UNKNOWN, one.learn).astype(np.int32),
        judge=np.where(held, one.learn, UNKNOWN).astype(np.int32),
    )
