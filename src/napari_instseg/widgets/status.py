"""The status line at the foot of the dock: what runs, how far, time left, device, Cancel, the last message."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QLabel, QProgressBar, QWidget

from napari_instseg.session.status import Status
from napari_instseg.widgets.parts import SPACE, TONES, FittingLabel, button, column, restyle, row

CANCEL_KEY = "Shift+F5"


class StatusLine(QWidget):
    """Shows a `Status`; it is always there."""

    cancelled = Signal()
    """The user wants to stop what runs."""

    def __init__(self) -> None:
        super().__init__()
        rule = QFrame()
        rule.setFrameShape(QFrame.Shape.HLine)
        self._text = FittingLabel()
        self._device = QLabel()
        self._device.setStyleSheet("font-size: 8pt; color: gray;")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        policy = self._bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(policy)
        self._cancel = button(
            "Cancel", "Stop after the tile that is being worked on; what is done is kept.", CANCEL_KEY
        )
        self._cancel.clicked.connect(self.cancelled)
        self.setLayout(
            column(
                rule,
                self._text,
                row(self._device, self._bar, self._cancel, stretch=1),
                margins=(SPACE, 0, SPACE, SPACE),
            )
        )
        self.show_status(Status())

    def show_status(self, status: Status) -> None:
        """Show what runs, or the last message."""
        running = bool(status.running)
        if running:
            words = [f"{status.running}: {status.detail}" if status.detail else f"{status.running}."]
            if status.stopping:
                words = [f"{status.running}: stopping after this tile."]
            elif status.message:
                words.append(status.message)
            self._text.setText(" ".join(words))
            restyle(self._text, "")
        else:
            self._text.setText(status.message)
            restyle(self._text, f"color: {TONES[status.tone]};" if TONES[status.tone] else "")
        self._bar.setVisible(running)
        self._bar.setRange(0, 0 if running and status.fraction is None else 1000)
        self._bar.setValue(round(1000 * (status.fraction or 0)))
        self._cancel.setEnabled(running and not status.stopping)
        self._device.setText(status.device.upper())
        self._device.setToolTip(status.device_reason)
        self._device.setVisible(bool(status.device))
