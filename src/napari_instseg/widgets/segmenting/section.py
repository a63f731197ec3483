"""The Segment section: image, model, object size, device, Run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QWidget

from napari_instseg.inference.views import PRICE
from napari_instseg.segmenting.advice import Advice
from napari_instseg.widgets.device_choice import DeviceChoice
from napari_instseg.widgets.image_choice import ImageChoice
from napari_instseg.widgets.parts import Note, allow, button, column, labelled
from napari_instseg.widgets.segmenting.diameter import DiameterChoice
from napari_instseg.widgets.segmenting.model_choice import ModelChoice

if TYPE_CHECKING:
    from napari import Viewer

RUN_KEY = "F5"
DEVICE_HELP = "Where the network runs."
ACCURATE_HELP = (
    "Average over what the network says of the image as it is, turned, mirrored and at other sizes. "
    "Some objects more are right."
)
CANNOT_AVERAGE = "Models of this method cannot average over views."
RUN_HELP = "Find the objects in the image."


class SegmentSection(QWidget):
    """What is needed to run; it only holds its parts and the Run button.

    Parameters
    ----------
    viewer : Viewer
    """

    run = Signal()
    """The user wants objects."""
    device_chosen = Signal(object)
    accurate_chosen = Signal(bool)
    advice_taken = Signal(object)
    """The `Advice` that the user wants to follow."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.image = ImageChoice(viewer)
        self.model = ModelChoice()
        self.diameter = DiameterChoice(viewer)
        self._device = DeviceChoice(DEVICE_HELP)
        self._accurate = QCheckBox("Accurate")
        self._seconds = 0.0
        self._run = button("Run", RUN_HELP, RUN_KEY)
        self._run.setMinimumHeight(30)
        self._advice: Advice | None = None
        self._advice_text = Note(tone="warning")
        self._advice_button = QPushButton()
        self._advice_button.hide()
        self.setLayout(
            column(
                self.image,
                self.model,
                self.diameter,
                labelled("Device", self._device),
                self._accurate,
                self._run,
                self._advice_text,
                self._advice_button,
            )
        )
        self._device.chosen.connect(self.device_chosen)
        self._accurate.toggled.connect(self.accurate_chosen)
        self.allow_accurate(True)
        self._run.clicked.connect(self.run)
        self._advice_button.clicked.connect(lambda: self.advice_taken.emit(self._advice))

    def allow_run(self, obstacle: str, *, again: bool, done: str = "") -> None:
        """Enable Run, or say in its tooltip why it cannot be used now; `done` is what a stopped run has done."""
        words = f"Go on: {done} are done." if done else RUN_HELP
        allow(self._run, obstacle, f"{words}\nKey: {RUN_KEY}")
        title = "Go on" if done else "Run again" if again else "Run"
        self._run.setText(f"{title}  ({RUN_KEY})")

    def allow_accurate(self, possible: bool) -> None:
        """Enable averaging over views, or say that the model cannot."""
        price = f"It takes about {PRICE:.0f} times as long"
        if self._seconds:
            price += f": {PRICE * self._seconds:.2g} s for an image, {self._seconds:.2g} s without"
        allow(self._accurate, "" if possible else CANNOT_AVERAGE, f"{ACCURATE_HELP} {price}.")

    def show_price(self, seconds: float) -> None:
        """Take note of the seconds that an image takes without averaging over views."""
        self._seconds = seconds
        if self._accurate.isEnabled():
            self.allow_accurate(True)

    def show_reason(self, reason: str) -> None:
        """Say in the tooltip where the network ran and why."""
        self._device.setToolTip(f"{DEVICE_HELP}\n{reason}".strip())

    def show_advice(self, advice: Advice | None) -> None:
        """Show a reason and the button for the next step, or nothing."""
        self._advice = advice
        self._advice_text.say(advice.text if advice else "", "warning")
        self._advice_button.setVisible(bool(advice and advice.offer))
        self._advice_button.setText(advice.offer if advice else "")
