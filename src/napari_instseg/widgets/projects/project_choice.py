"""The Project part of the Retrain section: which folder keeps the corrections, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QListWidget, QWidget

from napari_instseg.io.home import home
from napari_instseg.io.projects import ExampleSpec
from napari_instseg.widgets.parts import Choice, Note, advance, button, column, labelled, progress_bar, row

ROWS = 4
"""Examples that are seen without scrolling."""


class ProjectChoice(QWidget):
    """Make, open and reopen a project; its examples."""

    made = Signal(object)
    """A new folder for a project."""
    opened = Signal(object)
    """The folder of a project, or None to close the one that is open."""
    example_opened = Signal(str)
    example_removed = Signal(str)
    labels_imported = Signal(object, object)
    """Image files and their label files."""
    import_stopped = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._choice = Choice("Keeps corrections and models. It saves itself after every edit.")
        self._choice.setPlaceholderText("none is open")
        self._new = button("New…", "Make a project in a new or empty folder.")
        self._open = button("Open…", "Open the folder of a project.")
        self._facts = Note()
        self._list = QListWidget()
        self._list.setToolTip("Images that teach. Double-click one to open it with its corrections.")
        self._list.setFixedHeight(ROWS * 18 + 6)
        self._import = button("Add labels…", "Take image files with label files in which every object is right.")
        self._bar = progress_bar()
        self._stop = button("Stop adding", "Add no more label files after this one.")
        self._remove = button("Remove", "Take the chosen example out. Its edits stay on disk.")
        self._folder = home()
        self._inner = QWidget()
        self._at_rest = row(QWidget(), self._import, self._remove, stretch=0)
        self._importing = row(self._bar, self._stop, stretch=0)
        self._inner.setLayout(column(self._list, self._at_rest, self._importing))
        self.setLayout(
            column(
                labelled("Project", self._choice),
                row(QWidget(), self._new, self._open, stretch=0),
                self._facts,
                self._inner,
            )
        )
        self._new.clicked.connect(self._ask_new)
        self._open.clicked.connect(self._ask_open)
        self._choice.chosen.connect(self.opened)
        self._import.clicked.connect(self._ask_import)
        self._stop.clicked.connect(self.import_stopped)
        self._list.itemDoubleClicked.connect(lambda item: self.example_opened.emit(item.text()))
        self._list.itemSelectionChanged.connect(self._allow)
        self._remove.clicked.connect(self._ask_remove)
        self.show_project(None, (), ())
        self.show_importing(running=False)

    def show_project(self, folder: Path | None, recent: Sequence[Path], examples: Sequence[ExampleSpec]) -> None:
        """Show the project that is open, and offer those that were."""
        known = [*([folder.resolve()] if folder is not None else []), *recent]
        options: list[tuple[str, object]] = [(path.name, path) for path in dict.fromkeys(known)]
        if folder is not None:
            options.append(("close it", None))
        self._choice.offer(options, folder.resolve() if folder is not None else -1)
        self._choice.setEnabled(bool(options))
        chosen = [item.text() for item in self._list.selectedItems()]
        self._list.clear()
        self._list.addItems([example.name for example in examples])
        for number, example in enumerate(examples):
            self._list.item(number).setSelected(example.name in chosen)
        self._inner.setVisible(folder is not None)
        self._allow()

    def start_in(self, folder: Path) -> None:
        """Begin dialogs there, as beside the image."""
        self._folder = folder

    def say(self, text: str, tone: str = "plain") -> None:
        """Show how many examples there are, and whether they are saved."""
        self._facts.say(text, tone)

    def show_importing(self, *, running: bool) -> None:
        """Offer to add label files, or to stop that."""
        self._at_rest.setVisible(not running)
        self._importing.setVisible(running)

    def show_progress(self, fraction: float | None, detail: str) -> None:
        """Show how many label files were added."""
        advance(self._bar, fraction)
        self._facts.say(detail)

    def _allow(self) -> None:
        self._remove.setEnabled(bool(self._list.selectedItems()))

    def _ask_new(self) -> None:
        folder = QFileDialog.getSaveFileName(self, "Name of the new project", str(self._folder / "cells project"))[0]
        if folder:
            self.made.emit(Path(folder))

    def _ask_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a project folder", str(self._folder))
        if folder:
            self.opened.emit(Path(folder))

    def _ask_import(self) -> None:
        images = QFileDialog.getOpenFileNames(self, "Images, one or several", str(self._folder))[0]
        of = f"Labels of {Path(images[0]).name}" if len(images) == 1 else f"Label files of the {len(images)} images"
        labels = QFileDialog.getOpenFileNames(self, of, str(Path(images[0]).parent))[0] if images else []
        if labels:
            self.labels_imported.emit([Path(image) for image in images], [Path(of) for of in labels])

    def _ask_remove(self) -> None:
        for item in self._list.selectedItems():
            self.example_removed.emit(item.text())
