"""Merging of touching objects that the network says nearly the same of: it mends objects that clustering broke."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Array, Data, Stage
from napari_instseg.core.params import Params, tunable

Unlikeness = Callable[[Array, Array, Array, Array], Array]
"""``unlikeness(mean, other_mean, size, other_size)``: how different objects are, from 0; means are (..., C)."""

AHEAD = 2.0
"""Times the threshold up to which the order of merging is worked out, since a slider may go on."""


class MergeParams(Params):
    """When touching objects are one."""

    merge_alike: float = tunable(
        0.0,
        0.0,
        10.0,
        step=0.05,
        unit="embedding distance",
        title="Join similar neighbours",
        help="Objects that touch and are nearer to each other than this, by the mean of their embedding, become one, "
        "the nearest first. Mends objects that break; too much merges neighbours. 0 merges nothing.",
    )


@cache  # the same plan every time: what a stage gave is remembered by the function that gave it
def merge_stages(output: str, unlikeness: Unlikeness) -> tuple[Stage, ...]:
    """Return the steps; they take no time where nothing is to be merged.

    Parameters
    ----------
    output : str
        The output or stage result, (C, *S), whose mean over an object is compared.
    unlikeness : callable
        What `merge_alike` is compared with.
    """

    def likeness(data: Data, params: Any) -> Data:
        return {"likeness": Likeness(data["labels"], data[output], unlikeness)}

    return (Stage("likeness", (), likeness), Stage("merging", ("merge_alike",), _merge))


def distance(mean: Array, other: Array, _size: Array, _other_size: Array) -> Array:
    """Return the Euclidean distance of mean embeddings."""
    apart: Array = np.sqrt(np.square(mean - other).sum(axis=-1))
    return apart


def distance_in_radii(place: Array, other: Array, size: Array, other_size: Array) -> Array:
    """Return the distance of the places that two objects point at, in radii of a disk or ball as large as both.

    Whole neighbours of one size are sqrt(2) apart in images, broken pieces of one object much less.
    """
    both = size + other_size
    radius = (both / np.pi) ** (1 / 2) if place.shape[-1] == 2 else (0.75 * both / np.pi) ** (1 / 3)
    apart: Array = np.sqrt(np.square(place - other).sum(axis=-1)) / radius
    return apart


def disagreement(colors: Array, other: Array, _size: Array, _other_size: Array) -> Array:
    """Return one minus the overlap (Bhattacharyya coefficient) of two mean colour distributions, from 0 to 1.

    The first channel, the background, is left out.
    """
    a, b = colors[..., 1:], other[..., 1:]
    both = np.sqrt(a.sum(axis=-1) * b.sum(axis=-1))
    unlike: Array = 1 - np.sqrt(a * b).sum(axis=-1) / np.maximum(both, 1e-9)
    return unlike


@dataclass(frozen=True)
class MergeOrder:
    """The order in which touching objects merge, the nearest first, whatever the threshold.

    Parameters
    ----------
    kept, gone : int arrays (m,)
        At each step, object `gone` becomes part of `kept`; ids from 1.
    unlike : float array (m,)
        How unlike they were by then.
    """

    kept: npt.NDArray[np.int64]
    gone: npt.NDArray[np.int64]
    unlike: npt.NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self.kept.nbytes + self.gone.nbytes + self.unlike.nbytes

    def leaders(self, n: int, limit: float) -> npt.NDArray[np.int64]:
        """Return the object that each id 0 to n is part of, once all that touch are at least `limit` unlike."""
        over = np.flatnonzero(self.unlike >= limit)
        steps = int(over[0]) if len(over) else len(self.unlike)
        leader = np.arange(n + 1)
        # backwards, what an object merges into has its final leader already
        for kept, gone in zip(self.kept[:steps][::-1].tolist(), self.gone[:steps][::-1].tolist(), strict=True):
            leader[gone] = leader[kept]
        return leader


class Likeness:
    """What tells which objects of a label image merge first; worked out as far as it is asked for, then kept."""

    def __init__(self, labels: npt.NDArray[np.int32], values: Array, unlikeness: Unlikeness) -> None:
        self._of = (labels, values, unlikeness)
        self._known: tuple[float, MergeOrder | None] = (0.0, None)

    def order(self, limit: float) -> MergeOrder:
        """Return the order of merging, at least of what is less unlike than `limit`."""
        reach, order = self._known
        if order is None or limit > reach:
            order = merge_order(*self._of, AHEAD * limit)
            self._known = AHEAD * limit, order
        return order


def merge_order(
    labels: npt.NDArray[np.int32], values: Array, unlikeness: Unlikeness, limit: float = np.inf
) -> MergeOrder:
    """Merge touching objects, always the two most alike, until none that touch are less unlike than `limit`.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        Ids 1 to n.
    values : array (C, *S)
    unlikeness : callable
        Between means of `values`.
    limit : float
        Infinite, they merge until none touch.

    Returns
    -------
    MergeOrder
    """
    from napari_instseg.decoding.components import find_contacts
    from napari_instseg.decoding.scores import mean_channels

    n = int(labels.max(initial=0))
    means, sizes = mean_channels(labels, values, n)
    lower, higher, _ = find_contacts(labels)
    touching: list[set[int]] = [set() for _ in range(n + 1)]
    for one, other in zip(lower.tolist(), higher.tolist(), strict=True):
        touching[one].add(other)
        touching[other].add(one)
    changed = [0] * (n + 1)

    def candidates(first: Array, second: Array) -> Iterable[tuple[float, int, int, int, int]]:
        unlike = unlikeness(means[first], means[second], sizes[first], sizes[second])
        near = np.flatnonzero(unlike < limit)
        for u, i, j in zip(unlike[near].tolist(), first[near].tolist(), second[near].tolist(), strict=True):
            yield u, i, j, changed[i], changed[j]

    heap = list(candidates(lower, higher))
    heapq.heapify(heap)
    steps: list[tuple[int, int, float]] = []
    while heap:
        unlike, i, j, seen_i, seen_j = heapq.heappop(heap)
        if changed[i] != seen_i or changed[j] != seen_j:
            continue
        kept, gone = (i, j) if sizes[i] >= sizes[j] else (j, i)
        steps.append((kept, gone, unlike))
        both = sizes[kept] + sizes[gone]
        means[kept] = (means[kept] * sizes[kept] + means[gone] * sizes[gone]) / both
        sizes[kept] = both
        changed[kept], changed[gone] = changed[kept] + 1, -1
        for other in touching[gone] - {kept}:
            touching[other].discard(gone)
            touching[other].add(kept)
            touching[kept].add(other)
        touching[kept].discard(gone)
        others = np.array(sorted(touching[kept]), np.int64)
        for entry in candidates(np.minimum(others, kept), np.maximum(others, kept)):
            heapq.heappush(heap, entry)
    table = np.array(steps, np.float64).reshape(-1, 3)
    return MergeOrder(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2])


def _merge(data: Data, params: Any) -> Data:
    if not params.merge_alike:
        return {}
    from napari_instseg.decoding.components import look_up

    labels, group = data["labels"], data["object_group"]
    leader = data["likeness"].order(params.merge_alike).leaders(len(group), params.merge_alike)
    left = np.unique(leader)[1:]
    new_id = np.zeros(len(leader), np.int32)
    new_id[left] = np.arange(1, len(left) + 1)
    return {"labels": look_up(new_id[leader], labels), "object_group": group[left - 1]}
