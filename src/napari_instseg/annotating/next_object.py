"""Which object to look at next: the least sure ones, and those that small changes of the parameters change most."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from napari_instseg.core.params import Params
from napari_instseg.decoding.pipeline import DecodingStopped
from napari_instseg.metrics.overlap_table import overlap
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Labels, Results
from napari_instseg.session.source import Index

STEADY = 0.8
"""Overlap from which an object counts as stable."""
NUDGE = 0.1
"""How far a parameter is moved to either side, as a share of its value; at least a step."""


@dataclass(frozen=True)
class Doubt:
    """An object that is worth a look.

    Parameters
    ----------
    index : tuple of int
        The slice.
    label : int
    place : tuple of float
        Its middle in the slice, in pixels.
    side : float
        The longer side of its box, in pixels.
    confidence : float
        What the model says, 0 to 1.
    stability : float
        Mean overlap (IoU) with its counterparts under slightly changed parameters, 0 to 1.
    """

    index: Index
    label: int
    place: tuple[float, ...]
    side: float
    confidence: float
    stability: float

    @property
    def words(self) -> str:
        """The reason, for the user."""
        return (
            f"Object {self.label}: confidence {self.confidence:.0%}, "
            + ("unstable: changes when sliders move" if self.stability < STEADY else "stable when sliders move")
            + f" (overlap {self.stability:.0%})."
        )


def nudged(parameters: Params) -> Iterator[Params]:
    """Return the parameters with each number that is in use moved a little to either side."""
    for declared in parameters.visible():
        value = getattr(parameters, declared.name)
        if declared.advanced or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        step = max(abs(value) * NUDGE, declared.step or (1 if isinstance(value, int) else 0))
        for other in (value - step, value + step):
            low = other if declared.minimum is None else max(other, declared.minimum)
            inside = low if declared.maximum is None else min(low, declared.maximum)
            moved = round(inside) if isinstance(value, int) else inside
            if moved != value:
                yield parameters.changed(**{declared.name: moved})


def stability(labels: Labels, others: Collection[Labels]) -> dict[int, float]:
    """Return the mean IoU of each object with the one that it overlaps most in other label images of the same image."""
    ids = np.unique(labels)
    total = np.zeros(int(labels.max(initial=0)) + 1)
    for other in others:
        table = overlap(labels, other)
        best = np.zeros(table.n_true)
        np.maximum.at(best, table.true_index, table.iou)
        total[table.true_ids] += best
    return {int(label): float(total[label] / max(len(others), 1)) for label in ids[ids > 0]}


def find_doubts(
    results: Results, corrections: Annotation, parameters: Params, is_stale: Callable[[], bool] = lambda: False
) -> list[Doubt]:
    """List the objects that the user has said nothing of, the most doubtful first.

    Parameters
    ----------
    results : Results
        Slices whose prediction is kept are decoded anew with slightly changed parameters; this takes as long as ten
        decodes or so.
    corrections : Annotation
        Accepted objects, and those in complete regions, are left out.
    parameters : Params
        Those of the present objects.
    is_stale : callable
        Asked in between; true ends it with an empty list.
    """
    doubts: list[Doubt] = []
    for index, plane in results.slices.items():
        if plane.window is not None:
            continue
        prediction = results.predictions.get(index)
        others: list[Labels] = []
        try:
            if prediction is not None:
                # a pipeline of its own, so that what the window looks at stays that of the present parameters
                pipeline = replace(prediction).pipeline
                others = [pipeline.run(each, None, is_stale).labels for each in nudged(parameters)]
        except DecodingStopped:
            return []
        inside = corrections.complete[index] & (plane.labels > 0)
        known = corrections.accepted | set(np.unique(plane.labels[inside]).tolist())
        steady = stability(plane.labels, others) if others else {}
        for row in plane.table().to_dict("records"):
            label = int(row["label"])
            if label in known:
                continue
            axes = "zyx"[3 - plane.labels.ndim :]
            doubts.append(
                Doubt(
                    index,
                    label,
                    tuple(float(row[f"centroid_{axis}"]) for axis in axes),
                    max(float(row[f"{axis}_max"] - row[f"{axis}_min"]) for axis in axes),
                    float(row.get("score", 1.0)),
                    steady.get(label, 1.0),
                )
            )
    return sorted(doubts, key=lambda doubt: (doubt.confidence * doubt.stability, doubt.index, doubt.label))
