"""The project folders that were open last, to be reopened with one click."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from pydantic import RootModel

from napari_instseg.core.errors import OutputError
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import PathText, Unreadable, read_record
from napari_instseg.io.home import settings_folder
from napari_instseg.io.projects import is_project

MOST = 8


class Recent:
    """A list in the user's configuration folder; one that cannot be read or written is no problem worth a message.

    Parameters
    ----------
    folder : Path, optional
        Where the list is kept; the user's configuration folder if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or settings_folder()) / "projects.json"

    def read(self) -> list[Path]:
        """Return the folders that are still projects, the last one first."""
        try:
            found = read_record(self._path, RootModel[list[PathText]]).root
            return [Path(name) for name in found if is_project(name)]
        except (OSError, Unreadable):
            return []

    def add(self, folder: Path) -> None:
        """Put a folder first."""
        names = [str(folder.resolve()), *(str(path) for path in self.read() if path != folder.resolve())]
        with suppress(OutputError):
            write_bytes(self._path, json.dumps(names[:MOST], indent=2).encode("utf-8"))
