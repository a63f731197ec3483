"""Outlines of a label image along the edges of its pixels, and label images from outlines; exact both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit

Ring = npt.NDArray[Any]
"""Corners (n, 2) as (x, y), the first not repeated; pixel (row 0, column 0) covers 0 to 1 on both axes."""
Polygon = list[Ring]
"""The outer ring, then one ring for each hole."""


def trace_polygons(labels: npt.NDArray[Any]) -> dict[int, list[Polygon]]:
    """Trace the outlines of all objects along the edges of their pixels.

    Parameters
    ----------
    labels : int array (Y, X)
        0 background, objects above.

    Returns
    -------
    dict of int to list of polygons
        By id, in their order. Pieces that touch at a corner only, or not at all, are polygons of their own. A ring
        passes each corner once, so that every polygon is valid (OGC Simple Features), and has no corner between two
        edges of one direction. Outer rings have a positive area in (x, y) by the shoelace formula, holes a negative
        one.
    """
    from skimage.measure import label

    if not labels.any():
        return {}
    pieces = np.pad(label(labels, connectivity=1), 1)
    corners, ends, owners, pinched = _trace(pieces.astype(np.int32, copy=False))
    areas = _areas(corners, ends)
    value = np.zeros(int(pieces.max()) + 1, np.int64)
    value[pieces[1:-1, 1:-1].ravel()] = labels.ravel()
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = defaultdict(list)
    start = 0
    walks = zip(ends.tolist(), owners.tolist(), pinched.tolist(), areas.tolist(), strict=True)
    for end, piece, passes_twice, area in walks:
        loop = corners[start:end]
        start = end
        rings = [(ring, _area(ring)) for ring in _simple_rings(loop)] if passes_twice else [(loop, area)]
        for ring, size in rings:
            if size > 0:
                outer[piece] = ring
            else:
                holes[piece].append(ring)
    found: dict[int, list[Polygon]] = defaultdict(list)
    for piece, ring in outer.items():
        found[int(value[piece])].append([ring, *holes[piece]])
    return {number: found[number] for number in sorted(found)}


def fill_polygon(polygon: Sequence[Ring], shape: Sequence[int]) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Find the pixels whose centre lies in a polygon: inside an odd number of its rings (even-odd rule).

    Parameters
    ----------
    polygon : sequence of array (n, 2)
        Rings as (x, y), in pixels; holes need no special order. Where a ring crosses itself, what it encloses twice is
        outside.
    shape : (int, int)
        Rows and columns of the image; what lies outside is cut off.

    Returns
    -------
    window : tuple of slice
        The part of the image that the polygon reaches; of no pixels if it lies outside.
    inside : array of bool
        Of the window's shape.
    """
    if not polygon:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    points = np.concatenate([np.asarray(ring, np.float64) for ring in polygon])
    low = np.clip(np.floor(points.min(0)), 0, (shape[1], shape[0])).astype(int)
    high = np.clip(np.ceil(points.max(0)), low, (shape[1], shape[0])).astype(int)
    inside = np.zeros((high[1] - low[1], high[0] - low[0]), bool)
    for ring in polygon:
        closed = np.asarray(ring, np.float64)
        if len(closed) >= 3:
            _flip_inside(np.ascontiguousarray(closed - low), inside)
    return (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))), inside


def _simple_rings(loop: npt.NDArray[np.int32]) -> Iterator[Ring]:
    """Cut a closed walk where it passes a corner again, so that each ring passes each corner once."""
    walk: list[tuple[int, int]] = []
    places: dict[tuple[int, int], int] = {}
    for x, y in loop.tolist():
        at = places.get((x, y))
        if at is None:
            places[x, y] = len(walk)
            walk.append((x, y))
            continue
        yield np.array(walk[at:], np.int32)
        for gone in walk[at + 1 :]:
            del places[gone]
        del walk[at + 1 :]
    if len(walk) >= 4:
        yield np.array(walk, np.int32)


def _area(ring: Ring) -> float:
    return float(_areas(ring, np.array([len(ring)]))[0])


