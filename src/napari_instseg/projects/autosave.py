"""Edits are written as soon as they are made, behind the window."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

from napari_instseg.session.jobs import Post, in_words

Write = Callable[[], None]


class Autosaver:
    """A thread that writes the newest state of each of several things.

    Parameters
    ----------
    told : callable
        Gets the number of things that wait and, where writing failed, the problem in words, by way of `post`.
    post : callable
        See `Post`.
    """

    def __init__(self, told: Callable[[int, str], None], post: Post) -> None:
        self._told, self._post = told, post
        self._changed = Condition()
        self._waiting: dict[str, Write] = {}
        self._busy = self._closed = False
        self._thread = Thread(target=self._serve, name="instseg-autosave", daemon=True)
        self._thread.start()

    def save(self, name: str, write: Write) -> None:
        """Write this soon, instead of what waits under the same name."""
        with self._changed:
            self._waiting[name] = write
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether all is written, or could not be."""
        with self._changed:
            return not (self._waiting or self._busy)

    def flush(self, seconds: float = 60.0) -> bool:
        """Wait until all that was asked for is on disk, or could not be written; tell whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._busy), seconds)

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(60.0)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                name = next(iter(self._waiting))
                write = self._waiting.pop(name)
                self._busy = True
            problem = ""
            try:
                write()
            except Exception as error:
                problem = in_words(error)
            with self._changed:
                count = len(self._waiting)
            self._post(lambda count=count, problem=problem: self._told(count, problem))  # type: ignore[misc]
