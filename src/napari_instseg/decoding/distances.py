"""Distances between pieces of one colour, computed once per pair and then only compared with a threshold."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.components import Pieces
from napari_instseg.decoding.parallel import as_volume

Measure = Literal["hausdorff", "gap"]
IntPairs = npt.NDArray[np.int64]


class PieceDistances:
    """Distances between pieces of the same group, worked out as far as they have been asked for.

    ``"hausdorff"`` is the Hausdorff distance between the two sets of pixel centres, the larger of the two directed
    ones (Kulikov et al. 2018, section 3.1); ``"gap"`` is the distance between the nearest two pixel centres. In pixels.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._known: dict[Measure, tuple[float, IntPairs, npt.NDArray[np.float64]]] = {}
        self._coordinates: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]] | None = None

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        held = [array.nbytes for array in self._coordinates or ()]
        return sum(held) + sum(pairs.nbytes + distance.nbytes for _, pairs, distance in self._known.values())

    def pairs_within(self, limit: float, measure: Measure) -> tuple[IntPairs, npt.NDArray[np.float64]]:
        """Return the pairs of same-group pieces nearer than `limit`, and their distances.

        Returns
        -------
        pairs : int64 array (m, 2)
        distance : float64 array (m,), below `limit`
        """
        reached, pairs, distance = self._known.get(measure, (0.0, np.empty((0, 2), np.int64), np.empty(0)))
        if limit > reached:
            # a quarter more than asked for: the next steps of a slider find all they need
            reached = limit * 1.25
            candidates = self._candidates(reached, measure)
            squared = _pair_distances(candidates, *self._points(), reached**2, measure == "gap")
            near = squared < reached**2
            pairs, distance = candidates[near], np.sqrt(squared[near])
            self._known[measure] = (reached, pairs, distance)
        near = distance < limit
        return pairs[near], distance[near]

    def _candidates(self, limit: float, measure: Measure) -> IntPairs:
        """Pairs whose bounding boxes do not rule them out."""
        regions, group = self._pieces.regions, self._pieces.group[1:]
        order = np.argsort(group, kind="stable")
        start, stop = regions.start[order].astype(np.float64), regions.stop[order].astype(np.float64)
        found = _box_candidates(group[order], start, stop, limit, measure == "gap")
        pairs: IntPairs = np.sort(order[found] + 1, axis=1)
        return pairs

    def _points(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        if self._coordinates is None:
            self._coordinates = _list_pixels(as_volume(self._pieces.map), self._pieces.size)
        return self._coordinates


def merge_near(pairs: IntPairs, n: int) -> npt.NDArray[np.int64]:
    """Return the lowest id of the connected set that each of the pieces 0 to n is in, (n + 1,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n + 1, n + 1))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    lowest: npt.NDArray[np.int64] = first[component]
    return lowest


@njit(nogil=True, cache=True)
def _box_candidates(group, start, stop, limit, gap):  # type: ignore[no-untyped-def]
    """Compare the boxes of pieces that are sorted by group; give index pairs.

    The Hausdorff distance is at least the shift of each side of the box; the gap is at least the gap of the boxes.
    """
    found = []
    for i in range(group.size):
        for j in range(i + 1, group.size):
            if group[j] != group[i]:
                break
            near = True
            for axis in range(3):
                if gap:
                    apart = max(start[i, axis] - stop[j, axis], start[j, axis] - stop[i, axis]) + 1
                else:
                    apart = max(abs(start[i, axis] - start[j, axis]), abs(stop[i, axis] - stop[j, axis]))
                near = near and apart < limit
            if near:
                found.append((i, j))
    pairs = np.empty((len(found), 2), np.int64)
    for k in range(len(found)):
        pairs[k, 0], pairs[k, 1] = found[k]
    return pairs


@njit(nogil=True, cache=True)
def _list_pixels(volume, size):  # type: ignore[no-untyped-def]
    """List the coordinates of each piece's pixels in a row, those at its edge first.

    Piece i has entries offset[i, 0] to offset[i + 1, 0], and its edge ends before offset[i, 1].
    """
    n = size.size
    offset = np.zeros((n + 1, 2), np.int64)
    for i in range(n):
        offset[i + 1, 0] = offset[i, 0] + size[i]
    head = offset[:n, 0].copy()
    tail = offset[1:, 0].copy()
    points = np.empty((offset[n, 0], 3), np.int32)
    depth, height, width = volume.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                label = volume[z, y, x]
                if label == 0:
                    continue
                inside = (
                    (depth == 1 or (0 < z < depth - 1))
                    and 0 < y < height - 1
                    and 0 < x < width - 1
                    and volume[z, y, x - 1] == label
                    and volume[z, y, x + 1] == label
                    and volume[z, y - 1, x] == label
                    and volume[z, y + 1, x] == label
                    and (depth == 1 or (volume[z - 1, y, x] == label and volume[z + 1, y, x] == label))
                )
                if inside:
                    tail[label] -= 1
                    at = tail[label]
                else:
                    at = head[label]
                    head[label] += 1
                points[at, 0], points[at, 1], points[at, 2] = z, y, x
    offset[:n, 1] = head
    return points, offset


@njit(nogil=True, cache=True)
def _directed(points, first, last, edge_first, edge_last, limit, gap):  # type: ignore[no-untyped-def]
    """Return the squared directed Hausdorff distance (or the least distance) from one list of pixels to another."""
    result = np.int64(np.iinfo(np.int64).max) if gap else np.int64(0)
    nearest = edge_first
    for i in range(first, last):
        z, y, x = points[i]
        least = np.int64(np.iinfo(np.int64).max)
        # the search starts where the last pixel found its nearest: most searches end at once
        for step in range(edge_last - edge_first):
            j = nearest + step
            if j >= edge_last:
                j -= edge_last - edge_first
            dz, dy, dx = np.int64(points[j, 0] - z), np.int64(points[j, 1] - y), np.int64(points[j, 2] - x)
            squared = dz * dz + dy * dy + dx * dx
            if squared < least:
                least = squared
                closest = j
                if not gap and least <= result:
                    break
        nearest = closest
        if gap:
            result = min(result, least)
        else:
            result = max(result, least)
            if result >= limit:
                break
    return result


@njit(nogil=True, cache=True)
def _pair_distances(pairs, points, offset, limit, gap):  # type: ignore[no-untyped-def]
    squared = np.empty(len(pairs))
    for k in range(len(pairs)):
        a, b = pairs[k]
        if gap:
            squared[k] = _directed(points, offset[a, 0], offset[a, 1], offset[b, 0], offset[b, 1], limit, True)
            continue
        there = _directed(points, offset[a, 0], offset[a + 1, 0], offset[b, 0], offset[b, 1], limit, False)
        if there < limit:
            back = _directed(points, offset[b, 0], offset[b + 1, 0], offset[a, 0], offset[a, 1], limit, False)
            there = max(there, back)
        squared[k] = there
    return squared
