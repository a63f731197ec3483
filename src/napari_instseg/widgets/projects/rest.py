"""The note at the head of the dock on corrections that an earlier session left in no project."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_instseg.projects.unsaved import Rest
from napari_instseg.widgets.parts import Note, SureButton, button, column, row


class RestNote(QWidget):
    """Offers to open them or to delete them; it is only there when there are some."""

    opened = Signal(object)
    """The `Rest` to open."""
    discarded = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._rest: Rest | None = None
        self._text = Note(tone="warning")
        self._open = button("Open them", "Make a project of them, and open its first image.")
        self._discard = SureButton("Discard", "Delete these corrections.")
        self.setLayout(column(self._text, row(self._open, self._discard, QWidget(), stretch=2)))
        self._open.clicked.connect(lambda: self.opened.emit(self._rest))
        self._discard.sure.connect(lambda: self.discarded.emit(self._rest))
        self.offer(None)

    def offer(self, rest: Rest | None) -> None:
        """Show what was left, or nothing."""
        self._rest = rest
        self._text.say(rest.words if rest is not None else "", "warning")
        self._discard.ask_no_more()
        self.setVisible(rest is not None)
