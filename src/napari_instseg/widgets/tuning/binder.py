"""Wires the Tune section to the workspace: values, undo, presets, strips, fitting to true objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_instseg.annotating.commands import Annotating
from napari_instseg.core.errors import InstsegError
from napari_instseg.session.jobs import Post
from napari_instseg.session.obstacles import NOT_RUN, OTHER_MODEL
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.tuning.strips import Question, Sensitivity, Strip
from napari_instseg.widgets.tuning.section import TuneSection
from napari_instseg.workspace.controller import Controller

if TYPE_CHECKING:
    from napari_instseg.inference.fit import Known
    from napari_instseg.inference.prediction import Prediction

ASK_MS = 300
"""Strips are computed when there was no reason to do so for this long: not between two moves of a slider."""


class TuningBinder(QObject):
    """Between the Tune section and the workspace.

    Parameters
    ----------
    section : TuneSection
    controller : Controller
    post : callable
        See `Post`.
    """

    def __init__(self, section: TuneSection, controller: Controller, post: Post) -> None:
        super().__init__(section)
        self._section, self._controller = section, controller
        self._known: Known | None = None
        self.sensitivity = Sensitivity(self._show_strip, controller.fail, post, lambda: not controller.idle)
        self._later = QTimer(self, singleShot=True, interval=ASK_MS)
        self._later.timeout.connect(self._ask)
        self._connect_choices()
        self._connect_workspace()

    def take_corrections(self, correcting: Annotating) -> None:
        """Let the user fit to what was corrected, too."""
        self._section.truth.offer_corrections(lambda: correcting.corrections)
        correcting.changed.connect(self._section.truth.corrected)

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
        section, controller, tuning = self._section, self._controller, self._controller.tuning
        section.changed.connect(controller.guarded(lambda name, value: tuning.change(**{name: value})))
        section.settled.connect(tuning.settle)
        section.live_chosen.connect(controller.choose_live)
        section.applied.connect(tuning.apply)
        section.undone.connect(tuning.undo)
        section.redone.connect(tuning.redo)
        section.reset.connect(tuning.reset)
        section.preset_chosen.connect(controller.guarded(tuning.load_preset))
        section.preset_saved.connect(controller.guarded(tuning.save_preset))
        section.preset_deleted.connect(controller.guarded(tuning.delete_preset))
        section.fit_asked.connect(self._fit)
        section.seen.connect(self._soon)
        section.truth.changed.connect(self._take_truth)

    def _connect_workspace(self) -> None:
        controller, events = self._controller, self._controller.workspace.events
        events.parameters.connect(self._show_parameters)
        events.window.connect(self._soon)
        events.index.connect(self._take_truth)
        controller.tuning.changed.connect(self._show_tuning)
        controller.found.connect(self._take_found)
        controller.ready.connect(self._show_ready)
        controller.fitted.connect(lambda _: self._section.say_fit(controller.workspace.status.message, "good"))

    # the workspace changed

    def _show_parameters(self) -> None:
        parameters = self._controller.workspace.parameters
        if parameters is not None:
            self.sensitivity.rest()  # at once, while the next question waits for the slider to pause
            self._section.show_values(parameters)
            if self._controller.results is not None and self._controller.own_results is None:
                self._controller.say(OTHER_MODEL)
            self._section.say_fit("")  # what it says was of other values
            self._later.start()

    def _show_tuning(self) -> None:
        tuning = self._controller.tuning
        self._section.allow(undo=tuning.can_undo, redo=tuning.can_redo, reset=tuning.can_reset)
        try:
            self._section.show_presets(tuning.preset_names())
        except InstsegError as error:
            self._controller.fail(str(error))

    def _show_ready(self) -> None:
        results = self._controller.own_results
        if results is None or not results.predictions:
            self._section.allow_fit(self._controller.missing() or NOT_RUN)
            self.sensitivity.drop()
            return
        self._section.truth.show_shape(results.shape)
        chosen = self._section.truth.chosen
        self._section.allow_fit(
            "Correct or accept some objects under Correct, or draw some into a new Labels layer and choose it above."
            if not chosen
            else self._controller.obstacle()
        )

    def _take_found(self, results: Results, plane: DecodedSlice) -> None:
        if plane.window is None and not plane.asked:  # the network has run
            self._take_truth()

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
        controller, form = self._controller, self._section.form
        workspace, results = controller.workspace, controller.own_results
        prediction = results.predictions.get(workspace.index) if results is not None else None
        names = form.with_strip() if form is not None else ()
        if results is None or prediction is None or workspace.parameters is None or not names:
            return
        if self._known is None or self._known.prediction is not prediction:
            self._known = self._read_truth(results, prediction)
        self.sensitivity.ask(Question(prediction, workspace.parameters, names, workspace.window, self._known))

    def _read_truth(self, results: Results, prediction: Prediction) -> Known | None:
        truth = self._section.truth.read()
        if truth is None:
            return None
        from napari_instseg.inference.fit import Known

        return Known(prediction, truth[results.position(self._controller.workspace.index)])

    def _show_strip(self, strip: Strip) -> None:
        parameters, form = self._controller.workspace.parameters, self._section.form
        if form is not None and parameters is not None and isinstance(parameters, type(strip.others)):
            form.show_strip(strip)

    # what the user wants

    def _fit(self) -> None:
        truth = self._section.truth.read()
        if truth is not None:
            self._section.say_fit("")
            self._controller.fit(truth)
