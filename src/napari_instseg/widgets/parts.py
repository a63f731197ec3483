"""Small widgets that the sections of the dock are made of."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

TONES = {"plain": "", "good": "#3f9e63", "warning": "#c98a1b", "error": "#dc5a5a"}
"""Text colours that can be read on the light and on the dark theme."""

SPACE = 6
ASK_MS = 4000
"""How long a button asks whether one is sure."""


class Section(QWidget):
    """A part of the dock under a title that folds it."""

    unfolded = Signal()

    def __init__(self, title: str, content: QWidget, *, opened: bool = True) -> None:
        super().__init__()
        self._button = QToolButton()
        self._button.setText(title)
        self._button.setToolTip(f"Show or hide: {title}")
        self._button.setCheckable(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._button.setStyleSheet(
            "QToolButton { border: none; border-radius: 2px; font-weight: bold; text-align: left; padding: 4px; }"
        )
        self._content = content
        layout = column(self._button, content, margins=(0, 0, 0, 0))
        layout.setSpacing(2)
        self.setLayout(layout)
        content.setContentsMargins(SPACE, 0, SPACE, SPACE)
        self._button.toggled.connect(self._fold)
        self._button.setChecked(opened)
        self._fold(opened)

    def open(self) -> None:
        """Unfold it."""
        self._button.setChecked(True)

    def close_up(self) -> None:
        """Fold it."""
        self._button.setChecked(False)

    @property
    def opened(self) -> bool:
        """Whether it is unfolded."""
        return bool(self._button.isChecked())

    def _fold(self, opened: bool) -> None:
        self._button.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self._content.setVisible(opened)
        if opened:
            self.unfolded.emit()


class Note(QLabel):
    """A sentence in small letters; it takes no room while it is empty."""

    def __init__(self, text: str = "", tone: str = "plain") -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.say(text, tone)

    def say(self, text: str, tone: str = "plain") -> None:
        """Show another sentence."""
        color = f"color: {TONES[tone]};" if TONES[tone] else ""
        restyle(self, f"font-size: 9pt; {color}")
        self.setText(text)
        self.setVisible(bool(text))


class SteadyNote(Note):
    """A sentence that keeps the room of the longest that it may be, so that what is below it stays where it is."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self._texts = tuple(texts)
        self._measured = -1
        self.setAlignment(Qt.AlignmentFlag.AlignTop)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Find the room that the longest sentence needs at another width."""
        super().resizeEvent(event)
        if self.width() == self._measured:
            return
        self._measured, shown = self.width(), self.text()
        self.setMinimumHeight(0)
        heights = []
        for text in self._texts:
            self.setText(text)
            heights.append(self.heightForWidth(self._measured))
        self.setText(shown)
        self.setMinimumHeight(max(heights))


class Choice(QComboBox):
    """A combo box of titles with values, that never asks for more width than there is."""

    chosen = Signal(object)
    """The value that the user chose."""

    def __init__(self, tooltip: str = "") -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumWidth(60)  # less than its texts, so that these never widen the dock
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # kept here and not as item data, since some PySide6 miscount the references to what that gives
        self.values: list[object] = []
        self.activated.connect(lambda row: self.chosen.emit(self.values[row]))
        calm_wheel(self)

    def offer(self, options: Sequence[tuple[str, object]], value: object) -> None:
        """Replace the options and show the one with this value."""
        self.blockSignals(True)
        self.clear()
        self.values = [data for _, data in options]
        self.addItems([title for title, _ in options])
        self.blockSignals(False)
        self.show_value(value)

    def show_value(self, value: object) -> None:
        """Show the option with this value, or none."""
        found = [row for row, data in enumerate(self.values) if data is value or data == value]
        self.blockSignals(True)
        self.setCurrentIndex(found[0] if found else -1)
        self.blockSignals(False)


class _WheelGuard(QObject):
    """Leaves the wheel to the scroll area, unless the widget was clicked before."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Wheel or not isinstance(watched, QWidget):
            return False
        if watched.hasFocus():
            return False
        event.ignore()
        return True


def restyle(widget: QWidget, sheet: str) -> None:
    """Return a widget another style; Qt would take milliseconds for one that it has already."""
    if widget.styleSheet() != sheet:
        widget.setStyleSheet(sheet)


