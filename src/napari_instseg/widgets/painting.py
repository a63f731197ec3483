"""What is done in a later turn of the event loop, so that no turn takes long."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget


def draw_next_turn(part: QWidget) -> None:
    """Let the window that a widget is in be drawn in a later turn of the event loop than this one.

    Making a napari layer and drawing the window with it for the first time take most of 100 ms each where there is no
    graphics card; between the two the window answers.
    """
    window = part.window()
    if not window.updatesEnabled():
        return
    window.setUpdatesEnabled(False)
    next_turn(window, lambda: window.setUpdatesEnabled(True))


def next_turn(part: QWidget, call: Callable[[], None], after_ms: int = 0) -> None:
    """Call in a later turn of the event loop, unless the widget is gone by then."""
    timer = QTimer(part, singleShot=True, interval=after_ms)
    timer.timeout.connect(call)
    timer.timeout.connect(timer.deleteLater)
    timer.start()
