"""The Why part of Look: a list of the objects, the least certain first, and why the selected one is as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_instseg.inspecting.why import Listed, Reason
from napari_instseg.widgets.parts import Note, button, column, row

PREVIOUS_KEY, NEXT_KEY = "F7", "F8"
HEIGHT, ROW_HEIGHT = 150, 22
COLUMNS = (
    ("Object", "Number of the object, as in the layer of objects."),
    ("Confidence", "How sure the network is of the object, 0 to 1. Low ones deserve a look."),
    ("Size", "Area in pixels; of volumes, the number of voxels."),
)
INVITATION = "Click on an object, or choose one in the list."


class ObjectTable(QAbstractTableModel):
    """The objects as Qt's tables want them: only rows in view are ever asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: Listed | None = None
        self._order: Any = np.zeros(0, np.int64)
        self._sorted_by = (1, Qt.SortOrder.AscendingOrder)
        self.color_of: Callable[[int], QColor | None] = lambda _label: None

    def show(self, listed: Listed) -> None:
        """Replace the objects."""
        self.beginResetModel()
        self._listed = listed
        self._arrange()
        self.endResetModel()

    def label_at(self, place: int) -> int:
        """Return the object in a row."""
        assert self._listed is not None
        return int(self._listed.label[self._order[place]])

    def row_of(self, label: int) -> int:
        """Return the row of an object, -1 if there is none."""
        if self._listed is None or label not in self._listed.row_of:
            return -1
        return int(np.flatnonzero(self._order == self._listed.row_of[label])[0])

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the objects."""
        return len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        if self._listed is None or not index.isValid():
            return None
        at = self._order[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            score = self._listed.score[at]
            shown = (self._listed.label[at], "" if np.isnan(score) else f"{score:.2f}", self._listed.area[at])
            return str(shown[index.column()])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return self.color_of(int(self._listed.label[at]))
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return the titles of the columns, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        return {Qt.ItemDataRole.DisplayRole: COLUMNS[section][0], Qt.ItemDataRole.ToolTipRole: COLUMNS[section][1]}.get(
            Qt.ItemDataRole(role)
        )

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self.layoutAboutToBeChanged.emit()
        self._sorted_by = (column, order)
        self._arrange()
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        if self._listed is None:
            return
        column, order = self._sorted_by
        values = (self._listed.label, self._listed.score, self._listed.area)[column]
        sign = 1 if order == Qt.SortOrder.AscendingOrder else -1
        self._order = np.argsort(sign * values, kind="stable")


class WhyPart(QWidget):
    """The list, steps through it, and the sentences on the selected object."""

    chosen = Signal(int)
    """The object that the user chose in the list."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ObjectTable()
        self._view = QTableView()
        self._view.setModel(self.table)
        self._view.setToolTip("All objects, the least certain first. Click a title to sort by it.")
        self._view.setFixedHeight(HEIGHT)
        self._view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._view.verticalHeader().hide()
        self._view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self._view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self._view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._view.setSortingEnabled(True)
        self._view.sortByColumn(1, Qt.SortOrder.AscendingOrder)
        self._previous = button("◀ Previous", "The object before in the list; the view moves there.", PREVIOUS_KEY)
        self._next = button("Next ▶", "The next object in the list; the view moves there.", NEXT_KEY)
        self._reason = Note(INVITATION)
        self._reason.setToolTip("Measured on the selected object, and by trying other values of each slider on it.")
        self.setLayout(column(self._view, row(self._previous, self._next), self._reason))
        self._view.clicked.connect(lambda index: self.chosen.emit(self.table.label_at(index.row())))
        self._previous.clicked.connect(lambda: self.step(-1))
        self._next.clicked.connect(lambda: self.step(1))
        self._selected = 0

    def show_objects(self, listed: Listed, selected: int) -> None:
        """List the objects."""
        self.table.show(listed)
        for control in (self._previous, self._next):
            control.setEnabled(len(listed.label) > 0)
        self.show_selected(selected)

    def show_selected(self, label: int) -> None:
        """Mark an object in the list."""
        self._selected = label
        place = self.table.row_of(label)
        if place < 0:
            self._view.clearSelection()
        else:
            self._view.selectRow(place)
            self._view.scrollTo(self.table.index(place, 0))

    def show_reason(self, reason: Reason | None) -> None:
        """Say why the selected object is as it is."""
        if reason is None:
            self._reason.say(INVITATION)
            return
        lines = [*reason.facts, *(f"{turn}." for turn in reason.turns)]
        if not reason.complete:
            lines.append("Trying the sliders on it …")
        self._reason.say("\n".join(lines))

    def step(self, by: int) -> None:
        """Choose the next or a previous object of the list."""
        count = self.table.rowCount()
        if count:
            place = self.table.row_of(self._selected)
            self.chosen.emit(self.table.label_at((place + by) % count if place >= 0 else 0))
