"""Smooths each object's outline as a binary random field, solved exactly by a graph cut."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import as_volume, in_bands
from napari_instseg.decoding.regions import measure_regions

INSIDE, OPEN = 1, 2
"""Bits of a pixel's state: whether it is in the object, and whether that is still to be decided."""
FINEST = 1000
"""The strength is taken as a fraction with at most this denominator."""


def smooth_outlines(labels: npt.NDArray[np.int32], strength: float) -> npt.NDArray[np.int32]:
    """Find each object's mask of least energy (Jaffe, Ben-Moshe 2019, section 3.3), and lay them over each other.

    The energy is the number of pixels that change, plus `strength` times the number of pixel faces between inside and
    outside; faces at the image's border do not count, and of masks of one energy the largest is taken. An object stays
    in its box. Where two claim a pixel, the larger has it.

    Most pixels need no graph: one that lies in a square of a side above ``4 * strength`` (a cube, ``6 * strength``) on
    its side of the outline stays there, since no part of the square is worth more faces than all of it. All objects'
    other pixels are cut in one graph.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        0 background, ids from 1.
    strength : float
        At least 0, where outlines stay as they are; 0.5 and more removes single pixels that stick out. Objects with
        less area than `strength` times their border vanish.

    Returns
    -------
    int32 array of the same shape
        The same ids; those of vanished objects are missing.
    """
    volume = as_volume(labels)
    regions = measure_regions(labels, int(labels.max(initial=0)))
    ids = np.flatnonzero(regions.size) + 1
    low, high = regions.start[ids - 1], regions.stop[ids - 1]
    side = np.full(3, int(2 * labels.ndim * strength) + 1)
    side[: 3 - labels.ndim] = 1
    start, stop = np.maximum(low - side, 0), np.minimum(high + side, volume.shape)
    first = np.concatenate([[0], np.cumsum((stop - start).prod(axis=1))])
    state = np.empty(first[-1], np.uint8)
    n_open = np.zeros(len(ids), np.int64)
    windows = (ids, start, stop, first)
    in_bands(_decide, len(ids), volume, *windows, low, high, side, state, n_open)
    if n_open.any():
        _cut(windows, state, n_open, strength)
    size = np.zeros(len(ids), np.int64)
    in_bands(_measure, len(ids), first, state, size)
    result = np.zeros_like(volume)
    _lay(np.argsort(size, kind="stable"), *windows, state, result)
    return result.reshape(labels.shape)


