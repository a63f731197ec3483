"""A form made from the declaration of parameters: one small widget per kind of parameter."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QLineEdit, QSlider, QSpinBox, QWidget

from napari_instseg.core.params import Parameter, Params
from napari_instseg.core.scale import decimals, limits, share_of, value_at
from napari_instseg.tuning.strips import Point, Strip
from napari_instseg.widgets.parts import (
    SPACE,
    Choice,
    FittingLabel,
    Section,
    bare_box,
    calm_wheel,
    column,
    labelled,
    row,
)
from napari_instseg.widgets.strip import StripView

TICKS = 1000
"""Positions of a slider."""
SETTLE_MS = 400


class ParameterRow(QWidget):
    """One parameter; base of the kinds below.

    Parameters
    ----------
    parameter : Parameter
        Its declaration.
    """

    changed = Signal(str, object)
    """Name and value, while the user changes it."""
    settled = Signal()
    """The user is done changing it."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.parameter = parameter
        self.show_default(parameter.default)

    def show_default(self, value: Any) -> None:
        """Say in the tooltip what Reset gives."""
        self.setToolTip(tooltip(self.parameter, value))

    def show_value(self, value: Any) -> None:
        """Show a value without telling anyone."""
        raise NotImplementedError

    def show_pixel_size(self, micrometres: float | None) -> None:
        """Say sizes in micrometres too, where the image has a scale."""


class NumberRow(ParameterRow):
    """A number: a title, a box to type into, a slider."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self._box = _box(parameter)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, TICKS)
        self._slider.setAccessibleName(parameter.title)
        self._title = FittingLabel(parameter.title)
        self._size = QLabel()
        self._size.setStyleSheet("font-size: 8pt; color: gray;")
        self._micrometres: float | None = None
        calm_wheel(self._slider)
        self.strip = StripView(self._slider, self._describe)
        self.strip.chosen.connect(self._go_to)
        layout = column(row(self._title, self._size, self._box, stretch=0), self._slider, self.strip)
        layout.setSpacing(2)
        self.setLayout(layout)
        self._calm = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._calm.timeout.connect(self.settled)
        self._box.valueChanged.connect(self._from_box)
        self._slider.valueChanged.connect(self._from_slider)
        self._slider.sliderReleased.connect(self._release)
        self.show_value(parameter.default)

    @property
    def slider(self) -> QSlider:
        """The slider, for scripts that drag it."""
        return self._slider

    def show_value(self, value: float) -> None:
        """Show a value without telling anyone."""
        for widget, shown in ((self._box, value), (self._slider, round(TICKS * share_of(self.parameter, value)))):
            if widget.value() != shown:  # else a box is drawn all the same
                widget.blockSignals(True)
                widget.setValue(shown)
                widget.blockSignals(False)
        self._say_size(value)
        self.strip.show_value()

    def show_pixel_size(self, micrometres: float | None) -> None:
        """Say sizes in micrometres too, where the image has a scale."""
        self._micrometres = micrometres
        self._say_size(self._box.value())

    def _describe(self, point: Point) -> str:
        """Say what there would be at a value."""
        unit = f" {self.parameter.unit}" if self.parameter.unit else ""
        score = f", score {point.score:.2f}" if point.score is not None else ""
        objects = f"{point.n_objects} object{'' if point.n_objects == 1 else 's'}"
        return f"{point.value:g}{unit}: {objects} in view{score}. Click to go there."

    def _go_to(self, share: float) -> None:
        value = value_at(self.parameter, share)
        if value != self._box.value():
            self.show_value(value)
            self.changed.emit(self.parameter.name, value)
            self.settled.emit()

    def _say_size(self, value: float) -> None:
        text = ""
        if self._micrometres is not None and self.parameter.unit == "px":
            # whole numbers of pixels count them, others are lengths
            counts = self.parameter.kind == "int"
            text = f"{value * self._micrometres**2:.3g} µm²" if counts else f"{value * self._micrometres:.3g} µm"
        self._size.setText(text)

    def _from_box(self, value: float) -> None:
        self.show_value(value)
        self.changed.emit(self.parameter.name, value)
        self._calm.start()

    def _from_slider(self, position: int) -> None:
        value = value_at(self.parameter, position / TICKS)
        if value != self._box.value():
            self._box.blockSignals(True)
            self._box.setValue(value)
            self._box.blockSignals(False)
            self._say_size(value)
            self.strip.show_value()
            self.changed.emit(self.parameter.name, value)
        if not self._slider.isSliderDown():
            self._calm.start()

    def _release(self) -> None:
        self._calm.stop()
        self.settled.emit()


class FlagRow(ParameterRow):
    """A yes or no: a box to tick."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self._box = QCheckBox(parameter.title)
        self.setLayout(column(self._box))
        self.show_value(parameter.default)
        self._box.toggled.connect(self._tell)

    def show_value(self, value: bool) -> None:
        """Show a value without telling anyone."""
        self._box.blockSignals(True)
        self._box.setChecked(value)
        self._box.blockSignals(False)

    def _tell(self, value: bool) -> None:
        self.changed.emit(self.parameter.name, value)
        self.settled.emit()


