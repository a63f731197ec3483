"""Closing a project while the window goes on: what learns ends its step, what waits is saved, others may open it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QCoreApplication, QTimer

from napari_instseg.workspace.project import Project
from napari_instseg.workspace.retrain import Retraining

LOOK_MS = 50
"""Between two looks whether all has ended."""

_CLOSING: dict[Path, Closing] = {}


class Closing:
    """A project that is being closed, in the window's thread, where it was locked.

    At the program's end it is waited for.

    Parameters
    ----------
    project : Project
    retraining : Retraining
        What learns in it.
    """

    def __init__(self, project: Project, retraining: Retraining) -> None:
        self._project, self._retraining = project, retraining
        retraining.stop()
        project.leave()
        if retraining.ended and project.idle:
            project.close()
            return
        _CLOSING[project.folder] = self
        app = QCoreApplication.instance()
        self._timer = QTimer(app, interval=LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        app.aboutToQuit.connect(self._end)

    def _look(self) -> None:
        if self._retraining.ended and self._project.idle:
            QCoreApplication.instance().aboutToQuit.disconnect(self._end)
            self._end()

    def _end(self) -> None:
        self._timer.stop()
        self._timer.deleteLater()
        self._retraining.close()
        self._project.close()
        del _CLOSING[self._project.folder]


def is_closing(folder: Path) -> bool:
    """Tell whether a project was closed here and still saves what was done."""
    return folder.resolve() in _CLOSING
