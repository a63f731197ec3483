"""The Plot part of Look: the embedding as a density picture, with a lasso that finds its pixels in the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QCheckBox, QSizePolicy, QWidget

from napari_instseg.inspecting.plot import PROJECTIONS, SIDE
from napari_instseg.widgets.parts import Choice, Note, column

HEIGHT = 280
DIMMED = 0.3
"""Brightness of what is not lit, while something is."""
LASSO_COLOR, MARK_COLOR = "#ffd54f", "#ffffff"
SMALLEST_LASSO = 3
"""Cells that a lasso must span; less is a click, which clears it."""

Cells = Any
"""bool array (SIDE, SIDE)."""


class PlotCanvas(QWidget):
    """Shows the plot's picture, what of it is lit, marks, and a lasso that the mouse draws."""

    lassoed = Signal(object)
    """Corners as (row, column) in cells, float array (n, 2); None when the lasso is cleared."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Any = None
        self._lit: Cells | None = None
        self._image: QImage | None = None
        self._corners: list[QPointF] = []
        self._marks: Sequence[tuple[int, int]] = ()
        self._bar: tuple[str, float] | None = None
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip(
            "<p>Each point is a place in the embedding, brighter where more pixels are, in the colour of their object. "
            "One object should be one heap, apart from the others. Two heaps in one colour: two objects were merged. "
            "One heap in two colours: an object was split.</p><p>Draw around a heap with the mouse to find its pixels "
            "in the image; click to let go.</p>"
        )

    def sizeHint(self) -> QSize:
        """Ask for a square."""
        return QSize(HEIGHT, HEIGHT)

    def show_picture(self, picture: Any, bar: tuple[str, float] | None) -> None:
        """Show a picture, uint8 (SIDE, SIDE, 3) or None, and a named distance in cells to compare with."""
        self._picture, self._bar = picture, bar
        self._compose()

    def light(self, cells: Cells | None) -> None:
        """Light some cells, the others are dimmed; None lights all alike."""
        self._lit = cells
        self._compose()

    def mark(self, places: Sequence[tuple[int, int]]) -> None:
        """Put crosses into some cells, as (row, column)."""
        self._marks = places
        self.update()

    def clear_lasso(self) -> None:
        """Forget the lasso."""
        self._corners = []
        self.update()

    def _compose(self) -> None:
        if self._picture is None:
            self._image = None
        else:
            shown = self._picture
            if self._lit is not None:
                lit = np.minimum(shown.astype(np.uint16) + 60, 255)
                shown = np.where(self._lit[..., None], lit, shown * DIMMED).astype(np.uint8)
            data = np.ascontiguousarray(shown)
            # copied, since Qt would otherwise read memory that numpy may give back
            self._image = QImage(data.data, SIDE, SIDE, 3 * SIDE, QImage.Format.Format_RGB888).copy()
        self.update()

    @property
    def _frame(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def _to_cells(self, point: QPointF) -> tuple[float, float]:
        frame = self._frame
        scale = SIDE / frame.width()
        # cell (r, c) is drawn from r to r + 1: its centre is at half
        return (point.y() - frame.top()) * scale - 0.5, (point.x() - frame.left()) * scale - 0.5

    def _from_cell(self, place: tuple[float, float]) -> QPointF:
        frame = self._frame
        scale = frame.width() / SIDE
        return QPointF(frame.left() + (place[1] + 0.5) * scale, frame.top() + (place[0] + 0.5) * scale)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin a lasso."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._corners = [QPointF(event.position())]

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Draw it on."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton and self._corners:
            self._corners.append(QPointF(event.position()))
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Close it, and tell its corners."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or not self._corners:
            return
        corners = np.array([self._to_cells(corner) for corner in self._corners])
        if len(corners) < 3 or (np.ptp(corners, axis=0) < SMALLEST_LASSO).all():
            self._corners = []
            self.lassoed.emit(None)
        else:
            self.lassoed.emit(corners)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw picture, marks, lasso and the bar."""
        painter = QPainter(self)
        painter.fillRect(self._frame, QColor("black"))
        if self._image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._frame, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._corners:
            painter.setPen(QPen(QColor(LASSO_COLOR), 1.5))
            painter.drawPolygon(QPolygonF(self._corners))
        painter.setPen(QPen(QColor(MARK_COLOR), 1.5))
        for number, place in enumerate(self._marks, start=1):
            at = self._from_cell(place)
            painter.drawLine(at + QPointF(-6, 0), at + QPointF(6, 0))
            painter.drawLine(at + QPointF(0, -6), at + QPointF(0, 6))
            if len(self._marks) > 1:
                painter.drawText(at + QPointF(6, -4), str(number))
        if self._bar is not None and self._image is not None:
            self._draw_bar(painter, *self._bar)
        painter.end()

    def _draw_bar(self, painter: QPainter, name: str, cells: float) -> None:
        frame = self._frame
        length = min(cells / SIDE, 0.9) * frame.width()
        left, bottom = frame.left() + 8, frame.bottom() - 8
        painter.drawLine(QPointF(left, bottom), QPointF(left + length, bottom))
        painter.drawText(QPointF(left, bottom - 5), name)


class PlotPart(QWidget):
    """The plot with its choices."""

    projection_chosen = Signal(object)
    view_lit = Signal(bool)
    """Whether what is in view of the image shall be lit in the plot."""

    def __init__(self) -> None:
        super().__init__()
        self.canvas = PlotCanvas()
        self._projection = Choice(
            "From which side the embedding is looked at. Main directions: where it varies most. Heaps that lie on each "
            "other from one side may be apart from another."
        )
        self._projection.offer([(title, name) for name, title in PROJECTIONS.items()], "main")
        self._in_view = QCheckBox("Light what is in view")
        self._in_view.setToolTip(
            "Lights the pixels that are in view of the image; zoom in on cells to see their heaps."
        )
        self._note = Note()
        self._note.setToolTip("What the lasso found in the image.")
        self.setLayout(column(self._projection, self.canvas, self._in_view, self._note))
        self._projection.chosen.connect(self.projection_chosen)
        self._in_view.toggled.connect(self.view_lit)

    @property
    def in_view(self) -> bool:
        """Whether what is in view of the image shall be lit."""
        return bool(self._in_view.isChecked())

    def say(self, words: str, tone: str = "plain") -> None:
        """Show what the lasso found, or why there is no plot."""
        self._note.say(words, tone)