def bare_box(box: QAbstractSpinBox, width: int | None = None) -> None:
    """Show a number box without step buttons, for which there is a slider or no need."""
    # not by QAbstractSpinBox.NoButtons, with which napari's style leaves no room for the text
    box.setStyleSheet(
        "QAbstractSpinBox { padding: 1px 4px; min-width: 40px; }"
        "QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0; }"
        "QAbstractSpinBox::up-arrow, QAbstractSpinBox::down-arrow { width: 0; image: none; }"
    )
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setKeyboardTracking(False)
    if width is not None:
        box.setFixedWidth(width)
    calm_wheel(box)


def calm_wheel(widget: QComboBox | QSlider | QAbstractSpinBox) -> None:
    """Let the wheel scroll the dock, not change a value that it happens to pass over."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelGuard(widget))


def column(*widgets: QWidget, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> QVBoxLayout:
    """Put widgets below each other."""
    layout = QVBoxLayout()
    layout.setContentsMargins(*margins)
    layout.setSpacing(SPACE)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def row(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Put widgets beside each other; the one at `stretch` takes the room that is left."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACE)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, int(place == stretch))
    return holder


def labelled(title: str, widget: QWidget, width: int = 80) -> QWidget:
    """Put a title before a widget, of one width unless it needs more, so that fields line up."""
    label = QLabel(title)
    label.setMinimumWidth(width)
    label.setToolTip(widget.toolTip())
    label.setBuddy(widget)
    return row(label, widget, stretch=1)


def progress_bar() -> QProgressBar:
    """Return a thin bar of 0 to 1000. `advance` never makes it endless: that animation redraws the canvas under it."""
    bar = QProgressBar()
    bar.setTextVisible(False)
    bar.setFixedHeight(8)
    bar.setRange(0, 1000)
    return bar


def advance(bar: QProgressBar, fraction: float | None) -> None:
    """Show what share is done; None, where it is not known, leaves the bar empty."""
    bar.setValue(round(1000 * (fraction or 0)))


def button(text: str, tooltip: str, key: str = "") -> QPushButton:
    """Make a button that shows its key."""
    made = QPushButton(f"{text}  ({key})" if key else text)
    made.setToolTip(f"{tooltip}\nKey: {key}" if key else tooltip)
    return made


class SureButton(QPushButton):
    """A button for what cannot be undone: it asks in its own place, and does it at the second press.

    Parameters
    ----------
    text, tooltip : str
    """

    sure = Signal()

    def __init__(self, text: str, tooltip: str) -> None:
        super().__init__(text)
        self._words = text
        self.setToolTip(tooltip)
        self.setAutoDefault(False)
        self._asking = QTimer(self, singleShot=True, interval=ASK_MS)
        self._asking.timeout.connect(self.ask_no_more)
        self.clicked.connect(self._press)

    def _press(self) -> None:
        if self._asking.isActive():
            self.ask_no_more()
            self.sure.emit()
        else:
            self.setText("Sure?")
            restyle(self, f"color: {TONES['error']};")
            self._asking.start()

    def ask_no_more(self) -> None:
        """Show its title again."""
        self._asking.stop()
        self.setText(self._words)
        restyle(self, "")


def allow(widget: QWidget, obstacle: str, tooltip: str) -> None:
    """Enable a widget, or grey it and let its tooltip say why it cannot be used now."""
    widget.setEnabled(not obstacle)
    widget.setToolTip(obstacle or tooltip)


class FittingLabel(QLabel):
    """A label that wraps, and never makes the dock wider."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setMinimumWidth(40)


class SteadyLabel(QLabel):
    """A label of one line that keeps its size, so that a text that often changes does not lay out the dock anew.

    Parameters
    ----------
    longest : str
        The longest text that has to fit.
    sheet : str
        Its style.
    """

    def __init__(self, longest: str, sheet: str = "") -> None:
        super().__init__()
        self.setStyleSheet(sheet)
        self.ensurePolished()
        metrics = self.fontMetrics()
        self.setFixedSize(metrics.horizontalAdvance(longest), metrics.lineSpacing())
