"""How rods grow, divide and push each other aside: the micro-colonies behind the bacteria simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from napari_instseg.data.simulate.scene import Floats

GROWTH = 1.06
"""Length at the end of a step over the length at its start."""
PUSHES = 4
"""Rounds of pushing in each step of growth."""
SETTLING = 120
"""Most rounds of pushing after the last division."""
SETTLED = 0.08
"""Mean depth, in widths, to which rods may overlap in the end."""
YIELD = 0.18
"""Mean depth, in widths, beyond which a whole colony widens."""


@dataclass
class Rods:
    """Rods with round ends.

    Attributes
    ----------
    centre : float array (n, 2)
        Rows and columns in px.
    angle : float array (n,)
        Direction in radians, from the row axis towards the column axis.
    length : float array (n,)
        Tip to tip, in px.
    born : float array (n,)
        Length just after division.
    adult : float array (n,)
        Length at which the rod divides.
    rate : float array (n,)
        Speed of growth, 1 on average.
    """

    centre: Floats
    angle: Floats
    length: Floats
    born: Floats
    adult: Floats
    rate: Floats

    @property
    def axis(self) -> Floats:
        """Unit vectors along the rods, (n, 2)."""
        return np.stack([np.cos(self.angle), np.sin(self.angle)], 1)

    @property
    def age(self) -> Floats:
        """Where each rod stands between its birth, 0, and its division, 1."""
        return (self.length - self.born) / (self.adult - self.born)


def grow(starts: Floats, count: int, width: float, adult_length: float, rng: np.random.Generator) -> Rods:
    """Grow colonies of one rod each until there are `count` rods.

    Parameters
    ----------
    starts : float array (m, 2)
        Where the first rods lie.
    count : int
        Rods at the end, at least m.
    width : float
        Thickness of the rods in px.
    adult_length : float
        Mean length at division in px.
    rng : numpy.random.Generator
        Source of directions, ages and of the spread of sizes.

    Returns
    -------
    Rods
        Exactly `count`, next to each other but hardly overlapping.
    """
    adult = adult_length * rng.normal(1, 0.08, len(starts)).clip(0.8, 1.25)
    rods = Rods(
        centre=starts.copy(),
        angle=rng.uniform(0, 2 * np.pi, len(starts)),
        length=adult * rng.uniform(0.5, 0.97, len(starts)),
        born=adult / 2,
        adult=adult,
        rate=rng.normal(1, 0.08, len(starts)).clip(0.7, 1.3),
    )
    while len(rods.length) < count:
        rods.length = rods.length * GROWTH**rods.rate
        ready = np.flatnonzero(rods.length >= rods.adult)[: count - len(rods.length)]
        if len(ready):
            rods = _divide(rods, ready, width, adult_length, rng)
        for _ in range(PUSHES):
            _swell(rods, *_push(rods, width))
    rods.length = np.minimum(rods.length, rods.adult)
    for _ in range(SETTLING):
        depth, crowd = _push(rods, width)
        if depth.mean() < SETTLED:
            break
        _swell(rods, depth, crowd)
    return rods


def _divide(
    rods: Rods, ready: npt.NDArray[np.intp], width: float, adult_length: float, rng: np.random.Generator
) -> Rods:
    """Replace each rod that is ready by two halves, one after the other on the same line."""
    half = rods.length[ready] / 2
    offset = rods.axis[ready] * (half / 2)[:, None]
    stay = np.setdiff1d(np.arange(len(rods.length)), ready)
    new = 2 * len(ready)
    return Rods(
        centre=np.vstack([rods.centre[stay], rods.centre[ready] - offset, rods.centre[ready] + offset]),
        # a slight kink: colonies grow round and not as threads
        angle=np.concatenate([rods.angle[stay], np.tile(rods.angle[ready], 2) + rng.normal(0, 0.16, new)]),
        length=np.concatenate([rods.length[stay], np.tile(half, 2)]),
        born=np.concatenate([rods.born[stay], np.tile(half, 2)]),
        adult=np.concatenate([rods.adult[stay], adult_length * rng.normal(1, 0.08, new).clip(0.8, 1.25)]),
        rate=np.concatenate([rods.rate[stay], rng.normal(1, 0.08, new).clip(0.7, 1.3)]),
    )


def _swell(rods: Rods, depth: Floats, crowd: npt.NDArray[np.intp]) -> None:
    """Widen each crowd about its middle by as much as its rods are pressed into each other, in place.

    Pushes alone pass from neighbour to neighbour, too slowly for the middle of a large colony.
    """
    members = np.bincount(crowd)
    middle = np.stack([np.bincount(crowd, rods.centre[:, axis]) / members for axis in range(2)], 1)
    strain = np.bincount(crowd, depth) / members
    rods.centre += np.maximum(strain - YIELD, 0)[crowd, None] * (rods.centre - middle[crowd])


def _push(rods: Rods, width: float) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Move and turn rods out of each other, in place.

    Each tip is pushed off the axis of its neighbour; how much of that becomes a turn follows from where it is hit.
    Gives how deep each rod was pressed into another one, in widths, and the number of the crowd of touching rods that
    it belongs to.
    """
    count = len(rods.length)
    pairs = cKDTree(rods.centre).query_pairs(float(rods.length.max()), output_type="ndarray")
    deepest = np.zeros(count)
    if not len(pairs):
        return deepest, np.arange(count)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    axis = rods.axis
    half = np.maximum(rods.length - width, 0) / 2
    mover = np.concatenate([pairs[:, 0], pairs[:, 0], pairs[:, 1], pairs[:, 1]])
    wall = np.concatenate([pairs[:, 1], pairs[:, 1], pairs[:, 0], pairs[:, 0]])
    sign = np.repeat([-1.0, 1.0, -1.0, 1.0], len(pairs))
    lever = axis[mover] * (sign * half[mover])[:, None]
    tip = rods.centre[mover] + lever
    place = np.clip(((tip - rods.centre[wall]) * axis[wall]).sum(1), -half[wall], half[wall])
    foot = axis[wall] * place[:, None]
    gap = tip - rods.centre[wall] - foot
    distance = np.linalg.norm(gap, axis=1)
    hit = distance < width
    mover, wall, lever, foot, gap, distance = (a[hit] for a in (mover, wall, lever, foot, gap, distance))
    normal = np.where(
        distance[:, None] > 1e-6, gap / np.maximum(distance, 1e-6)[:, None], axis[wall][:, ::-1] * [1, -1]
    )
    inertia = rods.length**2 / 12 + width**2 / 8
    turn_mover = lever[:, 0] * normal[:, 1] - lever[:, 1] * normal[:, 0]
    turn_wall = foot[:, 0] * normal[:, 1] - foot[:, 1] * normal[:, 0]
    ease = 2 + turn_mover**2 / inertia[mover] + turn_wall**2 / inertia[wall]
    np.maximum.at(deepest, mover, width - distance)
    np.maximum.at(deepest, wall, width - distance)
    push = 0.4 * (width - distance) / ease
    for axis_index in range(2):
        step = push * normal[:, axis_index]
        rods.centre[:, axis_index] += np.bincount(mover, step, count) - np.bincount(wall, step, count)
    rods.angle = rods.angle + np.bincount(mover, push * turn_mover / inertia[mover], count)
    rods.angle = rods.angle - np.bincount(wall, push * turn_wall / inertia[wall], count)
    contacts = coo_array((np.ones(len(mover)), (mover, wall)), shape=(count, count))
    return deepest / width, connected_components(contacts, directed=False)[1].astype(np.intp)
