"""The Export section: labels, table and overlay, each by itself or all into a folder."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_instseg.io.home import home
from napari_instseg.segmenting.export import SUFFIXES, Kind, paths_in
from napari_instseg.widgets.parts import allow, button, column, row

TITLES: dict[Kind, tuple[str, str]] = {
    "labels": ("Labels…", "One number per object, as TIFF (*.tif), for Fiji, QuPath or Python."),
    "table": ("Table…", "One row per object with position, area and score, as CSV (*.csv), for a spreadsheet."),
    "masks": ("Outlines…", "Whole objects, also where they lie under others, as COCO JSON (*.json)."),
    "overlay": ("Picture…", "The image with outlined objects, as PNG (*.png)."),
}
ALL_HELP = "Labels, table, outlines and picture into a folder, laid out as instseg train and instseg evaluate read it."


class ExportSection(QWidget):
    """Buttons that ask where to write."""

    asked = Signal(dict)
    """The files to write, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self._name = "objects"
        self._folder = home()
        self._buttons: dict[Kind, QPushButton] = {kind: button(*texts) for kind, texts in TITLES.items()}
        self._all = button("Export all into a folder…", ALL_HELP)
        for kind, made in self._buttons.items():
            made.clicked.connect(lambda _=False, kind=kind: self._ask_file(kind))
        self._all.clicked.connect(self._ask_folder)
        self.setLayout(column(row(*self._buttons.values()), self._all))
        self.setAccessibleName("Export")

    def start_in(self, folder: Path) -> None:
        """Begin dialogs there, as beside the image."""
        self._folder = folder

    def allow(self, obstacle: str, name: str) -> None:
        """Enable the buttons, or say why nothing can be written; `name` is that of the image."""
        self._name = name.replace("/", "_").replace("\\", "_") or "objects"
        for kind, made in self._buttons.items():
            allow(made, obstacle, TITLES[kind][1])
        allow(self._all, obstacle, ALL_HELP)

    def _ask_file(self, kind: Kind) -> None:
        suffix = SUFFIXES[kind]
        start = str(self._folder / f"{self._name} {kind}{suffix}")
        chosen, _ = QFileDialog.getSaveFileName(self, f"Write {kind}", start, f"*{suffix}")
        if chosen:
            path = Path(chosen)
            self._folder = path.parent
            self.asked.emit({kind: path if path.suffix else path.with_suffix(suffix)})

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self, "Write labels, table, outlines and picture into", str(self._folder)
        )
        if chosen:
            self._folder = Path(chosen)
            self.asked.emit(paths_in(self._folder, self._name))
