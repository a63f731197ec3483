"""From an image to objects: what Run does, what its advice leads to, which model is suggested, and what is exported."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Result
from napari_instseg.core.garbage import no_collection
from napari_instseg.core.method import Array
from napari_instseg.inference.views import PRICE, can_average
from napari_instseg.methods import get_method
from napari_instseg.segmenting.advice import Advice
from napari_instseg.segmenting.export import Export, Kind, write
from napari_instseg.segmenting.run import FoundInSlice, FoundSize, Models, Order, in_order, segment, show_done
from napari_instseg.segmenting.suggestion import ModelSuggestion
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Index, planes
from napari_instseg.session.state import State
from napari_instseg.session.status import Pace
from napari_instseg.session.torch_import import import_torch
from napari_instseg.zoo import shipped


@dataclass
class _Unfinished:
    """A run, until it is finished: what it does, the slices that are wanted, and those that are found."""

    order: Order
    wanted: list[Index]
    found: set[Index] = field(default_factory=set)
    shown: bool = False
    """Whether what is done of the slice that it was stopped in is shown, or was not to be."""

    @property
    def words(self) -> str:
        """How much is done; empty where nothing is."""
        images, of = len(self.found), len(self.wanted)
        tiles = next((done.count for done in self.order.done.values()), (0, 0))
        words = [f"{images} of {of} images"] if of > 1 and images else []
        words += [f"{tiles[0]} of {tiles[1]} parts{' of the next one' if of > 1 else ''}"] if tiles[0] else []
        return " and ".join(words)


class Segmenting:
    """Runs models on the session's image.

    Parameters
    ----------
    session : Session
    prepare : callable
        Loads what showing objects will need; called in the job's thread at every run.
    """

    advised = Signal(object)
    """An `Advice` on the last result, or None."""
    timed = Signal(float)
    """Seconds that a slice took, or would have taken without averaging over views."""

    def __init__(self, session: Session, prepare: Callable[[], None] = lambda: None) -> None:
        self._session, self._prepare = session, prepare
        self.suggestion = ModelSuggestion(lambda: session.state.models, session.post)
        self._opened = Models()
        self._unfinished: _Unfinished | None = None
        self._run_with: tuple[Any, ...] = ()
        """Of the run of the present results: the run, and what its predictions depend on."""
        self.suggestion.judged.connect(self._take_suggestion)
        session.changed.connect(self._follow)

    def load(self) -> None:
        """Load in a thread what the first run needs, so that it need not wait for it."""
        threading.Thread(target=_load, name="instseg-load").start()

    def run(self) -> None:
        """Segment the slice in view, or the whole stack; after a run that was stopped, what that had not done."""
        session, state = self._session, self._session.state
        source, reading, spec, parameters = state.source, state.reading, state.spec, state.parameters
        if session.obstacle() or source is None or reading is None or spec is None or parameters is None:
            session.fail(session.obstacle())
            return
        indices = in_order(planes(source, reading), state.index, whole=state.whole_stack)
        before = self._unfinished if self.goes_on() else None
        results = Results(source, reading, spec, model=state.model)
        accurate = self._accurate(state)
        run_with = (state.model, state.channel, state.diameter, accurate)
        if state.results is not None:
            same = self._run_with == (state.results.run, *run_with)
            results = results.adopt(state.results, predictions=same or before is not None)
        self._run_with = (results.run, *run_with)
        order = Order(
            results,
            state.model,
            [index for index in indices if before is None or index not in before.found],
            parameters,
            state.channel,
            state.diameter,
            state.device,
            accurate,
            state.diameter is None and spec.knows_sizes,
            self._prepare,
            before.order.done if before is not None else {},
            lambda: session.newest(results),
        )
        now_running = _Unfinished(order, indices, set(before.found) if before is not None else set())
        self._unfinished = now_running
        pace = Pace(len(order.indices))

        def take(event: Any) -> None:
            if isinstance(event, FoundInSlice):
                pace.next_image()
                self.timed.emit(event.seconds / (PRICE if accurate else 1.0))
                now_running.found.add(event.proposal.slice.index)
                session.take(results, event.proposal, event.prediction)
            elif isinstance(event, FoundSize):
                self._run_with = (results.run, state.model, state.channel, event.diameter, accurate)
                sized = replace(now_running.order, diameter=event.diameter, parameters=event.parameters)
                now_running.order = sized
                now = session.state
                if now.source is source and now.model == state.model and now.parameters == parameters:
                    session.take_size(event.diameter, event.words, event.parameters)
            elif isinstance(event, Advice):
                self.advised.emit(event)

        self.advised.emit(None)
        session.update(results=results)
        session.start(
            segment(order, self._opened), f"Segmenting {source.name}", take, pace=pace, source=source, doubt=self._doubt
        )

    @staticmethod
    def _accurate(state: State) -> bool:
        """Return whether a run averages over views: if asked for, and where the model can."""
        return state.accurate and state.spec is not None and can_average(get_method(state.spec.method))

    def goes_on(self) -> str:
        """Say what a run that was stopped has done, if Run goes on from there; empty if it begins anew."""
        run, state = self._unfinished, self._session.state
        if run is None or state.running or state.results is None or not run.order.results.same_run(state.results):
            return ""
        order = run.order
        chosen = (state.model, state.channel, state.diameter, state.parameters, self._accurate(state))
        if chosen != (order.model, order.channel, order.diameter, order.parameters, order.accurate):
            return ""
        assert state.source is not None
        assert state.reading is not None
        wanted = {*in_order(planes(state.source, state.reading), state.index, whole=state.whole_stack)}
        return run.words if order.done.keys() <= wanted and not wanted <= run.found else ""

    def _show_done(self) -> None:
        """After a run was stopped, show the objects of the tiles that are done, where none are shown."""
        run, session = self._unfinished, self._session
        words = self.goes_on()
        if run is None or run.shown or not words:
            return
        run.shown = True
        words = f"Cancelled: {words} are done and kept; Run goes on from there."
        results, known = run.order.results, session.state.results
        index = next((i for i, done in run.order.done.items() if 0 < done.count[0] < done.count[1]), None)
        if index is None or known is None or index in known.slices:
            session.say(words)
            return

        def take(event: Any) -> None:
            if isinstance(event, FoundInSlice):
                session.take(results, event.proposal)

        session.start(
            show_done(run.order, self._opened),
            "Showing what is done",
            take,
            source=results.source,
            doubt=lambda: words,
        )

    def _doubt(self) -> str:
        """Say so where the image looks unlike those that the models know."""
        look, results = self.suggestion.look, self._session.state.results
        kind = look.kind if look is not None else None
        if kind is None or not kind.warning or results is None or results.model not in shipped():
            return ""  # what a model of somebody else's knows is not known here
        return "Look closely: this image may be unlike what the model learnt from."

    def follow(self, advice: Advice) -> None:
        """Run at the object size that an advice offers."""
        self.advised.emit(None)
        if advice.diameter is not None:
            self._session.choose_diameter(advice.diameter)
            self.run()

    def export(self, paths: dict[Kind, Path], labels: Array) -> None:
        """Write results; `labels` is the label image as it is shown."""
        session, state = self._session, self._session.state
        if state.results is None or state.running:
            session.fail("There is nothing to export yet." if state.results is None else session.obstacle())
            return

        def take(event: Any) -> str:
            return f"Written: {', '.join(map(str, event.value))}" if isinstance(event, Result) else ""

        session.start(write(Export(state.results, labels, paths, state.index)), "Exporting", take)

    @property
    def idle(self) -> bool:
        """Whether no image is looked at for a suggestion."""
        return self.suggestion.idle

    def close(self) -> None:
        """End the thread."""
        self.suggestion.close()

    def _follow(self, before: State, now: State) -> None:
        if now.differs(before, "source", "reading"):
            self.suggestion.see(now.source, now.reading)
        if now.differs(before, "source"):
            self.advised.emit(None)
        if before.running and not now.running:
            if self._unfinished is not None and self._unfinished.found.issuperset(self._unfinished.wanted):
                self._unfinished = None
            if now.ended == "stopped":
                self._show_done()

    def _take_suggestion(self) -> None:
        """Take the model that suits the image, or any if there is none, unless the user chose one or ran it."""
        session, state = self._session, self._session.state
        suits = self.suggestion.suggested or ("" if state.model else next(iter(state.models), ""))
        if suits and not state.model_by_user and state.results is None and state.source is not None:
            session.choose_model(suits, by_user=False)


def _load() -> None:
    with suppress(InstsegError), no_collection():  # what is wrong is told when it is needed
        import_torch()
