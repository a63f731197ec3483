"""What was found in one image, as a snapshot: a prediction and the objects of each slice, with ids that stay the same.

A snapshot never changes, so any thread may read it while the session goes on to the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.params import Params
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.overlapping import renumber_covered
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
        """Return one row per object with its kept id as ``label``, and the slice where there are several."""
        table = self.segmentation.table.copy()
        table["label"] = self.ids[table["label"].to_numpy()]
        for axis, position in enumerate(self.index):
            table.insert(1 + axis, "slice" if len(self.index) == 1 else f"slice_{axis}", position)
        return table


@dataclass(frozen=True, eq=False)
class Proposal:
    """New objects of a slice under the ids of those that they overlap in a snapshot; made in any thread.

    Parameters
    ----------
    slice : DecodedSlice
    shown : int32 array
        The objects of the whole slice, also where only a window was decoded.
    top : int
        The highest id that was given so far.
    earlier : int32 array, optional
        What was shown before, whose ids were kept.
    above : int
        New objects got ids above this one.
    """

    slice: DecodedSlice
    shown: Labels
    top: int
    earlier: Labels | None
    above: int


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Results:
    """All that was found so far in one image, read in one way, by one run of one model.

    Parameters
    ----------
    source : Source
    reading : Reading
    spec : ModelSpec
    predictions : mapping
        Of each slice whose prediction is kept.
    slices : mapping
        The objects of each slice that was segmented.
    reserved : int
        Ids up to this one may belong to corrected objects; new objects get higher ones.
    model : str
        Its name or folder, as it was chosen.
    latest : DecodedSlice, optional
        What was taken over last, also where it is only a window of its slice.
    run : object
        The same in all snapshots of one run.
    """

    source: Source
    reading: Reading
    spec: ModelSpec
    predictions: Mapping[Index, Prediction] = field(default_factory=_none)
    slices: Mapping[Index, DecodedSlice] = field(default_factory=_none)
    reserved: int = 0
    model: str = ""
    latest: DecodedSlice | None = None
    run: object = field(default_factory=object)
    _decoded: Mapping[Index, DecodedSlice] = field(default_factory=_none)
    _shown: Mapping[Index, Labels] = field(default_factory=_none)
    _highest: Mapping[Index, int] = field(default_factory=_none)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a label image of the whole source."""
        return grid_shape(self.source, self.reading)

    @property
    def ndim(self) -> int:
        """Number of axes in space."""
        return len(self.shape) - len(self.reading.stack_axes)

    @property
    def n_objects(self) -> int:
        """Objects in all slices that were segmented."""
        return sum(plane.segmentation.n_objects for plane in self.slices.values())

    @property
    def words(self) -> str:
        """The number of objects in words."""
        return f"{self.n_objects} object{'' if self.n_objects == 1 else 's'}."

    @property
    def top(self) -> int:
        """The highest id that an object of any slice has, or a corrected one may have."""
        return max([self.reserved, *self._highest.values()])

    def same_run(self, other: Results | None) -> bool:
        """Return whether two snapshots are of the same run."""
        return other is not None and self.run is other.run

    # the next snapshot

    def with_prediction(self, index: Index, prediction: Prediction) -> Results:
        """Return the snapshot with a slice's prediction, without the oldest others where memory asks for it."""
        kept = {key: value for key, value in self.predictions.items() if key != index} | {index: prediction}
        sizes = {key: sum(a.nbytes for a in value.outputs.values()) for key, value in kept.items()}
        for key in list(kept)[:-1]:
            if sum(sizes.values()) <= PREDICTION_BYTES:
                break
            del kept[key], sizes[key]
        return replace(self, predictions=MappingProxyType(kept))

    def propose(
        self,
        index: Index,
        segmentation: Segmentation,
        parameters: Params,
        *,
        window: tuple[slice, ...] | None = None,
        above: int = 0,
        **told: Any,
    ) -> Proposal:
        """Return a slice's new objects the ids of those that they overlap.

        New objects get ids that no slice has yet, so that an id means one object in the whole stack.

        Parameters
        ----------
        above : int
            They get ids above this one, too: that of the proposal before, where that was not taken over yet.
        **told
            Of `DecodedSlice`: ``asked``, ``decoding``.
        """
        shown = self._shown.get(index)
        above = max(self.top, above)
        if window is None or shown is None:
            earlier = np.zeros_like(segmentation.labels) if shown is None else shown
            labels, ids = keep_ids(earlier, segmentation.labels, above)
            whole = labels
        else:
            labels, ids = keep_ids(shown[window], segmentation.labels, above)
            whole = shown.copy()
            whole[window] = labels
        made = DecodedSlice(index, labels, ids, segmentation, parameters, window, **told)
        return Proposal(made, whole, max(above, int(ids.max(initial=0))), shown, above)

    def accept(self, proposal: Proposal) -> Results:
        """Return the snapshot with a proposal taken over; `latest` is its slice.

        One that was made from what is not shown any more is made again, so that no object changes its id and no two
        share one.
        """
        made, index = proposal.slice, proposal.slice.index
        if proposal.earlier is not self._shown.get(index) or proposal.above < self.top:
            told: dict[str, Any] = {"asked": made.asked, "decoding": made.decoding}
            proposal = self.propose(index, made.segmentation, made.parameters, window=made.window, **told)
            made = proposal.slice
        highest, slices, decoded = int(made.ids.max(initial=0)), self.slices, self._decoded
        if made.window is None or proposal.earlier is None:
            slices, decoded = _with(slices, index, made), _with(decoded, index, made)
        else:
            highest = max(self._highest[index], highest)
        return replace(
            self,
            slices=slices,
            latest=made,
            _decoded=decoded,
            _shown=_with(self._shown, index, proposal.shown),
            _highest=_with(self._highest, index, highest),
        )

    def settle(self, index: Index, segmentation: Segmentation, parameters: Params, **how: Any) -> Results:
        """Return the snapshot with a slice's new objects; see `propose`."""
        return self.accept(self.propose(index, segmentation, parameters, **how))

    def reserving(self, highest: int) -> Results:
        """Return the snapshot in which new objects get ids above this one."""
        return self if highest <= self.reserved else replace(self, reserved=highest)

    def amend(self, index: Index, labels: Labels, accepted: Collection[int]) -> Results:
        """Return the snapshot with the corrected objects of a slice that was decoded.

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
        covered = None
        if old.covered is not None:
            # of objects that are still there, all that was not brought into sight
            new_id = np.zeros(old.n_objects + 1, np.int32)
            by_kept = {int(number): position for position, number in enumerate(ids, start=1)}
            new_id[1:] = [by_kept.get(int(number), 0) for number in decoded.ids[1:]]
            covered = renumber_covered(old.covered, new_id)
            covered = covered[new[tuple(covered[:, 1:].T)] != covered[:, 0]]
        segmentation = Segmentation(new, score, class_id, old.timings, covered=covered)
        plane = replace(
            decoded, labels=labels.copy(), ids=np.concatenate([[0], ids]).astype(np.int32), segmentation=segmentation
        )
        return replace(self, slices=_with(self.slices, index, plane))

    def adopt(self, earlier: Results, *, predictions: bool) -> Results:
        """Return the snapshot with the objects of an earlier run on the same image, so that their ids live on.

        Parameters
        ----------
        predictions : bool
            Whether its predictions are still valid.
        """
        return replace(
            self,
            predictions=earlier.predictions if predictions else self.predictions,
            slices=MappingProxyType({**self.slices, **earlier.slices}),
            reserved=max(self.reserved, earlier.reserved),
            _decoded=MappingProxyType({**self._decoded, **earlier._decoded}),
            _shown=MappingProxyType({**self._shown, **earlier._shown}),
            _highest=MappingProxyType({**self._highest, **earlier._highest}),
        )

    # what is read

    def table(self) -> pd.DataFrame:
        """Return one row per object of all slices."""
        import pandas as pd

        tables = [self.slices[index].table() for index in sorted(self.slices)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"label": []})

    def labels(self) -> Labels:
        """Return the label image of the whole source; slices that were not segmented are 0."""
        labels = np.zeros(self.shape, np.int32)
        for index, plane in self.slices.items():
            labels[self.position(index)] = plane.labels
        return labels

    def position(self, index: Index) -> tuple[Any, ...]:
        """Return where a slice lies in a label image of the whole source."""
        roles = [role for role in self.reading.roles if role not in ("channel", "color")]
        along = iter(index)
        return tuple(next(along) if role == "stack" else slice(None) for role in roles)


def _with(mapping: Mapping[Index, Any], index: Index, value: Any) -> Mapping[Index, Any]:
    return MappingProxyType({**mapping, index: value})