def _cut(
    windows: tuple[npt.NDArray[np.int64], ...],
    state: npt.NDArray[np.uint8],
    n_open: npt.NDArray[np.int64],
    strength: float,
) -> None:
    """Decide the open pixels by one graph cut, in place."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    first_node = np.concatenate([[0], np.cumsum(n_open)])
    n = int(first_node[-1])
    place, neighbour = np.empty(n, np.int64), np.empty((3, n), np.int64)
    pixels, faces = np.empty(n, np.int64), np.empty(n, np.int64)
    in_bands(_link, len(n_open), *windows, first_node, state, place, neighbour, pixels, faces)
    # capacities are whole numbers: a face costs `price`, a changed pixel `unit`
    price, unit = Fraction(strength).limit_denominator(FINEST).as_integer_ratio()
    # what a node pays whichever side it is on is left out, so that it is tied to one end only
    pull = unit * pixels + price * faces
    axis, one = np.nonzero(neighbour >= 0)
    other = neighbour[axis, one]
    inward, outward = np.flatnonzero(pull > 0), np.flatnonzero(pull < 0)
    source, sink = n, n + 1
    tail = np.concatenate([one, other, np.full(len(inward), source), outward])
    head = np.concatenate([other, one, inward, np.full(len(outward), sink)])
    capacity = np.concatenate([np.full(2 * len(one), price), pull[inward], -pull[outward]]).astype(np.int32)
    graph = csr_array((capacity, (tail, head)), shape=(n + 2, n + 2))
    left = graph - maximum_flow(graph, source, sink).flow
    left.eliminate_zeros()
    # what can still reach the sink has paid its link to the source: it is outside; all else is in, also at a tie
    outside = np.zeros(n + 2, bool)
    outside[breadth_first_order(left.T.tocsr(), sink, return_predecessors=False)] = True
    state[place] = np.where(outside[:n], 0, INSIDE)


@njit(nogil=True, cache=True)
def _extend(same, outer, length, inner, wanted):  # type: ignore[no-untyped-def]
    """Set to 0 the pixels that are not followed, along one axis, by as many of their value as `wanted`.

    The axis has `length` pixels; `outer` and `inner` are those of the axes before and after it together.
    """
    count = np.empty(inner, np.int32)
    last = np.empty(inner, np.uint8)
    for block in range(outer):
        count[:] = 0
        last[:] = 0
        for k in range(length - 1, -1, -1):
            line = same[(block * length + k) * inner : (block * length + k + 1) * inner]
            for i in range(inner):
                value = line[i]
                count[i] = count[i] + 1 if value == last[i] else 1
                last[i] = value
                line[i] = value if count[i] >= wanted else 0


@njit(nogil=True, cache=True)
def _spread(mark, outer, length, inner, wanted):  # type: ignore[no-untyped-def]
    """Mark, along one axis, the pixels up to `wanted` from the marked ones on."""
    left = np.empty(inner, np.int32)
    for block in range(outer):
        left[:] = 0
        for k in range(length):
            line = mark[(block * length + k) * inner : (block * length + k + 1) * inner]
            for i in range(inner):
                left[i] = wanted if line[i] != 0 else left[i] - 1
                line[i] = left[i] > 0


@njit(nogil=True, cache=True)
def _decide(labels, ids, start, stop, first, low, high, side, state, n_open, begin, end):  # type: ignore[no-untyped-def]
    """Write the state of each pixel in the windows of objects `begin` to `end`."""
    for k in range(begin, end):
        depth, height, width = stop[k] - start[k]
        same = np.empty(depth * height * width, np.uint8)
        at = 0
        for z in range(start[k, 0], stop[k, 0]):
            for y in range(start[k, 1], stop[k, 1]):
                line = labels[z, y, start[k, 2] : stop[k, 2]]
                for x in range(width):
                    same[at + x] = 2 if line[x] == ids[k] else 1
                    state[first[k] + at + x] = INSIDE if line[x] == ids[k] else 0
                at += width
        # where a square begins all of whose pixels are inside or all outside, and then all its pixels
        axes = ((1, depth, height * width), (depth, height, width), (depth * height, width, 1))
        for axis in range(3):
            if side[axis] > 1:
                _extend(same, *axes[axis], side[axis])
        for axis in range(3):
            if side[axis] > 1:
                _spread(same, *axes[axis], side[axis])
        for z in range(low[k, 0], high[k, 0]):
            for y in range(low[k, 1], high[k, 1]):
                at = ((z - start[k, 0]) * height + y - start[k, 1]) * width - start[k, 2]
                for x in range(low[k, 2], high[k, 2]):
                    if same[at + x] == 0:
                        state[first[k] + at + x] |= OPEN
                        n_open[k] += 1


@njit(nogil=True, cache=True)
def _link(ids, start, stop, first, first_node, state, place, neighbour, pixels, faces, begin, end):  # type: ignore[no-untyped-def]
    """Write each open pixel as a node: its place, its open neighbours behind it, and what pulls it in or out.

    That is itself, as it is given (`pixels`), and its faces to neighbours that are decided (`faces`); below 0 is out.
    """
    for k in range(begin, end):
        shape = stop[k] - start[k]
        steps = (shape[1] * shape[2], shape[2], 1)
        number = np.full(first[k + 1] - first[k], -1, np.int64)
        node = first_node[k]
        for at in range(number.size):
            if state[first[k] + at] & OPEN:
                number[at] = node
                node += 1
        for at in range(number.size):
            node = number[at]
            if node < 0:
                continue
            place[node] = first[k] + at
            inside = state[first[k] + at] & INSIDE
            pixels[node] = 2 * inside - 1
            faces[node] = 0
            for axis in range(3):
                neighbour[axis, node] = -1
                here = at // steps[axis] % shape[axis]
                for way in (-1, 1):
                    if not 0 <= here + way < shape[axis]:
                        continue
                    other = at + way * steps[axis]
                    if number[other] >= 0:
                        if way > 0:
                            neighbour[axis, node] = number[other]
                    elif state[first[k] + other] & INSIDE:
                        faces[node] += 1
                    else:
                        faces[node] -= 1


@njit(nogil=True, cache=True)
def _measure(first, state, size, begin, end):  # type: ignore[no-untyped-def]
    for k in range(begin, end):
        for at in range(first[k], first[k + 1]):
            size[k] += state[at] & INSIDE


@njit(nogil=True, cache=True)
def _lay(order, ids, start, stop, first, state, result):  # type: ignore[no-untyped-def]
    for k in order:
        at = first[k]
        for z in range(start[k, 0], stop[k, 0]):
            for y in range(start[k, 1], stop[k, 1]):
                for x in range(start[k, 2], stop[k, 2]):
                    if state[at] & INSIDE:
                        result[z, y, x] = ids[k]
                    at += 1