@njit(nogil=True, cache=True)
def _trace(pieces):  # type: ignore[no-untyped-def]
    """Walk around every 4-connected piece, and every hole in it, with the piece on the right hand (y down).

    `pieces` has a border of zeros. Gives the corners (n, 2) at which walks turn, as (x, y) of the image without it,
    where each walk ends, whose it is, and whether it may pass a corner twice.
    """
    height, width = pieces.shape
    # the sides of a pixel in the order of the walk: top (going right), right (down), bottom (left), left (up)
    seen = np.zeros((height, width, 2), np.bool_)  # top and bottom sides; every walk has some
    capacity = 1024
    corners = np.empty((capacity, 2), np.int32)
    ends, owners, pinched = [0], [0], [False]
    count = 0
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            piece = pieces[row, column]
            if piece == 0:
                continue
            for side in (0, 2):
                beyond = pieces[row - 1, column] if side == 0 else pieces[row + 1, column]
                if beyond == piece or seen[row, column, side // 2]:
                    continue
                y, x, heading, pinch = row, column, side, False
                while True:
                    if heading == 0 or heading == 2:
                        if seen[y, x, heading // 2]:
                            break
                        seen[y, x, heading // 2] = True
                    # ahead: the next pixel along; across: the one on the left of that
                    if heading == 0:
                        ahead, across = pieces[y, x + 1], pieces[y - 1, x + 1]
                        corner_x, corner_y = x + 1, y
                    elif heading == 1:
                        ahead, across = pieces[y + 1, x], pieces[y + 1, x + 1]
                        corner_x, corner_y = x + 1, y + 1
                    elif heading == 2:
                        ahead, across = pieces[y, x - 1], pieces[y + 1, x - 1]
                        corner_x, corner_y = x, y + 1
                    else:
                        ahead, across = pieces[y - 1, x], pieces[y - 1, x - 1]
                        corner_x, corner_y = x, y
                    if ahead == piece and across != piece:
                        if heading == 0:
                            x += 1
                        elif heading == 1:
                            y += 1
                        elif heading == 2:
                            x -= 1
                        else:
                            y -= 1
                        continue
                    if count == capacity:
                        larger = np.empty((2 * capacity, 2), np.int32)
                        larger[:capacity] = corners
                        corners, capacity = larger, 2 * capacity
                    corners[count, 0], corners[count, 1] = corner_x - 1, corner_y - 1
                    count += 1
                    if ahead == piece:  # and across: turn left, onto the pixel across
                        if heading == 0:
                            y, x = y - 1, x + 1
                        elif heading == 1:
                            y, x = y + 1, x + 1
                        elif heading == 2:
                            y, x = y + 1, x - 1
                        else:
                            y, x = y - 1, x - 1
                        heading = (heading + 3) % 4
                    else:  # turn right, around this pixel: what is across is another piece, or joined elsewhere
                        heading = (heading + 1) % 4
                        pinch = pinch or across == piece
                ends.append(count)
                owners.append(piece)
                pinched.append(pinch)
    return corners[:count], np.array(ends[1:]), np.array(owners[1:]), np.array(pinched[1:])


@njit(nogil=True, cache=True)
def _areas(corners, ends):  # type: ignore[no-untyped-def]
    """Areas that rings enclose by the shoelace formula, with their sign."""
    areas = np.zeros(len(ends))
    start = 0
    for i in range(len(ends)):
        x, y = corners[ends[i] - 1]
        twice = 0
        for j in range(start, ends[i]):
            twice += np.int64(x) * corners[j, 1] - np.int64(corners[j, 0]) * y
            x, y = corners[j]
        areas[i] = twice / 2
        start = ends[i]
    return areas


@njit(nogil=True, cache=True)
def _flip_inside(ring, inside):  # type: ignore[no-untyped-def]
    """Flip the pixels whose centre a ring encloses an odd number of times: at each crossing, all to its right."""
    height, width = inside.shape
    for i in range(len(ring)):
        x0, y0 = ring[i]
        x1, y1 = ring[(i + 1) % len(ring)]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        first = max(int(np.ceil(y0 - 0.5)), 0)
        last = min(int(np.ceil(y1 - 0.5)), height)  # a centre at the upper end belongs to the next edge
        for row in range(first, last):
            crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            start = min(max(int(np.ceil(crossing - 0.5)), 0), width)
            for column in range(start, width):
                inside[row, column] = not inside[row, column]
