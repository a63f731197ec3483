"""A small line that shows how a number went, such as the time of the last updates."""

from __future__ import annotations

from collections import deque

from qtpy.QtCore import QPointF, QSize
from qtpy.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

REMEMBERED = 40


class Sparkline(QWidget):
    """The last values as a line from 0 to the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.values: deque[float] = deque(maxlen=REMEMBERED)
        self.setFixedHeight(18)

    def add(self, value: float) -> None:
        """Append a value."""
        self.values.append(value)
        self.update()

    def clear(self) -> None:
        """Forget all values."""
        self.values.clear()
        self.update()

    def sizeHint(self) -> QSize:
        """Ask for a little room."""
        return QSize(60, 18)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the line."""
        if len(self.values) < 2:
            return
        top = max(self.values) or 1.0
        across, height = (self.width() - 3) / (REMEMBERED - 1), self.height() - 3
        first = REMEMBERED - len(self.values)
        points = [QPointF(1 + (first + i) * across, 1 + height * (1 - v / top)) for i, v in enumerate(self.values)]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().windowText().color(), 1.2))
        painter.drawPolyline(QPolygonF(points))
        painter.end()
