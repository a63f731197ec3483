"""Corrections that are in no project are kept all the same, and offered when the program is started again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_instseg.core.errors import InstsegError
from napari_instseg.io.atomic import make_folder
from napari_instseg.io.home import data_folder
from napari_instseg.io.lock import is_held
from napari_instseg.io.projects import read_project
from napari_instseg.projects.project import Project
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.jobs import Post
from napari_instseg.session.source import Channel, Reading, Source

UNSAVED, RESCUED = "unsaved", "projects"
"""In the folder of the user's data: what is in no project yet, and what was made a project of it."""

_own: set[Path] = set()
"""Folders of this process: they are not offered to it, and a dock that is opened again goes on with them."""


@dataclass(frozen=True)
class Rest:
    """Corrections of an earlier session that are in no project.

    Parameters
    ----------
    folder : Path
        A project folder.
    images : int
    when : str
        Of their last change.
    """

    folder: Path
    images: int
    when: str

    @property
    def words(self) -> str:
        """What there is, in a sentence."""
        of = f"{self.images} images" if self.images != 1 else "an image"
        return f"Corrections of {of} from {self.when} are in no project yet."


@dataclass(frozen=True)
class Kept:
    """What `Project.follow` is told of an image."""

    source: Source
    reading: Reading
    corrections: Annotation
    channel: Channel | None
    diameter: float | None
    model: str

    def into(self, project: Project, *, anew: bool = False) -> str:
        """Let a project follow these corrections."""
        return project.follow(
            self.source,
            self.reading,
            self.corrections,
            channel=self.channel,
            diameter=self.diameter,
            model=self.model,
            anew=anew,
        )


class Unsaved:
    """Keeps corrections in a folder of its own as long as no project does.

    Parameters
    ----------
    post : callable
        See `Post`.
    failed : callable
        Gets a problem in words.
    folder : Path, optional
        Where the folders are; in the user's data if None.
    """

    def __init__(self, post: Post, failed: Callable[[str], None], folder: Path | None = None) -> None:
        self._post, self._failed = post, failed
        self._root = folder if folder is not None else data_folder()
        self.project: Project | None = None
        self._kept: list[Kept] = []

    def keep(self, kept: Kept) -> None:
        """Keep the corrections of an image, now and after each of their changes.

        Raises
        ------
        InstsegError
            If they cannot be written.
        """
        if any(one.corrections is kept.corrections for one in self._kept):
            return
        if self.project is None:
            self.project = self._open()
            self.project.saved.connect(self._tell)
        kept.into(self.project)
        self._kept.append(kept)

    def move_into(self, project: Project) -> None:
        """Let a new project follow all that is kept here."""
        for kept in self._kept:
            kept.into(project)
        self.drop(*(kept.corrections for kept in self._kept))

    def drop(self, *corrections: Annotation) -> None:
        """Keep these no more, since a project does; without any left the folder goes."""
        project = self.project
        if project is None:
            return
        gone = [kept for kept in self._kept if any(kept.corrections is one for one in corrections)]
        self._kept = [kept for kept in self._kept if kept not in gone]
        for name in filter(None, [project.name_of(kept.corrections) for kept in gone]):
            project.remove(name)
        if not gone or self._kept or project.spec.examples:
            return  # what an earlier dock kept there is not known here
        self.project = None
        project.close()
        _own.discard(project.folder)
        shutil.rmtree(project.folder, ignore_errors=True)

    def left(self) -> list[Rest]:
        """List what earlier sessions left, the newest first; what another window keeps is its own."""
        found: list[Rest] = []
        with suppress(OSError):
            for folder in sorted((self._root / UNSAVED).iterdir(), reverse=True):
                if folder.resolve() in _own or is_held(folder / ".lock"):
                    continue
                with suppress(InstsegError, OSError):
                    images = len(read_project(folder).examples)
                    when = datetime.fromtimestamp((folder / "project.json").stat().st_mtime)
                    if images:
                        found.append(Rest(folder, images, f"{when:%d %b %Y, %H:%M}"))
        return found

    def rescue(self, rest: Rest) -> Path:
        """Make a project like any other of what an earlier session left; return its folder."""
        folder = make_folder(self._root / RESCUED) / rest.folder.name
        number = 2
        while folder.exists():
            folder = folder.with_name(f"{rest.folder.name} ({number})")
            number += 1
        os.replace(rest.folder, folder)
        return folder

    def discard(self, rest: Rest) -> None:
        """Delete what an earlier session left."""
        shutil.rmtree(rest.folder, ignore_errors=True)

    def _open(self) -> Project:
        """Make a folder, or go on with the one that an earlier dock of this process made."""
        root = make_folder(self._root / UNSAVED)
        for folder in sorted(_own):
            if folder.parent == root.resolve() and (folder / "project.json").exists():
                with suppress(InstsegError):  # another dock has it open
                    return Project(folder, self._post, remembers=False)
        folder = root / f"{datetime.now():%Y-%m-%d %H.%M.%S} {os.getpid()}"
        number = 2
        while folder.exists():
            folder = folder.with_name(f"{datetime.now():%Y-%m-%d %H.%M.%S} {os.getpid()} ({number})")
            number += 1
        project = Project(folder, self._post, create=True, remembers=False)
        _own.add(project.folder)
        return project

    def _tell(self, waiting: int, problem: str) -> None:
        if problem:
            self._failed(f"NOT SAVED: {problem}")
