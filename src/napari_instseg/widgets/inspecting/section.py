"""The Look section: what the network said as layers, the lens, the reasons for an object, the plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_instseg.core.method import View
from napari_instseg.widgets.inspecting.embedding_plot import PlotPart
from napari_instseg.widgets.inspecting.lens import LensPart
from napari_instseg.widgets.inspecting.object_list import WhyPart
from napari_instseg.widgets.parts import Note, Section, allow, column


class ViewsPart(QWidget):
    """A box to tick for each view that the method declares."""

    toggled = Signal(object, bool)
    """A `View`, and whether it shall be a layer."""

    def __init__(self) -> None:
        super().__init__()
        self._boxes: dict[str, tuple[View, QCheckBox]] = {}
        self._empty = Note("Choose a model to see what can be looked at.")
        self._layout = column(self._empty)
        self.setLayout(self._layout)

    def show_views(self, views: Sequence[View]) -> None:
        """Offer the views of a method."""
        for _, box in self._boxes.values():
            box.hide()  # deleted only when the event loop is idle
            box.deleteLater()
        self._boxes = {view.name: (view, QCheckBox(view.title)) for view in views}
        for view, box in self._boxes.values():
            self._layout.addWidget(box)
            box.toggled.connect(lambda on, view=view: self.toggled.emit(view, on))
        self._empty.setVisible(not views)

    def show_state(self, obstacle: Callable[[View], str], shown: Callable[[View], bool]) -> None:
        """Grey what cannot be shown now, with the reason, and tick what is shown."""
        for view, box in self._boxes.values():
            why = obstacle(view)
            allow(box, f"<p>{view.help}</p><p>{why}</p>" if why else "", f"<p>{view.help}</p>")
            box.blockSignals(True)
            box.setChecked(shown(view))
            box.blockSignals(False)

    def wanted(self) -> list[View]:
        """Return the views that are ticked."""
        return [view for view, box in self._boxes.values() if box.isChecked()]


class LookSection(QWidget):
    """Layers, lens, why, plot: each folds by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.views, self.lens, self.why, self.plot = ViewsPart(), LensPart(), WhyPart(), PlotPart()
        self.why_section = Section("Why", self.why, opened=False)
        self.plot_section = Section("Plot of the embedding", self.plot, opened=False)
        self.setLayout(
            column(
                self.lens,
                Section("Layers", self.views),
                self.why_section,
                self.plot_section,
            )
        )
