"""The decode parameters: changed, undone, reset, fitted, kept as presets; objects follow them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Result
from napari_instseg.core.method import Array
from napari_instseg.core.params import Params
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.session.results import Proposal, Results
from napari_instseg.session.session import Session
from napari_instseg.session.state import State
from napari_instseg.tuning.decoder import Decoder, Request
from napari_instseg.tuning.fit import fit_to, summary
from napari_instseg.tuning.presets import Presets
from napari_instseg.tuning.value_history import ValueHistory


class Tuning:
    """The parameters of the model at hand, and the decoder that follows them.

    Parameters
    ----------
    session : Session
    presets : Path, optional
        Folder of the presets; the user's configuration folder if None.
    """

    changed = Signal()
    """What can be undone, redone or chosen as a preset is another."""
    fitted = Signal(object, str)
    """The `Fit` that a search for parameters found, and a sentence on it."""

    def __init__(self, session: Session, presets: Path | None = None) -> None:
        self._session, self._folder = session, presets
        self._decoder = Decoder(self._take_decoded, session.fail, session.post, lambda: session.state.results)
        self._history: ValueHistory[Params] | None = None
        self._own: Params | None = None
        self._fitted: Params | None = None
        """What a fit found: its score is the message then, not the number of objects."""
        self._presets: Presets | None = None
        self._preset_names: tuple[str, ...] | None = None
        session.changed.connect(self._follow)

    def _follow(self, before: State, now: State) -> None:
        kept = now.results is not None and now.results.same_run(before.results)
        other_model = now.differs(before, "model")
        if other_model or not kept:
            self._decoder.drop()
        if other_model:
            self._take_model(now)
        elif now.differs(before, "diameter"):
            self._take_diameter(now)
        switched_on = now.live and not before.live
        if switched_on or (now.live and not other_model and now.differs(before, "parameters")):
            self.apply()
        elif now.live and (other_model or (before.running and not now.running and now.ended == "done")):
            self._catch_up()
        if now.differs(before, "parameters"):
            self.changed.emit()

    def _catch_up(self) -> None:
        """Decode again what was decoded with other parameters than the present ones."""
        state = self._session.state
        slices = state.own_results.slices.values() if state.own_results is not None else ()
        if any(each.parameters != state.parameters for each in slices):
            self.apply()

    def _take_model(self, now: State) -> None:
        """Start from a model's own parameters."""
        self._own = now.parameters
        self._history = ValueHistory(now.parameters) if now.parameters is not None else None
        self._presets, self._preset_names = Presets(now.model, self._folder), None
        self.changed.emit()

    def _take_diameter(self, state: State) -> None:
        """Let sizes and distances follow the object diameter, but for those that the user changed."""
        before, now = self._own, state.parameters
        if state.spec is None or before is None or now is None:
            return
        self._own = own_parameters(state.spec, state.diameter)
        grown = {
            name: value
            for name, value in self._own.model_dump().items()
            if value != getattr(before, name) and getattr(now, name) == getattr(before, name)
        }
        if grown:
            self.take(now.changed(**grown))

    @property
    def own(self) -> Params | None:
        """The model's own parameters."""
        return self._own

    @property
    def can_undo(self) -> bool:
        """Whether there are earlier values."""
        return self._history is not None and self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a change was undone."""
        return self._history is not None and self._history.can_redo

    @property
    def can_reset(self) -> bool:
        """Whether the values differ from the model's own."""
        return self._session.state.parameters != self._own

    def change(self, **values: Any) -> None:
        """Change values; objects follow if the session is live. `settle` makes it a step that can be undone.

        Raises
        ------
        ParameterError
            If a name is unknown or a value out of range.
        """
        if self._session.state.parameters is not None:
            self._set(self._session.state.parameters.changed(**values))

    def settle(self) -> None:
        """Remember the present values as a step, as when a slider is let go."""
        if self._history is not None and self._session.state.parameters is not None:
            self._history.settle(self._session.state.parameters)
            self.changed.emit()

    def undo(self) -> None:
        """Return to the values before the last step."""
        if self._history is not None:
            self.settle()
            self._set(self._history.undo())
            self.changed.emit()

    def redo(self) -> None:
        """Return to the values that were undone last."""
        if self._history is not None:
            self._set(self._history.redo())
            self.changed.emit()

    def reset(self) -> None:
        """Return to the model's own values; this can be undone."""
        if self._own is not None:
            self._set(self._own)
            self.settle()

    def take(self, parameters: Params) -> None:
        """Take over other values, as found by a search; this is one step that can be undone."""
        self.settle()
        self._set(parameters)
        self.settle()

    def preset_names(self) -> tuple[str, ...]:
        """Return the names of the model's presets."""
        if self._preset_names is None:  # read once, not at every move of a slider
            self._preset_names = tuple(sorted(self._presets.read())) if self._presets is not None else ()
        return self._preset_names

    def load_preset(self, name: str) -> None:
        """Take over the values of a preset; this can be undone.

        Raises
        ------
        InstsegError
            If there is no such preset, or it does not fit the method any more.
        """
        values = self._presets.read().get(name) if self._presets is not None else None
        if values is None or self._own is None:
            raise InstsegError(f"There is no preset '{name}' any more.")
        self._set(self._own.changed(**values))
        self.settle()

    def save_preset(self, name: str) -> None:
        """Keep the present values under a name."""
        if self._presets is not None and self._session.state.parameters is not None:
            self._presets.save(name, self._session.state.parameters)
            self._preset_names = None
            self.changed.emit()

    def delete_preset(self, name: str) -> None:
        """Forget a preset."""
        if self._presets is not None:
            self._presets.delete(name)
            self._preset_names = None
            self.changed.emit()

    def apply(self) -> None:
        """Decode what is there with the present parameters, the slice in view first."""
        state = self._session.state
        results, parameters, index = state.own_results, state.parameters, state.index
        if results is None or parameters is None:
            return
        others = [key for key in results.predictions if key != index]
        first = [index] if index in results.predictions else []
        self._decoder.ask(Request(results, parameters, [*first, *others], state.window, time.perf_counter()))

    def fit(self, truth: Array) -> None:
        """Search the parameters that agree best with known objects; they become one step that can be undone.

        Parameters
        ----------
        truth : int array, of the results' shape
            0 background, above 0 true objects, -1 unknown.
        """
        session = self._session
        results, before = session.state.own_results, session.state.parameters
        if results is None or before is None or session.state.running:
            session.fail(session.missing() or session.obstacle())
            return

        def take(event: Any) -> str:
            now = session.state
            if not isinstance(event, Result) or not results.same_run(now.results):
                return ""
            if type(now.parameters) is not type(before):
                return ""
            self.take(event.value.parameters)
            self._fitted = event.value.parameters
            words = summary(event.value, before)
            self.fitted.emit(event.value, words)
            return words

        session.start(fit_to(results, truth, before, self._own), "Fitting to your objects", take)

    @property
    def idle(self) -> bool:
        """Whether nothing is decoded, and nothing that was waits to be shown."""
        return self._decoder.idle

    def close(self) -> None:
        """End the decoder's thread."""
        self._decoder.close()

    def _take_decoded(self, run: Results, proposal: Proposal) -> None:
        session = self._session
        if not run.same_run(session.state.results):
            return
        results = session.take(run, proposal)
        whole = results is not None and proposal.slice.window is None
        if results is not None and whole and not session.state.running and session.state.parameters != self._fitted:
            session.say(results.words)

    def _set(self, parameters: Params) -> None:
        if parameters != self._session.state.parameters:
            self._fitted = None
            self._session.update(parameters=parameters)
