"""The objects that were found: a list of them from the least certain on, and why one of them is as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_instseg.decoding.affinity import yardstick
from napari_instseg.decoding.clusters import Clusters, cluster_spread
from napari_instseg.decoding.color_views import color_of_objects
from napari_instseg.inspecting.views import looked_at, own_id
from napari_instseg.inspecting.what_if import CannotFollow, Turn, turning_points
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.session.source import Index

Floats = npt.NDArray[np.float64]

CHUNK = 512
"""Objects whose distances to all others are worked out at a time."""

UNCHANGED = "No slider by itself merges, breaks or loses it."

NEARBY = 100
"""Pixels around an object in which its nearest neighbour of the same colour is looked for."""


@dataclass(frozen=True)
class Listed:
    """The objects of all slices, one entry each.

    Parameters
    ----------
    label : int array (n,)
    score : float array (n,)
        NaN where the method gives none.
    area : int array (n,)
        In pixels.
    centre : float array (n, ndim)
        In pixels of the label image of the whole source.
    """

    label: npt.NDArray[np.int64]
    score: Floats
    area: npt.NDArray[np.int64]
    centre: Floats

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Row of each label."""
        return {int(label): row for row, label in enumerate(self.label)}


def list_objects(results: Results) -> Listed:
    """List the objects of all slices."""
    table = results.table()
    ndim = len(results.shape)
    if not len(table):
        return Listed(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, ndim)))
    stack = [name for name in table if str(name).startswith("slice")]
    roles = [role for role in results.reading.roles if role not in ("channel", "color")]
    along, within = iter(stack), iter([f"centroid_{axis}" for axis in "zyx" if f"centroid_{axis}" in table])
    centre = np.stack([table[next(along if role == "stack" else within)].to_numpy(float) for role in roles], axis=1)
    score = table["score"].to_numpy(float) if "score" in table else np.full(len(table), np.nan)
    return Listed(table["label"].to_numpy(np.int64), score, table["area"].to_numpy(np.int64), centre)


@dataclass(frozen=True)
class EmbeddedObjects:
    """Where the objects 1 to n of a slice lie in embedding space; row i is object i + 1.

    Parameters
    ----------
    spread : float array (n,)
        Root mean square distance of an object's pixels to their mean.
    gap : float array (n,)
        Distance from that mean to the nearest one of another object; infinite where there is no other.
    neighbour : int array (n,)
        That object, 0 where there is none.
    """

    spread: Floats
    gap: Floats
    neighbour: npt.NDArray[np.int64]


def embed_objects(embedding: npt.NDArray[np.float32], labels: npt.NDArray[np.int32]) -> EmbeddedObjects:
    """Measure the objects of a label image in embedding space.

    Parameters
    ----------
    embedding : float32 array (D, *S)
    labels : int32 array (*S)
        Ids 1 to n, all of them present.
    """
    from scipy.spatial.distance import cdist

    flat = labels.ravel()
    size = np.maximum(np.bincount(flat), 1)
    means = np.stack([np.bincount(flat, channel.ravel()) / size for channel in embedding], axis=1)[1:]
    spread = cluster_spread(embedding, Clusters(labels, means.astype(np.float32)))
    gap, neighbour = np.full(len(means), np.inf), np.zeros(len(means), np.int64)
    for first in range(0, len(means) if len(means) > 1 else 0, CHUNK):
        apart = cdist(means[first : first + CHUNK], means)
        apart[np.arange(len(apart)), first + np.arange(len(apart))] = np.inf
        neighbour[first : first + CHUNK] = apart.argmin(axis=1) + 1
        gap[first : first + CHUNK] = apart.min(axis=1)
    return EmbeddedObjects(spread, gap, neighbour)


@dataclass(frozen=True)
class Reason:
    """Why an object is as it is: sentences, of which more may follow.

    Parameters
    ----------
    label : int
    facts : tuple of str
        Its size, score, spread and neighbours.
    turns : tuple of Turn
        What would change it.
    complete : bool
        Whether all was looked at.
    """

    label: int
    facts: tuple[str, ...]
    turns: tuple[Turn, ...] = ()
    complete: bool = False


