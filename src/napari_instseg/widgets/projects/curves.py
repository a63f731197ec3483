"""Live curves of a training: loss terms above, the score on what is held out below."""

from __future__ import annotations

import math
from collections.abc import Mapping

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

COLORS = ("#4c9be8", "#e8894c", "#5fb56b", "#c76fc7", "#c9b33f", "#6fc7c2")
"""Colours that can be told apart on the light and on the dark theme."""
SCORES = {"mean_ap": "held out", "old_mean_ap": "old kind"}
POINTS = 300
"""Points of a curve that are drawn; of longer ones, means."""
DECADES = 3
"""Of losses that are drawn, from the largest down, so that a step in which a term is next to nothing hides no other."""
HEIGHT = 180
LINE = 14
"""Height of a line of the legend."""

Curve = list[tuple[int, float]]


class Curves(QWidget):
    """Two panels of curves over the steps; it takes no room while there is nothing to draw."""

    appeared = Signal()
    """There is something to draw now."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: dict[str, Curve] = {}
        self.scores: dict[str, Curve] = {}
        self.setToolTip(
            "Above: the terms of the loss, on a logarithmic scale; they should fall. Below: mean AP on held-out "
            "corrections and on images of the old kind; higher is better."
        )
        self.setFixedHeight(HEIGHT)
        self.hide()

    def clear(self) -> None:
        """Forget all."""
        self.losses.clear()
        self.scores.clear()
        self.hide()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add what was measured at a step: loss terms, or scores."""
        if "loss" in values:
            terms = {name: value for name, value in values.items() if name != "loss"}
            kind = self.losses
        else:
            terms = {title: values[name] for name, title in SCORES.items() if name in values}
            kind = self.scores
        for name, value in terms.items():
            curve = kind.setdefault(name, [])
            if math.isfinite(value) and (not curve or step > curve[-1][0]):
                curve.append((step, value))
        if self.isHidden():
            self.show()
            self.appeared.emit()
        self.update()

    def sizeHint(self) -> QSize:
        """Ask for the dock's width."""
        return QSize(280, HEIGHT)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw both panels."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        half = self.height() / 2
        last = max((curve[-1][0] for curve in [*self.losses.values(), *self.scores.values()] if curve), default=1)
        ink = self.palette().windowText().color()
        self._panel(painter, QRectF(0, 0, self.width(), half - 4), _logarithms(self.losses), last, ink, "loss")
        self._panel(painter, QRectF(0, half, self.width(), half - 4), self.scores, last, ink, "score", (0.0, 1.0))
        painter.end()

    def _panel(
        self,
        painter: QPainter,
        box: QRectF,
        curves: Mapping[str, Curve],
        last: int,
        ink: QColor,
        title: str,
        limits: tuple[float, float] | None = None,
    ) -> None:
        font = painter.font()
        font.setPointSizeF(8)
        painter.setFont(font)
        values = [value for curve in curves.values() for _, value in curve]
        high = max(values, default=1.0)
        low, high = limits or (max(min(values, default=0.0), high - DECADES * math.log(10)), high)
        words = [(title, ink)]
        for number, (name, curve) in enumerate(curves.items()):
            if curve:
                shown = f"{curve[-1][1]:.2f}" if limits else f"{math.exp(curve[-1][1]):.3g}"
                words.append((f"{name} {shown}", QColor(COLORS[number % len(COLORS)])))
        frame = box.adjusted(0.5, _write(painter, box, words), -1.5, -0.5)
        plot = frame.adjusted(5, 5, -5, -5)
        painter.setPen(QPen(ink, 0.5))
        painter.drawRect(frame)
        for number, curve in enumerate(curves.values()):
            color = QColor(COLORS[number % len(COLORS)])
            if not curve:
                continue
            points = [
                QPointF(
                    plot.left() + plot.width() * step / max(last, 1),
                    plot.bottom() - plot.height() * (max(value, low) - low) / max(high - low, 1e-9),
                )
                for step, value in _thinned(curve)
            ]
            painter.setPen(QPen(color, 1.5))
            painter.drawPolyline(QPolygonF(points))
            painter.setBrush(color)
            for point in points if limits else ():
                painter.drawEllipse(point, 2, 2)
            painter.setBrush(Qt.BrushStyle.NoBrush)


def _write(painter: QPainter, box: QRectF, words: list[tuple[str, QColor]]) -> int:
    """Write words beside each other, in as many lines as they need, and give the height of these."""
    at, top = 0, 0
    for text, color in words:
        width = painter.fontMetrics().horizontalAdvance(text)
        if at and at + width > box.width():
            at, top = 0, top + LINE
        painter.setPen(color)
        place = QRectF(box.left() + at, box.top() + top, box.width() - at, LINE)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft, text)
        at += width + 10
    return top + LINE


def _thinned(curve: Curve) -> Curve:
    size = -(-len(curve) // POINTS)
    parts = [curve[start : start + size] for start in range(0, len(curve), size)] if size > 1 else []
    means = [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]
    return means or curve


def _logarithms(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    return {
        name: [(step, math.log(value)) for step, value in curve if value > 0]
        for name, curve in curves.items()
        if any(value > 0 for _, value in curve)
    }
