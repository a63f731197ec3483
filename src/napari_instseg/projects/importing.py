"""Label files become examples of a project, behind the window, one after another; it can be stopped between two."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.projects.project import Project
from napari_instseg.session.jobs import BackgroundJob, Ended, Post
from napari_instseg.session.status import Pace

Files = Sequence[tuple[Path, Path]]
"""Image files, each with its label file."""


class Importing:
    """Reads label files into a project.

    Parameters
    ----------
    post : callable
        See `Post`: what it says comes by it.
    """

    changed = Signal()
    """It began or ended."""
    told = Signal(str, str)
    """A message, and its tone."""
    advanced = Signal(object, str)
    """Done fraction, and count with time left."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._job: BackgroundJob | None = None
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether it reads, or its end is not yet told."""
        return self._job is not None

    def start(self, project: Project, files: Files, diameter: float | None) -> None:
        """Take image files with their label files as examples in which all is known.

        Parameters
        ----------
        diameter : float, optional
            Typical object diameter in all of them, in pixels.
        """
        added, pace = 0, Pace()

        def receive(event: Any) -> None:
            nonlocal added
            if self._closed:
                return
            if isinstance(event, Progress):
                self.advanced.emit(*pace.see(event))
            elif isinstance(event, Result):
                added += 1
            elif isinstance(event, Ended):
                self._job = None
                self.changed.emit()
                count = f"{added} of {len(files)} image{'s' * (len(files) != 1)} with labels added."
                self.told.emit(f"{event.error} {count}".strip(), "error" if event.error else "good")

        self._job = BackgroundJob(_import(project, files, diameter), receive, self._post)
        self.changed.emit()

    def stop(self) -> None:
        """End after the file that is being read; what was added stays."""
        if self._job is not None:
            self._job.stop()

    def leave(self) -> None:
        """`stop`, and tell nothing more."""
        self._closed = True
        self.stop()

    @property
    def ended(self) -> bool:
        """Whether the thread has ended, which it may have before that is told."""
        return self._job is None or not self._job.running

    def close(self) -> None:
        """`leave`, and wait for the end of the thread."""
        self.leave()
        if self._job is not None:
            self._job.wait(60.0)


def _import(project: Project, files: Files, diameter: float | None) -> Generator[Event, None, None]:
    for done, (image, labels) in enumerate(files):
        yield Progress(done, len(files), "label files")
        yield Result(project.import_labels(image, labels, diameter))
