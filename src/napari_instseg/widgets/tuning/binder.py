"""Wires the Tune section to the session: values, undo, presets, strips, fitting to true objects."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.params import Params
from napari_instseg.session.obstacles import NOT_RUN, OTHER_MODEL
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.state import State
from napari_instseg.tuning.strips import Sensitivity, Strip, StripRequest
from napari_instseg.tuning.values import Tuning
from napari_instseg.widgets.tuning.section import TuneSection

if TYPE_CHECKING:
    from napari_instseg.inference.fit import Known
    from napari_instseg.inference.prediction import Prediction

ASK_MS = 300
"""Strips are computed when there was no reason to do so for this long: not between two moves of a slider."""


class TuningBinder(QObject):
    """Between the Tune section and the state.

    Parameters
    ----------
    section : TuneSection
    session : Session
    tuning : Tuning
    """

    def __init__(self, section: TuneSection, session: Session, tuning: Tuning) -> None:
        super().__init__(section)
        self._section, self._session, self._tuning = section, session, tuning
        self._known: Known | None = None
        self._own: Params | None = None
        self.sensitivity = Sensitivity(
            self._show_strip, session.fail, session.post, lambda: not (session.idle and tuning.idle)
        )
        self._later = QTimer(self, singleShot=True, interval=ASK_MS)
        self._later.timeout.connect(self._ask)
        section.truth.offer_corrections(lambda: session.annotation)
        self._connect_choices()
        tuning.changed.connect(self._show_tuning)
        tuning.fitted.connect(lambda _, words: section.say_fit(words, "good"))
        session.changed.connect(self._redraw)

    def release(self) -> None:
        """End the thread, and listen to the viewer no more."""
        self._later.stop()
        self.sensitivity.close()
        self._section.truth.release()

    @property
    def idle(self) -> bool:
        """Whether no strip is computed or about to be."""
        return not self._later.isActive() and self.sensitivity.idle

    def _connect_choices(self) -> None:
        section, session, tuning = self._section, self._session, self._tuning
        section.changed.connect(session.guarded(lambda name, value: tuning.change(**{name: value})))
        section.settled.connect(tuning.settle)
        section.live_chosen.connect(session.choose_live)
        section.applied.connect(tuning.apply)
        section.undone.connect(tuning.undo)
        section.redone.connect(tuning.redo)
        section.reset.connect(tuning.reset)
        section.preset_chosen.connect(session.guarded(tuning.load_preset))
        section.preset_saved.connect(session.guarded(tuning.save_preset))
        section.preset_deleted.connect(session.guarded(tuning.delete_preset))
        section.fit_asked.connect(self._fit)
        section.seen.connect(self._soon)
        section.truth.changed.connect(self._take_truth)

    # the session changed

    def _redraw(self, before: State, now: State) -> None:
        section, results, made = self._section, now.results, now.found_since(before)
        if now.differs(before, "source", "spec"):
            section.clear_outcome()
        if now.differs(before, "source", "moves"):
            section.show_pixel_size(now.source.pixel_size if now.source is not None else None)
        if now.differs(before, "parameters"):
            self._show_parameters()
        if results is not None and results.slices and made is not None and made.window is None:
            section.show_outcome(results.n_objects, time.perf_counter() - made.asked if made.asked else None)
        elif results is not None and results.slices and now.edits != before.edits:
            section.show_outcome(results.n_objects, None)
        if now.edits != before.edits:
            section.truth.corrected()
        has_run = made is not None and made.window is None and not made.asked
        if has_run or now.differs(before, "index"):
            self._take_truth()
        if now.differs(before, "window"):
            self._soon()
        if now.offers_other_work(before):
            self._show_ready()

    def _show_parameters(self) -> None:
        parameters = self._session.state.parameters
        if parameters is not None:
            self.sensitivity.rest()  # at once, while the next question waits for the slider to pause
            self._section.show_values(parameters)
            self._show_own()
            if self._session.state.results is not None and self._session.state.own_results is None:
                self._session.say(OTHER_MODEL)
            self._section.say_fit("")  # what it says was of other values
            self._later.start()

    def _show_own(self) -> None:
        own = self._tuning.own
        if own is not None and own is not self._own and self._section.show_defaults(own):
            self._own = own

    def _show_tuning(self) -> None:
        tuning = self._tuning
        self._section.allow(undo=tuning.can_undo, redo=tuning.can_redo, reset=tuning.can_reset)
        self._show_own()
        try:
            self._section.show_presets(tuning.preset_names())
        except InstsegError as error:
            self._session.fail(str(error))

    def _show_ready(self) -> None:
        results = self._session.state.own_results
        if results is None or not results.predictions:
            self._section.allow_fit(self._session.missing() or NOT_RUN)
            self.sensitivity.drop()
            return
        self._section.truth.show_shape(results.shape)
        chosen = self._section.truth.chosen
        self._section.allow_fit(
            "Correct or accept some objects under Correct, or draw some into a new Labels layer and choose it above."
            if not chosen
            else self._session.obstacle()
        )

    # strips

    def _take_truth(self) -> None:
        """Other objects are true, or another prediction is looked at: strips begin anew."""
        self._known = None
        if self._section.form is not None:
            self._section.form.fade_strips()
        self._show_ready()
        self._later.start()

    def _soon(self) -> None:
        self._later.start()

    def _ask(self) -> None:
        state, form = self._session.state, self._section.form
        results = state.own_results
        prediction = results.predictions.get(state.index) if results is not None else None
        names = form.with_strip() if form is not None else ()
        if results is None or prediction is None or state.parameters is None or not names:
            return
        if self._known is None or self._known.prediction is not prediction:
            self._known = self._read_truth(results, prediction)
        self.sensitivity.ask(StripRequest(prediction, state.parameters, names, state.window, self._known))

    def _read_truth(self, results: Results, prediction: Prediction) -> Known | None:
        truth = self._section.truth.read()
        if truth is None:
            return None
        from napari_instseg.inference.fit import Known

        return Known(prediction, truth[results.position(self._session.state.index)])

    def _show_strip(self, strip: Strip) -> None:
        parameters, form = self._session.state.parameters, self._section.form
        if form is not None and parameters is not None and isinstance(parameters, type(strip.others)):
            form.show_strip(strip)

    # what the user wants

    def _fit(self) -> None:
        truth = self._section.truth.read()
        if truth is not None:
            self._section.say_fit("")
            self._tuning.fit(truth)
