"""Two models on one image: which objects one of them finds otherwise than the other."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.events import Event, Message, Result
from napari_instseg.metrics import overlap
from napari_instseg.session.source import Channel, Index, Reading, Source, take_plane

SAME = 0.8
"""IoU from which on two objects are taken for the same."""

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two models find in one plane.

    Parameters
    ----------
    source, reading, index
        The image and the plane of it; see `Source`.
    before, after : int32 arrays (*S)
        Objects that are the same have the same id in both.
    changed : uint8 array (*S)
        Whole objects that are not the same: 1 in one that is gone, 2 in one that is new, 3 in the new shape of one
        that has another.
    lost, gained, reshaped : int
        Number of such objects; of the last those of the new model.
    """

    source: Source
    reading: Reading
    index: Index
    before: Labels
    after: Labels
    changed: npt.NDArray[np.uint8]
    lost: int
    gained: int
    reshaped: int

    @property
    def words(self) -> str:
        """The difference in a sentence."""
        total = self.lost + self.gained + self.reshaped
        if not total:
            return "Both models find the same objects here."
        return f"Here {self.gained} objects are new, {self.lost} gone and {self.reshaped} have another shape."


@dataclass(frozen=True)
class CompareOrder:
    """What to compare on: a plane of an image, as the user has it segmented."""

    source: Source
    reading: Reading
    index: Index
    channel: Channel | None = None
    diameter: float | None = None
    device: str = "auto"


def compare(order: CompareOrder, old: str, new: str) -> Generator[Event, None, None]:
    """Segment a plane by two models, each by name or folder, and yield a `Comparison` as the result."""
    from napari_instseg.inference.model import load_model

    image, axes = take_plane(order.source, order.reading, order.index, order.channel)
    found = []
    for model in (old, new):
        yield Message("Comparing the old and the new model on the open image.")
        segmentation: Any = None
        for event in load_model(model).segment_events(image, axes=axes, diameter=order.diameter, device=order.device):
            if isinstance(event, Result):
                segmentation = event.value
            else:
                yield event
        found.append(segmentation.labels)
    yield Result(find_changes(order, *found))


def find_changes(order: CompareOrder, before: Labels, after: Labels) -> Comparison:
    """Match the objects of two label images, and mark those that are not the same."""
    table = overlap(before, after)
    same = table.iou >= SAME
    partner = dict(
        zip(
            table.pred_ids[table.pred_index[same]].tolist(),
            table.true_ids[table.true_index[same]].tolist(),
            strict=True,
        )
    )
    fresh = int(before.max(initial=0)) + 1
    ids = np.zeros(int(after.max(initial=0)) + 1, np.int32)
    for id_ in table.pred_ids.tolist():
        ids[id_] = partner.get(id_, fresh)
        fresh += id_ not in partner
    renamed = ids[after]
    gone = set(table.true_ids.tolist()) - set(partner.values())
    came = set(table.pred_ids.tolist()) - set(partner)
    # an object that shares half of its pixels with one of the other side is one that has another shape
    half = table.intersection * 2 >= np.minimum(table.true_areas[table.true_index], table.pred_areas[table.pred_index])
    reshaped = {
        int(table.true_ids[i])
        for i, j in zip(table.true_index[half], table.pred_index[half], strict=True)
        if int(table.true_ids[i]) in gone and int(table.pred_ids[j]) in came
    }
    taken = {
        int(table.pred_ids[j])
        for i, j in zip(table.true_index[half], table.pred_index[half], strict=True)
        if int(table.true_ids[i]) in gone and int(table.pred_ids[j]) in came
    }
    changed = np.zeros(before.shape, np.uint8)
    for number, labels, which in ((1, before, gone - reshaped), (2, after, came - taken), (3, after, taken)):
        changed[np.isin(labels, list(which))] = number
    return Comparison(
        order.source,
        order.reading,
        order.index,
        before.astype(np.int32),
        renamed.astype(np.int32),
        changed,
        len(gone - reshaped),
        len(came - taken),
        len(taken),
    )
