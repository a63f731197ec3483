"""The mouse over the viewer's canvas: where it hovers and clicks, as long as no layer's tool is at work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari import Viewer

STILL = 4
"""Pixels of the screen that the mouse may move during a click; more is a drag, which pans."""


class Pointer(QObject):
    """Tells where the mouse hovers and clicks, in world coordinates.

    Parameters
    ----------
    viewer : Viewer
    parent : QObject
    """

    hovered = Signal(object)
    clicked = Signal(object)

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        viewer.mouse_move_callbacks.append(self._move)
        viewer.mouse_drag_callbacks.append(self._press)

    def release(self) -> None:
        """Listen to the mouse no more."""
        for callbacks, own in (
            (self._viewer.mouse_move_callbacks, self._move),
            (self._viewer.mouse_drag_callbacks, self._press),
        ):
            if own in callbacks:
                callbacks.remove(own)

    def _move(self, viewer: Any, event: Any) -> None:
        if self._free():
            self.hovered.emit(tuple(event.position))

    def _press(self, viewer: Any, event: Any) -> Iterator[None]:
        if event.button != 1 or event.modifiers or not self._free():
            return
        position, begin = tuple(event.position), np.array(event.pos)
        farthest = 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(np.array(event.pos) - begin).max()))
            yield
        if farthest <= STILL:
            self.clicked.emit(position)

    def _free(self) -> bool:
        """Return whether the mouse only pans and zooms: painting, picking and drawing are left alone."""
        active = self._viewer.layers.selection.active
        return self._viewer.dims.ndisplay == 2 and str(getattr(active, "mode", "pan_zoom")) == "pan_zoom"
