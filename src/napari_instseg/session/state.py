"""The state of a session as a frozen snapshot: what the user chose, what was found, what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from napari_instseg.core.params import Params
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.session.source import Channel, Index, Reading, Source
from napari_instseg.session.status import Status


@dataclass(frozen=True, eq=False)
class State:
    """One moment of a session. Only `Session` makes the next one; whoever shows it compares the two.

    Parameters
    ----------
    source : Source, optional
        The image.
    reading : Reading, optional
        How its axes are read.
    channel : int or str, optional
        The only channel or stain to look at; None for all.
    moves : int
        Counts how often the image got another place or name.
    models : mapping
        The models on offer, by name.
    model : str
        Name of a shipped model, or a folder; empty when there is none.
    model_by_user : bool
        Whether the user chose a model so far, so that none is suggested in its place.
    spec : ModelSpec, optional
        What the model says of itself.
    diameter : float, optional
        Typical object diameter in the image, in pixels; None: that which the model presumes.
    found_size : str
        Words on the diameter if it was found by itself in this image; empty if the user or the image states it.
    device : {"auto", "cuda", "mps", "cpu"}
    accurate : bool
        Whether a run averages over views of the image, where the model can.
        Where the network shall run.
    whole_stack : bool
        Whether Run goes over all slices of a stack, not only the one in view.
    index : tuple of int
        The slice in view, along the reading's stack axes.
    window : tuple of slice, optional
        What of its plane is in view.
    live : bool
        Whether objects follow the parameters at once.
    parameters : Params, optional
        The decode parameters.
    results : Results, optional
        What was found in the image.
    elsewhere : Results, optional
        What is being found in another image, on which the run goes on.
    edits : int
        Counts the steps that the user annotated, undid or restored.
    running : bool
        Whether a job has not ended yet.
    ended : {"", "done", "stopped", "failed"}
        How the last job ended.
    status : Status
        What runs, how far, the last message.
    """

    source: Source | None = None
    reading: Reading | None = None
    channel: Channel | None = None
    moves: int = 0
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    model: str = ""
    model_by_user: bool = False
    spec: ModelSpec | None = None
    diameter: float | None = None
    found_size: str = ""
    device: str = "auto"
    accurate: bool = False
    whole_stack: bool = False
    index: Index = ()
    window: tuple[slice, ...] | None = None
    live: bool = True
    parameters: Params | None = None
    results: Results | None = None
    elsewhere: Results | None = None
    edits: int = 0
    running: bool = False
    ended: Literal["", "done", "stopped", "failed"] = ""
    status: Status = field(default_factory=Status)

    @property
    def own_results(self) -> Results | None:
        """The results if they are of the model at hand, so that its parameters are theirs."""
        return self.results if self.results is not None and self.results.model == self.model else None

    @property
    def has_objects(self) -> bool:
        """Whether a slice of the image was segmented."""
        return self.results is not None and bool(self.results.slices)

    def found_since(self, other: State) -> DecodedSlice | None:
        """Return the slice that was taken over last, if that was after the other state."""
        latest = self.results.latest if self.results is not None else None
        return None if other.results is not None and latest is other.results.latest else latest

    def differs(self, other: State, *names: str) -> bool:
        """Return whether any of these fields is another than in the other state."""
        return any(
            getattr(self, name) is not getattr(other, name) and getattr(self, name) != getattr(other, name)
            for name in names
        )

    def offers_other_work(self, other: State) -> bool:
        """Return whether other things can be done than in the other state: run, tune, look, annotate, export."""
        return self.differs(
            other, "source", "reading", "model", "spec", "index", "running", "edits", "has_objects"
        ) or not (self.results is other.results or (self.results is not None and self.results.same_run(other.results)))
