"""How large objects are in the image: typed, or measured from a shape drawn around one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import QDoubleSpinBox, QWidget

from napari_instseg.widgets.images import MARK
from napari_instseg.widgets.parts import Note, bare_box, button, column, labelled, row
from napari_instseg.widgets.placement import place_like

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Shapes

EXAMPLE = "example object"


class _SizeBox(QDoubleSpinBox):
    """A number box whose text is selected by a click, so that a number typed then replaces the words for 0, too."""

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        QTimer.singleShot(0, self.selectAll)  # after the click, which would choose nothing


class DiameterChoice(QWidget):
    """The typical object diameter, in micrometres where the image has a scale, else in pixels.

    Parameters
    ----------
    viewer : Viewer
    """

    chosen = Signal(object)
    """Diameter in pixels, or None for that of the images which the model learnt from."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._micrometres: float | None = None
        self._image: Image | None = None
        self._shapes: Shapes | None = None
        self._box = _SizeBox()
        self._box.setRange(0, 10_000)
        self._box.setDecimals(1)
        self._box.setSpecialValueText("default")
        bare_box(self._box)
        self._box.setToolTip(
            "How large a typical object is. The image is resized so that the model sees objects of the size that it "
            "was trained on. 0: it is found by itself, if the model has learnt objects of many sizes; else they are "
            "taken to be as large as in the images that the model learnt from; its card says how large."
        )
        self._measure = button("Measure", "Draw an ellipse around one typical object; its size is taken over.")
        self._measure.setCheckable(True)
        self._measure.setEnabled(False)
        self._other = Note()
        self.setLayout(column(row(labelled("Object size", self._box), self._measure, stretch=0), self._other))
        self._box.valueChanged.connect(self._typed)
        self._measure.toggled.connect(self._draw)

    def show_image(self, layer: Image | None, micrometres: float | None) -> None:
        """Take another image, whose pixels have this size."""
        self._image, self._micrometres = layer, micrometres
        self._box.setSuffix(" px" if micrometres is None else " µm")
        self._measure.setEnabled(layer is not None)

    def show_diameter(self, diameter: float | None, found: str = "", *, finds: bool = False) -> None:
        """Show a diameter, in pixels, with words on it if it was found; `finds`: it is found where none is given."""
        self._box.setSpecialValueText("found by itself" if finds else "default")
        self._box.blockSignals(True)
        self._box.setValue((diameter or 0) * (self._micrometres or 1))
        self._box.blockSignals(False)
        self._other.say(found or (f"{diameter:.0f} px" if diameter and self._micrometres else ""))

    def stop_measuring(self) -> None:
        """Remove the example shape."""
        self._measure.setChecked(False)

    def _typed(self, value: float) -> None:
        self.chosen.emit(value / (self._micrometres or 1) if value > 0 else None)

    def _draw(self, measuring: bool) -> None:
        if self._shapes is not None:
            self._shapes.events.data.disconnect(self._drawn)
            if self._shapes in self._viewer.layers:
                self._viewer.layers.remove(self._shapes)
            self._shapes = None
        image = self._image
        if measuring and image is not None and image in self._viewer.layers:
            self._shapes = self._viewer.add_shapes(
                ndim=image.ndim,
                name=EXAMPLE,
                face_color="transparent",
                edge_color="yellow",
                metadata={MARK: EXAMPLE},
                **place_like(image),
            )
            self._shapes.mode = "add_ellipse"
            self._shapes.events.data.connect(self._drawn)
            self._viewer.layers.selection.active = self._shapes

    def _drawn(self, event: Any = None) -> None:
        if self._shapes is not None and len(self._shapes.data):
            size = diameter_of(self._shapes.data[-1], self._shapes.shape_type[-1])
            if size > 0:
                self.chosen.emit(round(size, 1))


def diameter_of(corners: Any, kind: str) -> float:
    """Return the diameter of the disk with the area of a drawn shape, or the length of a line, in pixels.

    Parameters
    ----------
    corners : array (N, D)
        As a Shapes layer has them; the last two coordinates are y and x.
    kind : str
        ``"ellipse"``, ``"rectangle"``, ``"polygon"``, ``"line"`` or ``"path"``.
    """
    points = np.asarray(corners, float)[:, -2:]
    if kind in ("line", "path"):
        return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    y, x = points.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    # the ellipse in a box has pi / 4 of its area
    return float(np.sqrt(area if kind == "ellipse" else area * 4 / np.pi))
