"""The long work of the session, as generators of events: segmenting an image or a stack."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.device import Device, choose_device
from napari_instseg.core.events import Event, Message, Result
from napari_instseg.core.garbage import no_collection
from napari_instseg.core.params import Params
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.segmenting.advice import Advice, advise_size, explain_empty
from napari_instseg.session.results import Proposal, Results
from napari_instseg.session.source import Channel, Index, take_plane
from napari_instseg.session.torch_import import import_torch

if TYPE_CHECKING:
    from napari_instseg.inference.model import Done, Model

LIVE_PIXELS = 16 * 2**20
"""Larger images are segmented block by block, and run again when a parameter changes."""


@dataclass(frozen=True)
class FoundInSlice:
    """The objects of one slice, and what the network said of it where that is kept."""

    proposal: Proposal
    prediction: Prediction | None
    seconds: float = 0.0
    """That network and decoding took."""


@dataclass(frozen=True)
class FoundSize:
    """How large objects are: the diameter in pixels, words on it, and the decode parameters for that size."""

    diameter: float
    words: str
    parameters: Params


@dataclass(frozen=True)
class Order:
    """What to segment, and how.

    Parameters
    ----------
    results : Results
        The snapshot that the run begins with.
    model : str
        Name of a shipped model, or a folder.
    indices : sequence of tuple of int
        The slices, in order.
    parameters : Params
        To decode with.
    channel, diameter, device, accurate
        See `State`.
    find_size : bool
        Whether the size of objects is to be found first.
    prepare : callable
        Loads what else will be needed, such as to show the objects; called when PyTorch is there.
    done : mapping
        What is done already of slices that a run before was stopped in; what this one does is added, and slices that
        are finished go.
    current : callable, optional
        Gives the newest snapshot of the run; called in the job's thread.
    """

    results: Results
    model: str
    indices: Sequence[Index]
    parameters: Params
    channel: Channel | None = None
    diameter: float | None = None
    device: str = "auto"
    accurate: bool = False
    find_size: bool = False
    prepare: Callable[[], None] = lambda: None
    done: dict[Index, Done] = field(default_factory=dict)
    current: Callable[[], Results | None] = lambda: None

    def newest(self) -> Results:
        """Return the newest snapshot of this run."""
        now = self.current()
        return now if now is not None and now.same_run(self.results) else self.results


class Models:
    """Opened models by name, so that a second run need not read the weights again."""

    def __init__(self) -> None:
        self._opened: dict[str, Model] = {}

    def open(self, name: str) -> Model:
        """Return the model, opening it at the first call; only the last one opened is kept."""
        if name not in self._opened:
            from napari_instseg.inference.model import load_model

            self._opened = {name: load_model(name)}
        return self._opened[name]


def in_order(every: Iterable[Index], in_view: Index, *, whole: bool) -> list[Index]:
    """Return the slices to go through: the one in view first, then the others if all are wanted."""
    found = list(every)
    if in_view not in found:
        return found
    return [in_view, *(index for index in found if whole and index != in_view)]


def segment(order: Order, models: Models) -> Generator[Event | FoundInSlice | FoundSize | Device | Advice, None, None]:
    """Predict and decode slice after slice.

    Yields
    ------
    Message, Device
        What is prepared, and where the network runs.
    FoundSize
        Before the first slice, if asked for and found.
    Progress
        Tiles of the slice.
    Found
        At the end of each slice.
    Advice
        At the end, where the first slice has no objects, or objects of another size than the model knows.
    """
    yield Message(f"Opening the model {order.results.spec.name}.")
    with no_collection():
        import_torch()
        model = models.open(order.model)
        order.prepare()
    device = choose_device(order.device)
    yield device
    if order.find_size and order.indices:
        yield Message("Finding how large the objects are.")
        found = _find_size(order, model, device.name)
        if found is not None:
            yield found
            order = replace(order, diameter=found.diameter, parameters=found.parameters)
    top, first = 0, None
    for index in order.indices:
        image, axes = take_plane(order.results.source, order.results.reading, index, order.channel)
        began = time.perf_counter()
        for event in _segment_plane(order, model, device.name, index, image, axes):
            if not isinstance(event, Result):
                yield event
                continue
            segmentation, prediction = event.value
            order.done.pop(index, None)
            _ = segmentation.table  # measured here, and pandas imported, rather than in the window's thread
            proposal = order.newest().propose(index, segmentation, order.parameters, above=top)
            top, first = proposal.top, first or (segmentation, prediction)
            yield FoundInSlice(proposal, prediction, time.perf_counter() - began)
    if first is not None:
        yield from _advise(order, *first)


def show_done(order: Order, models: Models) -> Generator[Event | FoundInSlice, None, None]:
    """Find the objects in what a run that was stopped had done of a slice.

    Yields
    ------
    Found
        The objects of its tiles or blocks, without a prediction, since that is not whole.
    """
    yield Message("Finding the objects of what is done.")
    model, device = models.open(order.model), choose_device(order.device)
    for index, done in order.done.items():
        if not done.count[0]:
            continue
        image, axes = take_plane(order.results.source, order.results.reading, index, order.channel)
        where: dict[str, Any] = {"axes": axes, "diameter": order.diameter, "device": device.name}
        segmentation = model.segment_done(image, done, **where, **order.parameters.model_dump())
        _ = segmentation.table
        yield FoundInSlice(order.newest().propose(index, segmentation, order.parameters), None)


def _find_size(order: Order, model: Model, device: str) -> FoundSize | None:
    """Find the size of objects in the first slice; None where there are none."""
    source = order.results.source
    image, axes = take_plane(source, order.results.reading, order.indices[0], order.channel)
    size = model.find_size(image, axes=axes, device=device)
    if not size.found:
        return None
    diameter = round(size.diameter, 1)
    parameters = order.parameters.at_size(diameter / model.spec.presumed_diameter, model.spec.ndim)
    return FoundSize(diameter, size.words(source.pixel_size), parameters)


def _segment_plane(
    order: Order, model: Model, device: str, index: Index, image: Any, axes: str
) -> Generator[Event, None, None]:
    """Yield what happens, and at last as `Result` the segmentation, and the prediction or None."""
    from napari_instseg.inference.model import Done

    done = order.done.setdefault(index, Done())
    where: dict[str, Any] = {
        "axes": axes,
        "diameter": order.diameter,
        "device": device,
        "accurate": order.accurate,
        "done": done,
    }
    pixels = int(np.prod([size for size, letter in zip(image.shape, axes, strict=True) if letter != "C"]))
    parameters = order.parameters
    # what a network says of a very large image fits into no memory: objects only, block by block
    whole = pixels <= LIVE_PIXELS
    operation = (
        model.predict_events(image, **where)
        if whole
        else model.segment_events(image, **where, **parameters.model_dump())
    )
    for event in operation:
        if not isinstance(event, Result):
            yield event
        elif isinstance(event.value, Prediction):
            yield Result((event.value.pipeline.run(parameters), event.value))
        else:
            yield Result((event.value, None))


def _advise(order: Order, segmentation: Segmentation, prediction: Prediction | None) -> Generator[Advice, None, None]:
    if segmentation.n_objects == 0 and prediction is not None:
        yield explain_empty(prediction, order.parameters)
        return
    advice = advise_size(segmentation, order.results.spec.presumed_diameter, order.diameter)
    if advice is not None:
        yield advice
