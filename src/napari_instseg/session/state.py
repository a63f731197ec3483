"""The state of the workspace: what the user chose. It tells whoever listens when a part of it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from psygnal import SignalGroupDescriptor

from napari_instseg.core.params import Params
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.source import Channel, Index, Reading, Source
from napari_instseg.session.status import Status


@dataclass
class Workspace:
    """What the user is working on; ``workspace.events.<field>`` is emitted when that field changes.

    Only the controller writes it.

    Parameters
    ----------
    source : Source, optional
        The image.
    reading : Reading, optional
        How its axes are read.
    channel : int or str, optional
        The only channel or stain to look at; None for all.
    model : str
        Name of a shipped model, or a folder; empty when there is none.
    spec : ModelSpec, optional
        What the model says of itself.
    diameter : float, optional
        Typical object diameter in the image, in pixels; None: that which the model presumes.
    device : {"auto", "cuda", "mps", "cpu"}
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
    status : Status
        What runs, how far, the last message.
    """

    source: Source | None = None
    reading: Reading | None = None
    channel: Channel | None = None
    model: str = ""
    spec: ModelSpec | None = None
    diameter: float | None = None
    device: str = "auto"
    whole_stack: bool = False
    index: Index = ()
    window: tuple[slice, ...] | None = None
    live: bool = True
    parameters: Params | None = None
    status: Status = field(default_factory=Status)

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
