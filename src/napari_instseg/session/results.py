"""What was found in one image: a prediction and the objects of each slice, with ids that stay the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.params import Params
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.source import Index, Reading, Source, grid_shape

if TYPE_CHECKING:
    import pandas as pd

PREDICTION_BYTES = 2 << 30
"""Most memory for the predictions of a stack; the oldest are forgotten first, their objects stay."""

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class DecodedSlice:
    """The objects of one slice.

    Parameters
    ----------
    index : tuple of int
        The slice, along the stack axes.
    labels : int32 array
        Objects by their kept ids; of the whole slice, or of `window`.
    ids : int32 array (n + 1,)
        The kept id of each object of the segmentation.
    segmentation : Segmentation
        As the decoder gave it, ids 1 to n.
    parameters : Params
        The decode parameters that it was made with.
    window : tuple of slice, optional
        The part of the slice that was decoded so far; None for all of it.
    asked : float
        When it was asked for, by `time.perf_counter`; 0 if it was not by a change of parameters.
    decoding : float
        Seconds that decoding took.
    """

    index: Index
    labels: Labels
    ids: Labels
    segmentation: Segmentation
    parameters: Params
    window: tuple[slice, ...] | None = None
    asked: float = 0.0
    decoding: float = 0.0

    def table(self) -> pd.DataFrame:
        """Give one row per object with its kept id as ``label``, and the slice where there are several."""
        table = self.segmentation.table.copy()
        table["label"] = self.ids[table["label"].to_numpy()]
        for axis, position in enumerate(self.index):
            table.insert(1 + axis, "slice" if len(self.index) == 1 else f"slice_{axis}", position)
        return table


@dataclass(eq=False)
class Results:
    """All that was found in one image, read in one way, by one model.

    Parameters
    ----------
    source : Source
    reading : Reading
    spec : ModelSpec
    model : str
        Its name or folder, as it was chosen.
    """

    source: Source
    reading: Reading
    spec: ModelSpec
    predictions: dict[Index, Prediction] = field(default_factory=dict)
    planes: dict[Index, DecodedSlice] = field(default_factory=dict)
    reserved: int = 0
    """Ids up to this one may belong to corrected objects; new objects get higher ones."""
    model: str = ""
    _decoded: dict[Index, DecodedSlice] = field(default_factory=dict)
    _shown: dict[Index, Labels] = field(default_factory=dict)
    _highest: dict[Index, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a label image of the whole source."""
        return grid_shape(self.source, self.reading)

    @property
    def n_objects(self) -> int:
        """Objects in all slices that were segmented."""
        return sum(plane.segmentation.n_objects for plane in self.planes.values())

    @property
    def words(self) -> str:
        """The number of objects in words."""
        return f"{self.n_objects} object{'' if self.n_objects == 1 else 's'}."

    def remember(self, index: Index, prediction: Prediction) -> None:
        """Keep the prediction of a slice, and forget the oldest others where memory asks for it."""
        self.predictions.pop(index, None)
        self.predictions[index] = prediction
        sizes = {key: sum(a.nbytes for a in kept.outputs.values()) for key, kept in self.predictions.items()}
        for key in list(self.predictions)[:-1]:
            if sum(sizes.values()) <= PREDICTION_BYTES:
                break
            del self.predictions[key], sizes[key]

    def settle(
        self,
        index: Index,
        segmentation: Segmentation,
        parameters: Params,
        *,
        window: tuple[slice, ...] | None = None,
        **told: Any,
    ) -> DecodedSlice:
        """Take over a slice's new objects under the ids of those that they overlap.

        New objects get ids that no slice has yet, so that an id means one object in the whole stack.
        """
        with self._lock:
            return self._settle(index, segmentation, parameters, window, told)

    def _settle(
        self,
        index: Index,
        segmentation: Segmentation,
        parameters: Params,
        window: tuple[slice, ...] | None,
        told: Mapping[str, Any],
    ) -> DecodedSlice:
        where = window or (...,)
        shown = self._shown.get(index)
        above = max([self.reserved, *self._highest.values()])
        earlier = np.zeros_like(segmentation.labels) if shown is None else shown[where]
        labels, ids = keep_ids(earlier, segmentation.labels, above)
        plane = DecodedSlice(index, labels, ids, segmentation, parameters, window, **told)
        if window is None or shown is None:
            self.planes[index] = self._decoded[index] = plane
            self._shown[index], self._highest[index] = labels, int(ids.max(initial=0))
        else:
            self._shown[index] = shown.copy()
            self._shown[index][where] = labels
            self._highest[index] = max(self._highest[index], int(ids.max(initial=0)))
        return plane

    def amend(self, index: Index, labels: Labels, accepted: Collection[int]) -> DecodedSlice:
        """Take over the corrected objects of a slice that was decoded.

        Objects keep the score and class that they were decoded with. Accepted ones are certain; what is new is of the
        class that was decoded under most of it.
        """
        decoded = self._decoded[index]
        ids = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)).astype(np.int32)
        ids = ids[ids > 0]
        dense = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
        dense[ids] = np.arange(1, len(ids) + 1)
        new, old = dense[labels], decoded.segmentation
        source = np.zeros(len(ids), np.intp)  # the object of the decoder that each one was, from 1
        known = np.isin(ids, decoded.ids[1:])
        by_id = np.argsort(decoded.ids[1:])
        source[known] = by_id[np.searchsorted(decoded.ids[1:], ids[known], sorter=by_id)] + 1
        score = class_id = None
        if old.score is not None:
            score = np.concatenate([[0], old.score])[source].astype(np.float32)
            score[np.isin(ids, list(accepted))] = 1
        if old.class_id is not None:
            under = np.zeros((len(ids) + 1, old.n_objects + 1), np.int64)
            np.add.at(under, (new.ravel(), old.labels.ravel()), 1)
            source = np.where(known, source, under[1:, 1:].argmax(axis=1) + 1 if old.n_objects else 0)
            class_id = np.concatenate([[1], old.class_id])[source]
        segmentation = Segmentation(new, score, class_id, old.timings)
        plane = replace(
            decoded, labels=labels, ids=np.concatenate([[0], ids]).astype(np.int32), segmentation=segmentation
        )
        self.planes[index] = plane
        return plane

    def adopt(self, earlier: Results) -> None:
        """Take over the objects of earlier results of the same image, so that their ids live on."""
        self.planes.update(earlier.planes)
        self._decoded.update(earlier._decoded)
        self.reserved = max(self.reserved, earlier.reserved)
        self._shown.update(earlier._shown)
        self._highest.update(earlier._highest)

    def table(self) -> pd.DataFrame:
        """Give one row per object of all slices."""
        import pandas as pd

        tables = [self.planes[index].table() for index in sorted(self.planes)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"label": []})

    def labels(self) -> Labels:
        """Give the label image of the whole source; slices that were not segmented are 0."""
        labels = np.zeros(self.shape, np.int32)
        for index, plane in self.planes.items():
            labels[self.position(index)] = plane.labels
        return labels

    def position(self, index: Index) -> tuple[Any, ...]:
        """Give where a slice lies in a label image of the whole source."""
        roles = [role for role in self.reading.roles if role not in ("channel", "color")]
        along = iter(index)
        return tuple(next(along) if role == "stack" else slice(None) for role in roles)
