"""What follows from what the user chooses: what is computed again, and which answers come too late."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_instseg.annotating.commands import Annotating
from napari_instseg.core.device import Device
from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Message, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.io.models import read_spec
from napari_instseg.segmenting.advice import Advice
from napari_instseg.segmenting.export import Export, Kind, write
from napari_instseg.segmenting.run import Found, Models, Order, in_order, segment
from napari_instseg.segmenting.suggestion import ModelSuggestion
from napari_instseg.session.jobs import Ended, Job, Post
from napari_instseg.session.obstacles import OTHER_MODEL, why_not_run, why_not_tune
from napari_instseg.session.results import DecodedSlice, Proposal, Results
from napari_instseg.session.source import Channel, Index, Reading, Source, planes, readings
from napari_instseg.session.state import Workspace
from napari_instseg.session.status import Pace, Tone
from napari_instseg.tuning.decoder import Decoder
from napari_instseg.tuning.fit import fit_to, summary
from napari_instseg.tuning.values import Tuning
from napari_instseg.zoo import find_model, specs


class Controller:
    """Writes the workspace, runs its jobs, and tells what is to be shown.

    All methods and signals belong to one thread, such as the window's; long work is done in others, whose answers
    come back by `post`.

    Parameters
    ----------
    post : callable
        See `Post`.
    presets : Path, optional
        Folder of the presets; the user's configuration folder if None.
    prepare : callable
        Loads what showing objects will need; called in the job's thread at every run.
    """

    found = Signal(Results, DecodedSlice)
    """Objects of a slice, to be shown."""
    advised = Signal(object)
    """An `Advice` on the last result, or None."""
    fitted = Signal(object)
    """The `Fit` that a search for parameters found."""
    failed = Signal(str)
    """A problem in words."""
    ready = Signal()
    """What can be done now is another."""

    def __init__(self, post: Post, presets: Path | None = None, prepare: Callable[[], None] = lambda: None) -> None:
        self.workspace = Workspace()
        self.results: Results | None = None
        self.models: dict[str, Any] = dict(specs())
        self.looking = ModelSuggestion(self.models, post)
        self.looking.judged.connect(self._take_look)
        self._opened = Models()
        self._post, self._prepare = post, prepare
        self._job: Job | None = None
        self._segmented: Source | None = None
        self._lost = self._closed = False
        self._model_by_user = False
        self._run_with: tuple[Any, ...] = ()
        self._decoder = Decoder(self._take_decoded, self.fail, post, lambda: self.results)
        self._running_results: Results | None = None
        """Of the image that is being segmented, also when the user goes on to another one."""
        self.annotating = Annotating(self.workspace, lambda: self.results, self._replace, self.say)
        self.tuning = Tuning(self.workspace, self._decoder, lambda: self.own_results, presets)

    # what the user chooses

    def choose_source(self, source: Source | None) -> None:
        """Work on another image; results of the one before stay where they are shown."""
        before = self.workspace.source
        if source is before:
            return
        self.workspace.source = source
        stated = None if source is None else source.diameter
        if stated is not None or (before is not None and before.diameter == self.workspace.diameter):
            # what was stated of an image goes with it; what a user said stays for the next one
            self.choose_diameter(stated)
        self._decoder.drop()
        self.results = None
        self._read_anew()
        self.advised.emit(None)
        self.ready.emit()

    def lose_source(self, source: Source) -> None:
        """Take note that an image is gone: nothing more is looked for in it."""
        if self.running and source is self._segmented:
            self._lost = True
            self.cancel()

    def readings(self) -> tuple[Reading, ...]:
        """List the ways in which the image can be read by the model."""
        source, spec = self.workspace.source, self.workspace.spec
        if source is None:
            return ()
        try:
            return readings(source, spec.ndim if spec else 2)
        except InstsegError:
            return ()

    def choose_reading(self, reading: Reading | None) -> None:
        """Read the image's axes in another way."""
        if reading != self.workspace.reading:
            self._read(reading)

    def _read(self, reading: Reading | None) -> None:
        self._decoder.drop()
        self.results = None
        source = self.workspace.source
        self.choose_channel(source.channel if source is not None and reading in self.readings()[:1] else None)
        self.workspace.reading = reading
        self.workspace.index = ()
        self.looking.see(source, reading)

    def choose_channel(self, channel: Channel | None) -> None:
        """Look at one channel or stain only, or at all."""
        self.workspace.channel = channel

    def choose_model(self, name: str, *, by_user: bool = True) -> None:
        """Take another model: a shipped one by name, or a folder; parameters become its own.

        Raises
        ------
        ModelError
            If there is no such model or its folder is damaged; the model at hand stays.
        """
        spec = self.models.get(name) or read_spec(find_model(name))
        self._model_by_user = self._model_by_user or by_user
        if name == self.workspace.model:
            return
        self.models[name] = spec
        self._decoder.drop()
        self.workspace.model = name
        self.workspace.spec = spec
        self.tuning.take_model(name, spec)
        if self.workspace.reading not in self.readings():
            self._read_anew()
        if self.own_results is not None:
            self._catch_up()
        elif self.results is not None:
            self.say(OTHER_MODEL)
        self.ready.emit()

    def choose_diameter(self, diameter: float | None) -> None:
        """Say how large objects are in the image, in pixels; None: as the model knows them."""
        self.workspace.diameter = diameter
        self.tuning.take_diameter()

    def choose_device(self, device: str) -> None:
        """Say where the network shall run."""
        self.workspace.device = device

    def choose_whole_stack(self, whole: bool) -> None:
        """Say whether Run goes over all slices."""
        self.workspace.whole_stack = whole

    def choose_live(self, live: bool) -> None:
        """Say whether objects follow the parameters at once."""
        self.workspace.live = live
        if live:
            self.tuning.apply()

    def see(self, index: Index, window: tuple[slice, ...] | None) -> None:
        """Take note of the slice, and the part of it, that is in view."""
        self.workspace.window = window
        if index != self.workspace.index:
            self.workspace.index = index
            self.ready.emit()

    # what runs

    @property
    def own_results(self) -> Results | None:
        """The results if they are of the model at hand, so that its parameters are theirs."""
        results = self.results
        return results if results is not None and results.model == self.workspace.model else None

    def obstacle(self) -> str:
        """Say why Run cannot be done now; empty if it can."""
        return why_not_run(self.workspace, self.running)

    def missing(self) -> str:
        """Say why there is nothing to tune now; empty if there is."""
        return why_not_tune(self.workspace, self.results)

    @property
    def running(self) -> bool:
        """Whether a job has not ended yet."""
        return self._job is not None

    def run(self) -> None:
        """Segment the slice in view, or the whole stack."""
        workspace = self.workspace
        source, reading, spec, parameters = workspace.source, workspace.reading, workspace.spec, workspace.parameters
        if self.obstacle() or source is None or reading is None or spec is None or parameters is None:
            self.fail(self.obstacle())
            return
        indices = in_order(planes(source, reading), workspace.index, whole=workspace.whole_stack)
        self.results = self._renewed(source, reading)
        self._decoder.drop()
        order = Order(
            self.results,
            workspace.model,
            indices,
            parameters,
            workspace.channel,
            workspace.diameter,
            workspace.device,
            self._prepare,
            lambda: self._running_results,
        )
        pace = Pace(len(indices))
        self.advised.emit(None)
        self._start(segment(order, self._opened), f"Segmenting {source.name}", lambda event: self._take(event, pace))
        self._segmented, self._running_results = source, self.results

    def export(self, paths: dict[Kind, Path], labels: Array) -> None:
        """Write results; `labels` is the label image as it is shown."""
        if self.results is None or self.running:
            self.fail("There is nothing to export yet." if self.results is None else self.obstacle())
            return
        order = Export(self.results, labels, paths, self.workspace.index)
        pace = Pace()
        self._start(write(order), "Exporting", lambda event: self._take(event, pace))

    def fit(self, truth: Array) -> None:
        """Search the parameters that agree best with known objects; they become one step that can be undone.

        Parameters
        ----------
        truth : int array, of the results' shape
            0 background, above 0 true objects, -1 unknown.
        """
        results, before = self.own_results, self.workspace.parameters
        if results is None or before is None or self.running:
            self.fail(self.missing() or self.obstacle())
            return

        def take(event: Any) -> None:
            if not isinstance(event, Result):
                self._take(event, pace)
            elif results.same_run(self.results) and type(self.workspace.parameters) is type(before):
                self.tuning.take(event.value.parameters)
                self.say(summary(event.value, before), "good")
                self.fitted.emit(event.value)

        pace = Pace()
        self._start(fit_to(results, truth, before, self.tuning.own), "Fitting to your objects", take)

    def cancel(self) -> None:
        """Ask the job to stop; it ends after the tile or file that it is at."""
        if self._job is not None:
            self._job.stop()
            self.workspace.status = self.workspace.status.asked_to_stop()

    def follow(self, advice: Advice) -> None:
        """Do what an advice offers."""
        self.advised.emit(None)
        if advice.parameters:
            self.tuning.change(**advice.parameters)
            self.tuning.settle()
            self.tuning.apply()
        if advice.diameter is not None:
            self.choose_diameter(advice.diameter)
            self.run()

    def say(self, message: str, tone: Tone = "plain") -> None:
        """Show a message in the status line."""
        self.workspace.status = self.workspace.status.said(message, tone)

    def close(self) -> None:
        """End all threads; answers that are on their way are dropped."""
        self._closed = True
        if self._job is not None:
            self._job.stop()
        self._decoder.close()
        self.looking.close()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits to be shown."""
        return not self.running and self._decoder.idle and self.looking.idle

    # answers

    def _start(self, operation: Any, what: str, take: Callable[[Any], None]) -> None:
        def receive(event: Any) -> None:
            if self._closed or job is not self._job:
                return
            if isinstance(event, Ended):
                self._job = None
                self._take_end(event)
                self.ready.emit()
            else:
                take(event)

        self._segmented, self._lost = None, False
        job: Job | None = None  # the job's first event may come before the assignment below
        self.workspace.status = self.workspace.status.started(what)
        job = self._job = Job(operation, receive, self._post)
        self.ready.emit()

    def _take(self, event: Any, pace: Pace) -> None:
        status = self.workspace.status
        if isinstance(event, Progress):
            fraction, detail = pace.see(event)
            self.workspace.status = status.at(fraction, detail)
        elif isinstance(event, Message):
            self.workspace.status = status.said(event.text, "warning" if event.warning else "plain")
        elif isinstance(event, Device):
            self.workspace.status = status.on(event.name, event.reason)
        elif isinstance(event, Found) and not self._lost:
            pace.next_image()
            self._take_found(event)
        elif isinstance(event, Advice):
            self.advised.emit(event)
        elif isinstance(event, Result):
            self.say(f"Written: {', '.join(str(path) for path in event.value)}", "good")

    def _take_end(self, end: Ended) -> None:
        status = self.workspace.status
        if end.error:
            self.workspace.status = status.ended(end.error, "error")
            self.failed.emit(end.error)
        elif end.stopped:
            why = "Cancelled: its image was removed." if self._lost else "Cancelled; what was done until then is kept."
            self.workspace.status = status.ended(why)
        elif status.tone == "good":
            self.workspace.status = status.ended(status.message, "good")
        else:
            self.workspace.status = status.ended(self.results.words if self.results else "Done.", "good")
            self._catch_up()

    def _catch_up(self) -> None:
        """Decode again what was decoded with other parameters than the present ones."""
        if (
            self.workspace.live
            and self.results
            and any(made.parameters != self.workspace.parameters for made in self.results.slices.values())
        ):
            self.tuning.apply()

    def _take_found(self, found: Found) -> None:
        """Take what the job found, also of an image that is not worked on any more."""
        results = self._running_results
        if results is None:
            return
        if found.prediction is not None:
            results = results.with_prediction(found.proposal.slice.index, found.prediction)
        self._take_proposal(results, found.proposal)

    def _take_decoded(self, asked_of: Results, proposal: Proposal) -> None:
        results = self.results
        if self._closed or results is None or not results.same_run(asked_of):
            return
        results = self._take_proposal(results, proposal)
        if proposal.slice.window is None and not self.running:
            self.say(results.words, "good")

    def _take_proposal(self, results: Results, proposal: Proposal) -> Results:
        results = results.accept(proposal)
        plane = results.latest
        assert plane is not None
        results = self.annotating.take(results, plane)
        self._replace(results)
        self.found.emit(results, plane)
        return results

    def _replace(self, results: Results) -> None:
        """Go on to the next snapshot; the only place where results change."""
        if results.same_run(self.results):
            self.results = results
        if results.same_run(self._running_results):
            self._running_results = results

    def fail(self, words: str) -> None:
        """Tell of a problem."""
        if not self._closed:
            self.say(words, "error")
            self.failed.emit(words)

    def guarded(self, call: Callable[..., None]) -> Callable[..., None]:
        """Turn an error of a call into a message."""

        def tell(*values: Any) -> None:
            try:
                call(*values)
            except InstsegError as error:
                self.fail(str(error))

        return tell

    # helpers

    def _renewed(self, source: Source, reading: Reading) -> Results:
        """Give new results that keep the ids, and where nothing else changed the predictions, of those at hand."""
        workspace = self.workspace
        assert workspace.spec is not None
        results = Results(source, reading, workspace.spec, model=workspace.model)
        run_with = (workspace.model, workspace.channel, workspace.diameter)
        if self.results is not None:
            results = results.adopt(self.results, predictions=run_with == self._run_with)
        self._run_with = run_with
        return results

    def _read_anew(self) -> None:
        options = self.readings()
        self._read(options[0] if options else None)

    def _take_look(self) -> None:
        """Take the model that suits the image, or any if there is none, unless the user chose one or ran it."""
        suits = self.looking.suggested or ("" if self.workspace.model else next(iter(self.models), ""))
        if suits and not self._model_by_user and self.results is None and self.workspace.source is not None:
            self.choose_model(suits, by_user=False)
        self.ready.emit()
