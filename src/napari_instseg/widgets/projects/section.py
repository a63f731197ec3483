"""The Retrain section: project, how long, start and pause, curves, the verdict, keep or roll back."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFileDialog, QFrame, QProgressBar, QWidget

from napari_instseg.io.projects import VersionSpec
from napari_instseg.projects.retraining import Length, State, is_better
from napari_instseg.training.finetune_params import FinetuneParams
from napari_instseg.widgets.device_choice import DeviceChoice
from napari_instseg.widgets.parameter_form import ParameterForm
from napari_instseg.widgets.parts import Choice, Note, Section, allow, bare_box, button, column, labelled, row
from napari_instseg.widgets.projects.curves import Curves
from napari_instseg.widgets.projects.project_choice import ProjectChoice

START_HELP = "Let the model learn from all corrections of the project. The window stays usable."
ASK = "ask"
REMEMBER_HELP = (
    "Images of the kind that the model was trained on, mixed in so that it does not forget them. Simulated ones guard "
    "real ones badly: if you have annotated images of its kind, choose their folder, with images/ and labels/ in it."
)
WORDS = {"mean_ap": "Mean AP, held out", "ap_0.5": "AP at IoU 0.5", "old_mean_ap": "Mean AP, old kind"}


class RetrainSection(QWidget):
    """What the user says of retraining, and what is told of it; it decides nothing."""

    started = Signal()
    paused = Signal()
    resumed = Signal()
    finished = Signal()
    """Learn no more and judge."""
    kept = Signal()
    kept_both = Signal()
    rolled_back = Signal()
    compare_asked = Signal()
    remember_chosen = Signal(object)
    """A folder of annotated images of the model's own kind, or None for those that it has itself."""
    came_up = Signal()
    """Curves or a verdict are shown, which may be out of sight; see `newest`."""

    def __init__(self) -> None:
        super().__init__()
        self.project = ProjectChoice()
        self.curves = Curves()
        self.params = FinetuneParams()
        self._amount = QDoubleSpinBox()
        self._amount.setToolTip("How long to learn. More helps until the score on what is held out falls again.")
        bare_box(self._amount, 70)
        self._unit = Choice("Minutes, or steps: batches of crops.")
        self._unit.offer([("minutes", "minutes"), ("steps", "steps")], "minutes")
        self._device = DeviceChoice("Where it learns.")
        self._remember = Choice(REMEMBER_HELP)
        self._start = button("Retrain", START_HELP)
        self._start.setMinimumHeight(30)
        self._pause = button("Pause", "Stop after this step; it goes on from there, also after a restart of napari.")
        self._resume = button("Go on", "Go on learning where it was paused.")
        self._finish = button("Stop and judge", "Learn no more, and see what has come of it.")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._told = Note()
        self.form = ParameterForm(FinetuneParams)
        self._verdict = Note()
        self._table = Note()
        self._keep = button("Keep", "The new model takes the place of the old one in the list of models.")
        self._both = button("Keep both", "Both models are in the list.")
        self._back = button("Roll back", "Throw the new model away.")
        self._compare = button("Compare", "Both results on the open image, as layers, with what changed.")
        self._judged = QFrame()
        self._judged.setLayout(
            column(
                self._verdict,
                self._table,
                row(self._keep, self._both, self._back, stretch=0),
                self._compare,
            )
        )
        self.setLayout(
            column(
                self.project,
                labelled("Learn for", row(self._amount, self._unit, stretch=1)),
                labelled("Device", self._device),
                labelled("Remember", self._remember),
                self._start,
                row(self._pause, self._resume, self._finish, stretch=2),
                self._bar,
                self.curves,
                self._told,
                self._judged,
                Section("Advanced", self.form, opened=False),
            )
        )
        self._state: State = "idle"
        self._remembered: Path | None = None
        self._connect()
        self._choose_unit("minutes")
        self.show_state("idle", "", None)
        self.show_remembered("", None)

    def _connect(self) -> None:
        for made, signal in (
            (self._start, self.started),
            (self._pause, self.paused),
            (self._resume, self.resumed),
            (self._finish, self.finished),
            (self._keep, self.kept),
            (self._both, self.kept_both),
            (self._back, self.rolled_back),
            (self._compare, self.compare_asked),
        ):
            made.clicked.connect(signal)
            # a button that goes away hands the focus to its neighbour, and the next press of Space with it
            made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.curves.appeared.connect(self.came_up)
        self._unit.chosen.connect(self._choose_unit)
        self.form.changed.connect(self._change)
        self._remember.chosen.connect(self._choose_remembered)

    @property
    def length(self) -> Length:
        """How long to learn."""
        value = float(self._amount.value())
        steps = self._unit.values[self._unit.currentIndex()] == "steps"
        return Length(round(value), None) if steps else Length(None, value)

    @property
    def device(self) -> str:
        """Where to learn."""
        return str(self._device.values[self._device.currentIndex()])

    @property
    def newest(self) -> QWidget:
        """The foot of what came up last."""
        return self._compare if self._state == "to judge" else self._told

    def set_length(self, length: Length) -> None:
        """Show another time to learn."""
        unit = "minutes" if length.steps is None else "steps"
        self._unit.show_value(unit)
        self._choose_unit(unit)
        self._amount.setValue(length.minutes or 0 if length.steps is None else length.steps)

    def show_state(self, state: State, obstacle: str, version: VersionSpec | None) -> None:
        """Show what can be done now."""
        running, paused, judged = state == "running", state == "paused", state == "to judge"
        before, self._state = self._state, state
        if judged and state != before:
            self.came_up.emit()
        allow(self._start, obstacle, START_HELP)
        self._start.setVisible(state == "idle")
        self._pause.setVisible(running)
        self._resume.setVisible(paused)
        self._finish.setVisible(running or paused)
        self._pause.parentWidget().setVisible(running or paused)
        self._bar.setVisible(running)
        if not running:
            self._bar.setRange(0, 0)
        self._judged.setVisible(judged or (paused and version is not None))
        self._back.setText("Roll back" if judged else "Throw away")
        for made in (self._verdict, self._table, self._keep, self._both, self._compare):
            made.setVisible(judged)
        self.form.setEnabled(state == "idle")
        if judged and version is not None:
            better = is_better(version)
            self._verdict.say(version.words, "good" if better else "warning")
            self._table.say(_table(version))
            # what Enter does: a model that is not better is never kept by default
            self._keep.setDefault(better)
            self._back.setDefault(not better)
            self._keep.setStyleSheet("font-weight: bold;" if better else "")
            self._back.setStyleSheet("" if better else "font-weight: bold;")

    def show_remembered(self, own: str, folder: Path | None) -> None:
        """Show what the model is to remember: what it has itself, in words, or the images of a folder.

        Without words nothing can be chosen.
        """
        self._remembered = folder
        named = [] if folder is None else [(folder.name, folder)]
        self._remember.offer([(own, None), *named, ("a folder…", ASK)] if own else [], folder)
        self._remember.setEnabled(bool(own) and self._state == "idle")

    def show_progress(self, fraction: float | None) -> None:
        """Show how far it is."""
        self._bar.setRange(0, 0 if fraction is None else 1000)
        self._bar.setValue(round(1000 * (fraction or 0)))

    def tell(self, text: str, tone: str = "plain") -> None:
        """Show a sentence on what goes on."""
        self._told.say(text, tone)
        if self._state == "to judge":
            self.came_up.emit()  # the buttons below it have moved

    def _choose_unit(self, unit: object) -> None:
        steps = unit == "steps"
        self._amount.setDecimals(0 if steps else 1)
        self._amount.setRange(0, 100_000 if steps else 10_000)
        self._amount.setValue(200 if steps else 5)

    def _choose_remembered(self, value: object) -> None:
        if value == ASK:
            self._remember.show_value(self._remembered)
            chosen = QFileDialog.getExistingDirectory(self, "A folder with images/ and labels/ of the model's own kind")
            value = Path(chosen) if chosen else self._remembered
        if value != self._remembered:
            self.remember_chosen.emit(value)

    def _change(self, name: str, value: object) -> None:
        self.params = self.params.changed(**{name: value})


def _table(version: VersionSpec) -> str:
    rows = "".join(
        f"<tr><td>{title}</td><td style='padding: 0 10px'>{version.before[name]:.3f}</td>"
        f"<td><b>{version.after.get(name, float('nan')):.3f}</b></td></tr>"
        for name, title in WORDS.items()
        if name in version.before
    )
    return f"<table><tr><td></td><td style='padding: 0 10px'>before</td><td>after</td></tr>{rows}</table>"
