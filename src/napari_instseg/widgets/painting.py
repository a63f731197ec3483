"""When the window is drawn: not in the turn of the event loop in which much is done to it."""

from __future__ import annotations

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
    # a child of the window, so that it is gone when the window is
    timer = QTimer(window, singleShot=True, interval=0)
    timer.timeout.connect(lambda: window.setUpdatesEnabled(True))
    timer.timeout.connect(timer.deleteLater)
    timer.start()
