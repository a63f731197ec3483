"""Calls from other threads, made in the window's thread."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal


class Poster(QObject):
    """Runs calls in the thread that it was made in; a call that comes after its end is dropped."""

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def __call__(self, call: Callable[[], None]) -> None:
        """Run `call` at the next turn of the event loop."""
        try:
            self._posted.emit(call)
        except RuntimeError:  # the window, and this with it, is gone
            return

    def _run(self, call: Callable[[], None]) -> None:
        call()
