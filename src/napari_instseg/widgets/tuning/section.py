"""The Tune section: decode parameters that move the objects, undo and redo, presets, latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QVBoxLayout, QWidget

from napari_instseg.core.params import Params
from napari_instseg.session.status import in_time
from napari_instseg.widgets.parameter_form import ParameterForm
from napari_instseg.widgets.parts import SPACE, Note, SteadyLabel, allow, button, calm_wheel, row
from napari_instseg.widgets.tuning.sparkline import Sparkline
from napari_instseg.widgets.tuning.truth_choice import TruthChoice

if TYPE_CHECKING:
    from napari import Viewer

UNDO_KEY, REDO_KEY = "Alt+Z", "Alt+Shift+Z"
FIT_HELP = (
    "<p>Search the values that find your objects best. Nothing is trained and the network is not run again. "
    f"It is one step that can be undone ({UNDO_KEY}).</p>"
)


class TuneSection(QWidget):
    """The form of the model's method, and what one does with its values.

    Parameters
    ----------
    viewer : Viewer
        Its Labels layers may hold true objects.
    """

    changed = Signal(str, object)
    """Name and value of a parameter, while the user changes it."""
    settled = Signal()
    live_chosen = Signal(bool)
    applied = Signal()
    undone = Signal()
    redone = Signal()
    reset = Signal()
    preset_chosen = Signal(str)
    preset_saved = Signal(str)
    preset_deleted = Signal(str)
    fit_asked = Signal()
    """The user wants the values that agree best with the true objects."""
    seen = Signal()
    """The section has become visible, or what is in it."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.truth = TruthChoice(viewer)
        self.form: ParameterForm | None = None
        self._offered: tuple[str, ...] | None = None
        self._pixel_size: float | None = None
        self._live = QCheckBox("Live")
        self._live.setChecked(True)
        self._live.setToolTip("Objects follow the sliders at once. Off: only when Apply is pressed.")
        self._apply = button("Apply", "Find the objects with these values, from what the network already said.")
        self._undo = button("↶", f"Undo the last change of a value\nKey: {UNDO_KEY}")
        self._redo = button("↷", f"Redo the change that was undone\nKey: {REDO_KEY}")
        self._reset = button("Reset", "Return to the model's own values; this can be undone.")
        self._facts = SteadyLabel("88888 objects after 888 ms", "font-size: 9pt; color: gray;")
        self._times = Sparkline()
        self._times.setToolTip("Time from a change to the new objects on the screen, the last ones at the right.")
        self._fit = button("Fit to my objects", FIT_HELP)
        self._fit_note = Note()
        self._presets = QComboBox()
        self._presets.setEditable(True)
        self._presets.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._presets.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._presets.setMinimumContentsLength(6)
        self._presets.lineEdit().setPlaceholderText("name of a preset")
        self._presets.setToolTip("Values kept under a name, for this model. Choose one, or type a name and Save.")
        calm_wheel(self._presets)
        self._save = button("Save", "Keep the present values under this name.")
        self._delete = button("Delete", "Forget the preset of this name.")
        self._empty = Note("Choose a model to see what can be tuned.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        self._place = layout
        for widget in (
            row(self._live, self._apply, QWidget(), self._undo, self._redo, self._reset, stretch=2),
            self._empty,
            row(self._facts, self._times, stretch=1),
            self.truth,
            self._fit,
            self._fit_note,
            row(self._presets, self._save, self._delete, stretch=0),
        ):
            layout.addWidget(widget)
        self._live.toggled.connect(self._choose_live)
        self._apply.clicked.connect(self.applied)
        self._undo.clicked.connect(self.undone)
        self._redo.clicked.connect(self.redone)
        self._reset.clicked.connect(self.reset)
        self._fit.clicked.connect(self.fit_asked)
        self._presets.activated.connect(lambda number: self.preset_chosen.emit(self._presets.itemText(number)))
        self._presets.editTextChanged.connect(self._name_presets)
        self._save.clicked.connect(lambda: self.preset_saved.emit(self._presets.currentText()))
        self._delete.clicked.connect(lambda: self.preset_deleted.emit(self._presets.currentText()))
        self._apply.setVisible(False)
        self.allow(undo=False, redo=False, reset=False)
        self.allow_fit("Run the segmentation first.")
        self.show_presets(())

    def show_values(self, values: Params) -> None:
        """Show the values of a method's decode parameters, hiding what does not apply to them."""
        if self.form is None or self.form.params is not type(values):
            self._make_form(type(values))
        assert self.form is not None
        self.form.show_values(values)

    def _make_form(self, params: type[Params]) -> None:
        if self.form is not None:
            self.form.hide()  # deleted only when the event loop is idle
            self.form.deleteLater()
        self.form = ParameterForm(params)
        self.form.show_pixel_size(self._pixel_size)
        self._place.insertWidget(1, self.form)
        self.form.changed.connect(self.changed)
        self.form.settled.connect(self.settled)
        self.form.unfolded.connect(self.seen)
        self._empty.say("")

    def show_defaults(self, values: Params) -> bool:
        """Say in the tooltips what Reset gives; False where these are not the values that are shown."""
        if self.form is None or type(values) is not self.form.params:
            return False
        self.form.show_defaults(values)
        return True

    def show_pixel_size(self, micrometres: float | None) -> None:
        """Say sizes in micrometres too, where the image has a scale."""
        self._pixel_size = micrometres
        if self.form is not None:
            self.form.show_pixel_size(micrometres)

    def show_outcome(self, objects: int, seconds: float | None) -> None:
        """Say how many objects there are, and how long it took from the change to the screen."""
        words = f"{objects} object{'' if objects == 1 else 's'}"
        if seconds is not None:
            words += f" after {in_time(seconds)}"
            self._times.add(seconds)
        self._facts.setText(words)

    def clear_outcome(self) -> None:
        """Forget counts, times, strips and scores, as for another image."""
        self._facts.setText("")
        self._times.clear()
        self._fit_note.say("")
        if self.form is not None:
            self.form.clear_strips()

    def allow_fit(self, obstacle: str) -> None:
        """Enable fitting, or say in its tooltip why it cannot be done now."""
        allow(self._fit, obstacle, FIT_HELP)

    def say_fit(self, text: str, tone: str = "plain") -> None:
        """Say what fitting came to."""
        self._fit_note.say(text, tone)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that there is something to see."""
        super().showEvent(event)
        self.seen.emit()

    def allow(self, *, undo: bool, redo: bool, reset: bool) -> None:
        """Enable what can be done."""
        self._undo.setEnabled(undo)
        self._redo.setEnabled(redo)
        self._reset.setEnabled(reset)

    def show_presets(self, names: Sequence[str]) -> None:
        """Offer the presets of the model, keeping what was typed."""
        if tuple(names) == self._offered:
            return
        self._offered = tuple(names)
        typed = self._presets.currentText()
        self._presets.blockSignals(True)
        self._presets.clear()
        self._presets.addItems(list(names))
        self._presets.setEditText(typed)
        self._presets.blockSignals(False)
        self._name_presets(typed)

    def _name_presets(self, name: str) -> None:
        self._save.setEnabled(bool(name.strip()))
        self._delete.setEnabled(self._presets.findText(name, Qt.MatchFlag.MatchExactly) >= 0)

    def _choose_live(self, live: bool) -> None:
        self._apply.setVisible(not live)
        self.live_chosen.emit(live)
