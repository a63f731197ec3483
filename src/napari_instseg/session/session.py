"""The session: the one place where the state changes, and the one job that runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from psygnal import Signal

from napari_instseg.core.device import Device
from napari_instseg.core.errors import InputError, InstsegError
from napari_instseg.core.events import Message, Progress
from napari_instseg.core.params import Params
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.io.models import ModelSpec, read_spec
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.jobs import BackgroundJob, Ended, Post
from napari_instseg.session.obstacles import OTHER_MODEL, why_not_run, why_not_tune
from napari_instseg.session.results import Proposal, Results
from napari_instseg.session.source import Channel, Index, Reading, Source, planes, readings
from napari_instseg.session.state import State
from napari_instseg.session.status import Pace, Tone
from napari_instseg.zoo import find_model, specs

KEPT = 6
"""So many images keep what was found in them while others are worked on: predictions are large."""


class Session:
    """Holds the newest state, replaces it, and tells whoever listens what it was and is.

    All of it belongs to one thread, such as the window's. Long work is done in others: it reads snapshots, and what it
    finds comes back by `post`.

    Parameters
    ----------
    post : callable
        See `Post`.
    """

    changed = Signal(State, State)
    """The state before and now. Whoever changes the state while this is told changes it at once; that is told next,
    so that all hear of the same states in the same order."""
    failed = Signal(str)
    """A problem in words."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.state = State(models=dict(specs()))
        self._told = self.state
        self._telling = self._closed = False
        self._job: BackgroundJob | None = None
        self._job_source: Source | None = None
        self._left: dict[Source, State] = {}
        """The last state of images that were left, the newest last."""
        self._lost = False

    def update(self, **values: Any) -> None:
        """Go on to the next state, with these fields; nothing else changes the state."""
        self.state = replace(self.state, **values)
        if self._telling:
            return
        self._telling = True
        try:
            while self._told is not self.state:
                before, self._told = self._told, self.state
                self.changed.emit(before, self._told)
        finally:
            self._telling, self._told = False, self.state

    # what the user chooses

    def choose_source(self, source: Source | None) -> None:
        """Work on another image; the object size and the results of the one before are there when it comes back."""
        state = self.state
        if source is state.source:
            return
        left = self._leave(state, source)
        # an object size is of one image: of another it may be far off
        stated = None if source is None else source.diameter
        values = {"diameter": stated, "found_size": "", **self._read_as(source, state.spec)}
        if state.found_size and state.diameter and state.parameters is not None and state.spec is not None:
            # the parameters followed the size that was found: back to what the model presumes
            factor = state.spec.presumed_diameter / state.diameter
            values["parameters"] = state.parameters.at_size(factor, state.spec.ndim)
        if left is not None and (left.results is not None or not left.found_size):
            values |= {"diameter": left.diameter, "found_size": left.found_size}
        if left is not None and left.results is not None:
            values |= {"reading": left.reading, "channel": left.channel, "results": left.results}
            if left.results.same_run(values["elsewhere"]):
                values["elsewhere"] = None
        if not state.running and state.status.tone != "error":  # what was said is of the image before
            found = left.results if left is not None else None
            values["status"] = state.status.said(found.words if found is not None and found.slices else "Ready.")
        self.update(source=source, **values)
        if left is None or left.results is None:
            return
        if left.model != self.state.model and left.model in self.state.models:
            self.choose_model(left.model, by_user=False)
        if left.parameters is not None and left.model == self.state.model:
            self.update(parameters=left.parameters)

    def _leave(self, state: State, source: Source | None) -> State | None:
        """Keep the state of the image that is left; return that of another as it was left."""
        if state.source is not None:
            self._left[state.source] = state
        left = self._left.pop(source, None) if source is not None else None
        for oldest in list(self._left)[:-KEPT]:
            del self._left[oldest]
        return left

    def move_source(self, source: Source) -> None:
        """Take note that an image has another place or name."""
        if source is self.state.source:
            self.update(moves=self.state.moves + 1)

    def lose_source(self, source: Source) -> None:
        """Take note that an image is gone: nothing more is looked for in it."""
        self._left.pop(source, None)
        if self.state.running and source is self._job_source:
            self._lost = True
            self.cancel()

    def readings(self) -> tuple[Reading, ...]:
        """List the ways in which the image can be read by the model."""
        return _options(self.state.source, self.state.spec)

    def choose_reading(self, reading: Reading | None) -> None:
        """Read the image's axes in another way."""
        if reading != self.state.reading:
            values = self._read_as(self.state.source, self.state.spec)
            if reading != values["reading"]:  # what channel is suggested is said of the likeliest reading
                values |= {"reading": reading, "channel": None}
            self.update(**values)

    def choose_channel(self, channel: Channel | None) -> None:
        """Look at one channel or stain only, or at all."""
        self.update(channel=channel)

    def offer_models(self, models: Mapping[str, ModelSpec]) -> None:
        """Offer these models, by name."""
        self.update(models=dict(models))

    def choose_model(self, name: str, *, by_user: bool = True) -> None:
        """Take another model: a shipped one by name, or a folder; parameters become its own.

        Raises
        ------
        ModelError
            If there is no such model or its folder is damaged; the model at hand stays.
        """
        state = self.state
        spec = state.models.get(name) or read_spec(find_model(name))
        by_user = state.model_by_user or by_user
        if name == state.model:
            self.update(model_by_user=by_user)
            return
        values: dict[str, Any] = {"model": name, "spec": spec, "model_by_user": by_user}
        values["models"] = {**state.models, name: spec}
        values["parameters"] = own_parameters(spec, state.diameter)
        if state.reading not in _options(state.source, spec):
            values |= self._read_as(state.source, spec)
        elif state.results is not None and state.results.model != name:
            values["status"] = state.status.said(OTHER_MODEL)
        self.update(**values)

    def choose_diameter(self, diameter: float | None) -> None:
        """Say how large objects are in the image, in pixels; None: as the model knows them."""
        self.update(diameter=diameter, found_size="")

    def take_size(self, diameter: float, words: str, parameters: Params) -> None:
        """Take over how large objects were found to be, in pixels, with decode parameters for that size."""
        self.update(diameter=diameter, found_size=words, parameters=parameters)

    def choose_device(self, device: str) -> None:
        """Say where the network shall run."""
        self.update(device=device)

    def choose_accurate(self, accurate: bool) -> None:
        """Say whether a run averages over views of the image."""
        self.update(accurate=accurate)

    def choose_whole_stack(self, whole: bool) -> None:
        """Say whether Run goes over all slices."""
        self.update(whole_stack=whole)

    def choose_live(self, live: bool) -> None:
        """Say whether objects follow the parameters at once."""
        self.update(live=live)

    def see(self, index: Index, window: tuple[slice, ...] | None) -> None:
        """Take note of the slice, and the part of it, that is in view."""
        if (index, window) != (self.state.index, self.state.window):
            self.update(index=index, window=window)

    def _read_as(self, source: Source | None, spec: ModelSpec | None) -> dict[str, Any]:
        """Return the fields of the state with which an image is read in the likeliest way."""
        state, options = self.state, _options(source, spec)
        return {
            "reading": next(iter(options), None),
            "channel": source.channel if source is not None and options else None,
            "index": (),
            "results": None,
            "elsewhere": state.elsewhere or (state.results if self._job_source is not None else None),
        }

    # what was found

    def newest(self, results: Results) -> Results | None:
        """Return the newest snapshot of a run; None if nobody works on it any more. Any thread may ask."""
        state = self.state
        return next((each for each in (state.results, state.elsewhere) if results.same_run(each)), None)

    def take(self, run: Results, proposal: Proposal, prediction: Prediction | None = None) -> Results | None:
        """Take over new objects of a slice, but where the user said something.

        Parameters
        ----------
        run : Results
            A snapshot of the run that they are of.
        proposal : Proposal
        prediction : Prediction, optional
            What the network said of the slice, to be kept.

        Returns
        -------
        Results or None
            The newest snapshot; None where nobody works on that run any more.
        """
        results = self.newest(run)
        if results is None or self._closed:
            return None
        if prediction is not None:
            results = results.with_prediction(proposal.slice.index, prediction)
        results = results.accept(proposal)
        plane = results.latest
        assert plane is not None
        key = (results.shape, results.ndim)
        if key not in results.source.annotations:
            results.source.annotations[key] = Annotation(np.zeros(results.shape, np.int32), results.ndim)
        annotation = self.annotation_of(results)
        labels = annotation.take_decoded(plane.labels, plane.index, plane.window)
        results = results.reserving(annotation.highest)
        if plane.window is None and annotation.says_something and not np.array_equal(labels, plane.labels):
            results = results.amend(plane.index, annotation.labels[plane.index], annotation.accepted)
        self._replace(results)
        return results

    def _replace(self, results: Results, **values: Any) -> None:
        which = "results" if results.same_run(self.state.results) else "elsewhere"
        if which == "elsewhere" and results.source in self._left:
            self._left[results.source] = replace(self._left[results.source], results=results)
        self.update(**{which: results}, **values)

    # what is known of the image

    @property
    def annotation(self) -> Annotation | None:
        """What the user said of the present image; None before there are objects."""
        results = self.state.results
        return self.annotation_of(results) if results is not None and results.slices else None

    def annotation_of(self, results: Results) -> Annotation:
        """Return what the user said of the image of these results, of which objects were taken or restored."""
        return results.source.annotations[results.shape, results.ndim]

    def restore(self, annotation: Annotation, *, renew: bool = False) -> None:
        """Go on with an annotation of the present image that was saved.

        Parameters
        ----------
        annotation : Annotation
        renew : bool
            Whether what nobody corrected is of another model, and yields to what was found now.

        Raises
        ------
        InputError
            If it is of an image of another shape.
        """
        results = self.state.results
        if results is None:
            return
        if annotation.labels.shape != results.shape or annotation.ndim != results.ndim:
            raise InputError(
                f"The saved corrections are of a {annotation.ndim}-d image of shape {annotation.labels.shape}; this "
                f"one is {results.ndim}-d, of shape {results.shape}. Open the image that they were made on, read as "
                "then."
            )
        if renew:
            nothing = np.zeros(results.shape[len(results.shape) - results.ndim :], np.int32)
            for index in planes(results.source, results.reading):
                found = results.slices.get(index)
                annotation.take_decoded(nothing if found is None else found.labels, index)
        results.source.annotations[results.shape, results.ndim] = annotation
        self.take_edit(annotation, *results.slices)

    def take_edit(self, annotation: Annotation, *indices: Index) -> None:
        """Bring the results up to date with what the user changed in some slices."""
        results = self.state.results
        if results is None or self.annotation_of(results) is not annotation:
            self.update(edits=self.state.edits + 1)
            return
        results = results.reserving(annotation.highest)
        for index in indices:
            if index in results.slices:
                results = results.amend(index, annotation.labels[index], annotation.accepted)
        self._replace(results, edits=self.state.edits + 1)

    # what runs

    def obstacle(self) -> str:
        """Say why Run cannot be done now; empty if it can."""
        return why_not_run(self.state)

    def missing(self) -> str:
        """Say why there is nothing to tune now; empty if there is."""
        return why_not_tune(self.state)

    @property
    def idle(self) -> bool:
        """Whether no job runs."""
        return not self.state.running

    def start(
        self,
        operation: Generator[Any, None, None],
        what: str,
        take: Callable[[Any], str | None],
        *,
        pace: Pace | None = None,
        source: Source | None = None,
        doubt: Callable[[], str] = str,
    ) -> None:
        """Run a job.

        Parameters
        ----------
        operation : generator of events
        what : str
            In the status line.
        take : callable
            Gets the events that are not about progress; what it returns is said at the end.
        pace : Pace, optional
            Of a job on several images.
        source : Source, optional
            The image without which it has no purpose.
        doubt : callable
            Gives what is to be said of the outcome where it may be wrong; empty where nothing is.
        """
        pace = pace or Pace()
        outcome = ""

        def receive(event: Any) -> None:
            nonlocal outcome
            if self._closed or job is not self._job:
                return
            if isinstance(event, Ended):
                self._end(event, outcome, doubt())
            elif isinstance(event, Progress):
                self.update(status=self.state.status.at(*pace.see(event)))
            elif isinstance(event, Message):
                self.say(event.text, "warning" if event.warning else "plain")
            elif isinstance(event, Device):
                self.update(status=self.state.status.on(event.name, event.reason))
            elif not self._lost:
                outcome = take(event) or outcome

        self._job_source, self._lost = source, False
        job: BackgroundJob | None = None  # the job's first event may come before the assignment below
        self.update(running=True, status=self.state.status.started(what))
        job = self._job = BackgroundJob(operation, receive, self.post)

    def _end(self, end: Ended, outcome: str, doubt: str) -> None:
        status, results = self.state.status, self.state.results
        ended: Literal["done", "stopped", "failed"] = "done"
        if end.error:
            ended, status = "failed", status.ended(end.error, "error")
        elif end.stopped or self._lost:
            why = "Cancelled: its image was removed." if self._lost else "Cancelled; what was done until then is kept."
            ended, status = "stopped", status.ended(why)
        else:
            words = f"{outcome or (results.words if results else 'Done.')} {doubt}".strip()
            status = status.ended(words, "warning" if doubt else "good")
        self._job = self._job_source = None
        self.update(running=False, ended=ended, elsewhere=None, status=status)
        if end.error:
            self.failed.emit(end.error)

    def cancel(self) -> None:
        """Ask the job to stop; it ends after the tile or file that it is at."""
        if self._job is not None:
            self._job.stop()
            self.update(status=self.state.status.asked_to_stop())

    def close(self) -> None:
        """End the job; what is on its way is dropped."""
        self._closed = True
        if self._job is not None:
            self._job.stop()

    # what is told

    def say(self, message: str, tone: Tone = "plain") -> None:
        """Show a message in the status line."""
        self.update(status=self.state.status.said(message, tone))

    def fail(self, words: str) -> None:
        """Tell of a problem."""
        if not self._closed:
            self.say(words, "error")
            self.failed.emit(words)

    def guarded(self, call: Callable[..., object]) -> Callable[..., None]:
        """Turn an error of a call into a message."""

        def tell(*values: Any) -> None:
            try:
                call(*values)
            except InstsegError as error:
                self.fail(str(error))

        return tell


def _options(source: Source | None, spec: ModelSpec | None) -> tuple[Reading, ...]:
    """List the ways in which an image can be read by a model."""
    if source is None:
        return ()
    try:
        return readings(source, spec.ndim if spec else 2)
    except InstsegError:
        return ()
