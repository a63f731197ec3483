"""Closing a project while the window goes on: what learns ends its step, what waits is saved, others may open it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from qtpy.QtCore import QCoreApplication, QObject, QTimer

from napari_instseg.projects.project import Project

LOOK_MS = 50
"""Between two looks whether all has ended."""


class Work(Protocol):
    """What a thread does in a project."""

    def leave(self) -> None:
        """Tell nothing more, and end as soon as nothing is lost by it."""

    @property
    def ended(self) -> bool:
        """Whether the thread has ended."""

    def close(self) -> None:
        """`leave`, and wait for the end of the thread."""


class Closing(QObject):
    """A project that is being closed, in the window's thread, where it was locked.

    At the program's end it is waited for.

    Parameters
    ----------
    project : Project
    works : Work
        What goes on in it.
    """

    def __init__(self, project: Project, *works: Work) -> None:
        super().__init__(QCoreApplication.instance())
        self.folder: Path | None = None
        self._project, self._works = project, works
        for work in works:
            work.leave()
        project.leave()
        if self._is_over():
            project.close()
            self._forget()
            return
        self.folder = project.folder
        app = QCoreApplication.instance()
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        app.aboutToQuit.connect(self._end)

    def _is_over(self) -> bool:
        return all(work.ended for work in self._works) and self._project.idle

    def _look(self) -> None:
        if self._is_over():
            QCoreApplication.instance().aboutToQuit.disconnect(self._end)
            self._end()

    def _end(self) -> None:
        self._timer.stop()
        for work in self._works:
            work.close()
        self._project.close()
        self._forget()

    def _forget(self) -> None:
        """Let the application keep it no more."""
        self.folder = None
        self.setParent(None)
        self.deleteLater()


def is_closing(folder: Path) -> bool:
    """Return whether a project was closed here and still saves what was done."""
    return any(closing.folder == folder.resolve() for closing in QCoreApplication.instance().findChildren(Closing))
