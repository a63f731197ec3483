"""The strip under a slider: the number of objects along its range, where that is stable, and the score if known."""

from __future__ import annotations

import math
from collections.abc import Callable

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from qtpy.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QToolTip, QWidget

from napari_instseg.tuning.strips import Point, Strip
from napari_instseg.widgets.parts import TONES

HEIGHT = 22
STEADY, BEST, SCORE = QColor(128, 128, 128), QColor(TONES["good"]), QColor(TONES["warning"])
"""Green says "good", which only true objects can tell: a steady number may be a steadily wrong one."""
FADED = 0.35
HELP = (
    "<p>How many objects there would be along this slider, in what is in view (log scale). In the grey part "
    "the number hardly changes, so the exact value matters little there; it does not say that the objects are right. "
    "Where you chose true objects, the orange line is the score against them, and green is where it is best.</p>"
    "<p>Click to go there.</p>"
)


class StripView(QWidget):
    """Draws a `Strip` in line with a slider; a click goes to the value there.

    Parameters
    ----------
    slider : QSlider
        Its handle's way is the strip's horizontal axis.
    describe : callable
        Gives the words for a `Point`, shown at the pointer.
    """

    chosen = Signal(float)
    """The share of the slider, 0 to 1, that the user clicked at."""

    def __init__(self, slider: QSlider, describe: Callable[[Point], str]) -> None:
        super().__init__()
        self.strip: Strip | None = None
        self._slider, self._describe = slider, describe
        self._valid = True
        self._marked = 0
        self._picture: QPixmap | None = None
        self.setFixedHeight(HEIGHT)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(HELP)
        self.setAccessibleName("number of objects along the slider")
        self.hide()

    def show_strip(self, strip: Strip | None) -> None:
        """Show a strip, or nothing."""
        self.strip, self._valid, self._picture = strip, True, None
        self.setVisible(strip is not None)
        self.show_value()
        self.update()

    def show_valid(self, valid: bool) -> None:
        """Fade the strip where it was made with other values of the other parameters."""
        if valid != self._valid:
            self._valid = valid
            self.update()

    @property
    def valid(self) -> bool:
        """Whether the strip belongs to the present values of the other parameters."""
        return self._valid

    def x_at(self, share: float) -> float:
        """Return the pixel column of a share of the slider."""
        start, length = self._way()
        return start + share * length

    def sizeHint(self) -> QSize:
        """Ask for the slider's width."""
        return QSize(self._slider.sizeHint().width(), HEIGHT)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the value under the pointer."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self.strip is not None:
            self.chosen.emit(self._share_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell the count under the pointer."""
        if event is None or self.strip is None:
            return
        share = self._share_at(event.position().x())
        nearest = min(self.strip.points, key=lambda point: abs(point.share - share))
        QToolTip.showText(event.globalPosition().toPoint(), self._describe(nearest), self)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Take the words away."""
        QToolTip.hideText()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the strip, and the present value over it."""
        if self.strip is None:
            return
        painter = QPainter(self)
        painter.setOpacity(1.0 if self._valid else FADED)
        painter.drawPixmap(0, 0, self._drawn())
        painter.setOpacity(1.0)
        painter.setPen(QPen(self.palette().windowText().color(), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(self._marked, 0), QPointF(self._marked, HEIGHT))
        painter.end()

    def show_value(self) -> None:
        """Mark the slider's value, if it moved."""
        x = round(self.x_at(self._slider.value() / self._slider.maximum()))
        if x != self._marked:
            self._marked = x
            self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw anew at the new width."""
        self._picture = None
        self.show_value()

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw anew in the colours of another theme."""
        self._picture = None
        self.update()

    def _drawn(self) -> QPixmap:
        """Draw the range, the counts and the score; once, since a slider moves often and these do not."""
        if self._picture is not None:
            return self._picture
        ratio = self.devicePixelRatioF()
        picture = QPixmap(round(self.width() * ratio), round(HEIGHT * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        points = self.strip.points if self.strip is not None else ()
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.strip is not None and self.strip.stable is not None:
            scored = any(point.score is not None for point in points)
            self._paint_range(painter, *self.strip.stable, BEST if scored else STEADY)
        top = math.log1p(max((point.n_objects for point in points), default=0)) or 1.0
        painter.setPen(QPen(self.palette().windowText().color(), 1.3))
        painter.drawPolyline(QPolygonF([self._at(point, math.log1p(point.n_objects) / top) for point in points]))
        if any(point.score is not None for point in points):
            painter.setPen(QPen(SCORE, 1.3))
            painter.drawPolyline(QPolygonF([self._at(point, point.score or 0.0) for point in points]))
        painter.end()
        self._picture = picture
        return picture

    def _paint_range(self, painter: QPainter, first: float, last: float, colour: QColor) -> None:
        left, right = self.x_at(first), self.x_at(last)
        painter.fillRect(QRectF(left, HEIGHT - 3, max(right - left, 3), 3), colour)
        pale = QColor(colour)
        pale.setAlphaF(0.25)
        painter.fillRect(QRectF(left, 0, max(right - left, 3), HEIGHT - 3), pale)

    def _at(self, point: Point, height: float) -> QPointF:
        return QPointF(self.x_at(point.share), 2 + (HEIGHT - 7) * (1 - height))

    def _share_at(self, x: float) -> float:
        start, length = self._way()
        return min(1.0, max(0.0, (x - start) / length))

    def _way(self) -> tuple[float, float]:
        """Return where the middle of the slider's handle starts, and how far it goes."""
        option = QStyleOptionSlider()
        self._slider.initStyleOption(option)
        handle = self._slider.style().subControlRect(
            QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, self._slider
        )
        return handle.width() / 2, max(1.0, self.width() - handle.width())