class Reasons:
    """Explains objects of results, remembering what was measured of all objects of a slice."""

    def __init__(self) -> None:
        self._embedded: tuple[DecodedSlice, EmbeddedObjects] | None = None

    def explain(self, results: Results, index: Index, label: int, is_stale: Callable[[], bool]) -> Iterator[Reason]:
        """Say first what is measured, then, one by one, what would change the object."""
        plane = results.slices.get(index)
        if plane is None or own_id(plane, label) is None:
            return
        facts = [_size_and_score(results, plane, label)]
        if index not in results.predictions:
            yield Reason(label, (*facts, "What the network said of this slice is not kept; run it again."), (), True)
            return
        data = looked_at(results, index, label)
        own = data["selected"]
        if "embedding" in data and "clusters" in data:
            facts.append(self._in_embedding(plane, data, own))
        elif "colors" in data:
            facts.append(_in_color(plane, data, own))
        reason = Reason(label, tuple(facts))
        yield reason
        turns: list[Turn] = []
        try:
            for turn in turning_points(results.predictions[index], plane.parameters, plane.labels, label, is_stale):
                turns.append(turn)
                yield Reason(label, reason.facts, tuple(turns))
            yield Reason(label, (*facts, *([] if turns else [UNCHANGED])), tuple(turns), complete=True)
        except CannotFollow as error:
            yield Reason(label, (*facts, str(error)), (), complete=True)

    def _in_embedding(self, plane: DecodedSlice, data: dict[str, Any], own: int) -> str:
        if self._embedded is None or self._embedded[0] is not plane:
            self._embedded = (plane, embed_objects(data["embedding"], plane.segmentation.labels))
        found = self._embedded[1]
        judge = yardstick(data, plane.parameters)
        words = f"Its pixels spread {found.spread[own - 1]:.2g} around their middle ({judge.name} {judge.limit:.2g})."
        neighbour = int(found.neighbour[own - 1])
        if not neighbour:
            return words
        return f"{words} Nearest in the embedding: object {plane.ids[neighbour]}, {found.gap[own - 1]:.2g} away."


def _size_and_score(results: Results, plane: DecodedSlice, label: int) -> str:
    own = own_id(plane, label) or 0
    size = int(np.count_nonzero(plane.labels == label))
    step = results.source.pixel_size
    area = f" ({size * step**2:.3g} µm²)" if step is not None and plane.labels.ndim == 2 else ""
    words = f"Object {label}: {size} px{area}"
    score = plane.segmentation.score
    if score is None:
        return f"{words}."
    lower = int(np.count_nonzero(score < score[own - 1]))
    return f"{words}, confidence {score[own - 1]:.2f}; {lower} of {len(score)} are less certain."


def _in_color(plane: DecodedSlice, data: dict[str, Any], own: int) -> str:
    """Say which colour an object has, and how far the next object of that colour is."""
    labels = plane.segmentation.labels
    color = color_of_objects(data["colors"], labels)
    box = ndimage.find_objects((labels == own).view(np.uint8))[0]
    around = tuple(slice(max(side.start - NEARBY, 0), side.stop + NEARBY) for side in box)
    near = labels[around]
    rivals = (color[near] == color[own]) & (near > 0) & (near != own)
    words = f"Colour {color[own]}."
    if not rivals.any():
        return f"{words} No other object of this colour within {NEARBY} px."
    away, nearest = ndimage.distance_transform_edt(~rivals, return_indices=True)
    inside = near == own
    at = np.flatnonzero(inside)[away[inside].argmin()]
    rival = near[tuple(axis.ravel()[at] for axis in nearest)]
    return f"{words} The nearest object of this colour, {plane.ids[rival]}, is {away.ravel()[at]:.3g} px away."
