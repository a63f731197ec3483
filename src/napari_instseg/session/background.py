"""Answers to the latest question, worked out in a thread and handed over in the session's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from napari_instseg.session.jobs import Latest, Post, in_words


class BackgroundWork:
    """Works on the newest question only; answers to an older one are dropped.

    Parameters
    ----------
    work : callable
        ``work(question, is_stale)`` yields answers, as many as it likes; it may give up when `is_stale()`.
    deliver : callable
        Gets each answer, in the session's thread.
    fail : callable
        Gets a problem in words.
    post : callable
        See `Post`.
    """

    def __init__(
        self,
        work: Callable[[Any, Callable[[], bool]], Iterator[Any]],
        deliver: Callable[[Any], None],
        fail: Callable[[str], None],
        post: Post,
    ) -> None:
        self._work, self._deliver, self._fail, self._post = work, deliver, fail, post
        self._latest = Latest(self._answer)
        self._sent = self._arrived = 0  # each is written in one thread only
        self.ask, self.drop, self.close = self._latest.ask, self._latest.drop, self._latest.close

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, worked on, or waiting to be handed over."""
        return self._latest.idle and self._sent == self._arrived

    def _answer(self, question: Any, is_stale: Callable[[], bool]) -> None:
        try:
            for answer in self._work(question, is_stale):
                if is_stale():
                    return
                self._hand_over(lambda answer=answer: None if is_stale() else self._deliver(answer))  # type: ignore[misc]
        except Exception as problem:
            words = in_words(problem)
            self._hand_over(lambda: None if is_stale() else self._fail(words))

    def _hand_over(self, call: Callable[[], None]) -> None:
        self._sent += 1
        self._post(lambda: self._arrive(call))

    def _arrive(self, call: Callable[[], None]) -> None:
        self._arrived += 1
        call()
