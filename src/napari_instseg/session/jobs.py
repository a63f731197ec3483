"""Threads of the session: one long operation that can be stopped, and one worker that serves the latest request."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Condition, Event, Thread, main_thread
from typing import Any

from napari_instseg.core import events
from napari_instseg.core.errors import InstsegError

logger = logging.getLogger(__name__)

Post = Callable[[Callable[[], None]], None]
"""Runs a call later in the thread that owns the session, such as the window's."""


@dataclass(frozen=True)
class Ended:
    """The last thing that a job says; its generator is closed by then.

    Parameters
    ----------
    error : str
        In words, empty if there was none.
    stopped : bool
        Whether it was asked to stop before its end.
    """

    error: str = ""
    stopped: bool = False


class BackgroundJob:
    """A generator of events, run in a thread of its own.

    Parameters
    ----------
    operation : generator of Event
        Stopping is closing it, between two of its events.
    receive : callable
        Gets each event, and `Ended` at the end, by way of `post`.
    post : callable
        See `Post`.
    """

    def __init__(
        self,
        operation: Generator[events.Event, None, None],
        receive: Callable[[events.Event | Ended], None],
        post: Post,
    ) -> None:
        self._operation, self._receive, self._post = operation, receive, post
        self._stop = Event()
        self._thread = Thread(target=self._run, name="instseg-job", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the operation to end after the event that it is working on."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end of the thread; tell whether it came in time."""
        self._thread.join(seconds)
        return not self.running

    def _run(self) -> None:
        error = ""
        try:
            for event in self._operation:
                self._say(event)  # also when it was asked to stop meanwhile: what is done is kept
                if self._stop.is_set():
                    break
        except Exception as problem:
            error = in_words(problem)
        finally:
            self._operation.close()
            self._say(Ended(error, self._stop.is_set()))

    def _say(self, event: events.Event | Ended) -> None:
        self._post(lambda: self._receive(event))


class Latest:
    """A thread that works on the newest request only; one that it has not begun is replaced by a newer one.

    Parameters
    ----------
    work : callable
        ``work(request, is_stale)``; long work asks `is_stale()` in between and gives up when it says so.
    """

    def __init__(self, work: Callable[[Any, Callable[[], bool]], None]) -> None:
        self._work = work
        self._changed = Condition()
        self._number = 0
        self._request: Any = None
        self._waiting = self._busy = self._closed = False
        self._thread: Thread | None = None

    def ask(self, request: Any) -> None:
        """Replace whatever is waiting or worked on."""
        with self._changed:
            if self._closed:
                return
            self._number += 1
            self._request, self._waiting = request, True
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="instseg-decoder", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drop(self) -> None:
        """Make whatever is waiting or worked on stale."""
        with self._changed:
            self._number += 1
            self._request, self._waiting = None, False

    def close(self, seconds: float = 5.0) -> None:
        """End the thread after what it is doing; for that the program's end waits a while."""
        with self._changed:
            self._closed = True
            self._number += 1
            self._changed.notify_all()
        if self._thread is not None:
            atexit.register(self._thread.join, seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or worked on."""
        with self._changed:
            return not (self._waiting or self._busy)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                number, request = self._number, self._request
                self._request, self._waiting, self._busy = None, False, True
            self._work(request, lambda number=number: number != self._number)  # type: ignore[misc]


def in_words(problem: Exception) -> str:
    """Say a problem in words; one that is no `InstsegError` is logged with its traceback."""
    if isinstance(problem, InstsegError):
        return str(problem)
    if isinstance(problem, MemoryError):
        return "There is not enough memory for this. Close other images, or choose a smaller one."
    if main_thread().is_alive():  # else the program ends, and takes away what the thread needs
        logger.error("unexpected problem", exc_info=problem)
    return f"Unexpected problem, {type(problem).__name__}: {problem}. The details are in the log."