class ChoiceRow(ParameterRow):
    """One of several words."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self._choice = Choice(tooltip(parameter, parameter.default))
        self._choice.offer([(value, value) for value in parameter.choices], parameter.default)
        self.setLayout(column(labelled(parameter.title, self._choice, 110)))
        self._choice.chosen.connect(self._tell)

    def show_value(self, value: str) -> None:
        """Show a value without telling anyone."""
        self._choice.show_value(value)

    def _tell(self, value: object) -> None:
        self.changed.emit(self.parameter.name, value)
        self.settled.emit()


class TextRow(ParameterRow):
    """A free text."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self._line = QLineEdit()
        self.setLayout(column(labelled(parameter.title, self._line, 110)))
        self.show_value(parameter.default)
        self._line.editingFinished.connect(self._tell)

    def show_value(self, value: str) -> None:
        """Show a value without telling anyone."""
        self._line.setText(value)

    def _tell(self) -> None:
        self.changed.emit(self.parameter.name, self._line.text())
        self.settled.emit()


ROWS: dict[str, type[ParameterRow]] = {
    "float": NumberRow,
    "int": NumberRow,
    "bool": FlagRow,
    "choice": ChoiceRow,
    "text": TextRow,
}


class ParameterForm(QWidget):
    """All parameters of a class; those for experts are folded away, those that do not apply are hidden."""

    changed = Signal(str, object)
    """Name and value, while the user changes it."""
    settled = Signal()
    """The user is done changing one."""
    unfolded = Signal()
    """Those for experts can be seen now."""

    def __init__(self, params: type[Params]) -> None:
        super().__init__()
        self.params = params
        self.rows = {parameter.name: ROWS[parameter.kind](parameter) for parameter in params.parameters()}
        plain = [r for r in self.rows.values() if not r.parameter.advanced]
        expert = [r for r in self.rows.values() if r.parameter.advanced]
        layout = column(*plain)
        layout.setSpacing(SPACE + 2)
        self._more: Section | None = None
        if expert:
            inner = QWidget()
            inner.setLayout(column(*expert))
            self._more = Section("More", inner, opened=False)
            self._more.unfolded.connect(self.unfolded)
            layout.addWidget(self._more)
        self.setLayout(layout)
        for made in self.rows.values():
            made.changed.connect(self.changed)
            made.settled.connect(self.settled)
        self.show_values(params())

    def show_values(self, values: Params) -> None:
        """Show values without telling anyone; rows that do not apply to them are hidden."""
        applying = {parameter.name for parameter in values.visible()}
        for name, made in self.rows.items():
            made.show_value(getattr(values, name))
            made.setVisible(name in applying)
            if isinstance(made, NumberRow) and made.strip.strip is not None:
                made.strip.show_valid(made.strip.strip.belongs_to(values))
        if self._more is not None:
            self._more.setVisible(any(r.parameter.advanced and n in applying for n, r in self.rows.items()))

    def show_defaults(self, values: Params) -> None:
        """Say in the tooltips what Reset gives, such as a model's own values."""
        for name, made in self.rows.items():
            made.show_default(getattr(values, name))

    def show_pixel_size(self, micrometres: float | None) -> None:
        """Say sizes in micrometres too, where the image has a scale."""
        for made in self.rows.values():
            made.show_pixel_size(micrometres)

    def with_strip(self) -> tuple[str, ...]:
        """Name the numbers that the user can see, in their order."""
        return tuple(name for name, made in self.rows.items() if isinstance(made, NumberRow) and made.isVisible())

    def show_strip(self, strip: Strip) -> None:
        """Show how the number of objects depends on a parameter."""
        made = self.rows.get(strip.name)
        if isinstance(made, NumberRow):
            made.strip.show_strip(strip)

    def fade_strips(self) -> None:
        """Show that the strips are of another slice or other true objects, until new ones come."""
        for made in self.rows.values():
            if isinstance(made, NumberRow):
                made.strip.show_valid(False)

    def clear_strips(self) -> None:
        """Show no strips, as for another image."""
        for made in self.rows.values():
            if isinstance(made, NumberRow):
                made.strip.show_strip(None)


def tooltip(parameter: Parameter, own: Any) -> str:
    """Say what a parameter does, its value unless it is changed, range and name in commands."""
    unit = f" {parameter.unit}" if parameter.unit else ""
    default = f"{own:g}" if parameter.kind in ("int", "float") else str(own)
    limits = f", {parameter.minimum:g} to {parameter.maximum:g}{unit}" if parameter.minimum is not None else ""
    return f"<p>{parameter.help}</p><p><i>{parameter.name}: {default}{unit} unless changed{limits}</i></p>"


def _box(parameter: Parameter) -> QSpinBox | QDoubleSpinBox:
    if parameter.kind == "int":
        box: QSpinBox | QDoubleSpinBox = QSpinBox()
    else:
        box = QDoubleSpinBox()
        box.setDecimals(decimals(parameter.step or 0.01))
    box.setRange(*_range(parameter))
    box.setSingleStep(parameter.step or 1)
    short = parameter.unit if len(parameter.unit) <= 4 else ""
    box.setSuffix(f" {short}" if short else "")
    bare_box(box, 76)
    box.setAccessibleName(parameter.title)
    return box


def _range(parameter: Parameter) -> tuple[float, float]:
    low, high = limits(parameter)
    return (int(low), int(high)) if parameter.kind == "int" else (low, high)
