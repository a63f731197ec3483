"""Decoding behind the window: always the newest parameters, what is in view first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from napari_instseg.core.params import Params
from napari_instseg.decoding.pipeline import DecodingStopped
from napari_instseg.session.jobs import Latest, Post, in_words
from napari_instseg.session.results import Proposal, Results
from napari_instseg.session.source import Index

WINDOW_FIRST = 3 << 19
"""Slices with more pixels are decoded in view first, then as a whole (about 1250 x 1250)."""
PATIENCE_S = 0.3
"""A decode that takes longer is given up for a newer one. Others are finished and shown: else nothing would be seen
while a slider is dragged faster than decoding follows."""
SMALL_PART = 0.5
"""Part of a slice's pixels up to which decoding what is in view first is worth it."""


@dataclass(frozen=True, eq=False)
class Request:
    """Which slices to decode with which parameters, the one in view first.

    `window` is what of the first slice is in view; `asked` the time of the change, by `time.perf_counter`.
    """

    results: Results
    parameters: Params
    indices: Sequence[Index]
    window: tuple[slice, ...] | None
    asked: float


class Decoder:
    """Serves one request after the other in a thread, the latest first, and hands over in the session's thread.

    Where the session's thread is slower than decoding, answers are replaced by newer ones of the same slice, so
    that no queue grows.

    Parameters
    ----------
    deliver : callable
        ``deliver(results, proposal)``, with the snapshot of the request.
    fail : callable
        Gets a problem in words.
    post : callable
        See `Post`.
    current : callable, optional
        Gives the newest snapshot, whose ids are kept; called in the decoder's thread.
    """

    def __init__(
        self,
        deliver: Callable[[Results, Proposal], None],
        fail: Callable[[str], None],
        post: Post,
        current: Callable[[], Results | None] = lambda: None,
    ) -> None:
        self._deliver, self._fail, self._post, self._current = deliver, fail, post, current
        self._latest = Latest(self._decode)
        self._lock = Lock()
        self._ready: dict[Index, tuple[Results, Proposal]] = {}
        self._drops = 0

    def ask(self, request: Request) -> None:
        """Decode this next, instead of what waits."""
        self._latest.ask((request, self._drops))

    def drop(self) -> None:
        """Give up whatever is waiting or worked on."""
        self._drops += 1
        self._latest.drop()

    def close(self) -> None:
        """Give up everything, and end the thread."""
        self._drops += 1
        self._latest.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for, worked on, or waiting to be handed over."""
        return self._latest.idle and not self._ready

    def _decode(self, asked: tuple[Request, int], is_replaced: Callable[[], bool]) -> None:
        request, drops = asked
        start = time.perf_counter()
        top = 0

        def is_stale() -> bool:
            return drops != self._drops or (is_replaced() and time.perf_counter() - start > PATIENCE_S)

        try:
            for index in request.indices:
                prediction = request.results.predictions.get(index)
                if prediction is None:
                    continue
                whole = prediction.shape
                window = request.window if index == request.indices[0] and _worth_it(request.window, whole) else None
                for part in (window, None) if window is not None else (None,):
                    begin = time.perf_counter()
                    segmentation = prediction.pipeline.run(request.parameters, part, is_stale)
                    seconds = time.perf_counter() - begin
                    if is_stale():
                        return
                    now = self._current()
                    newest = now if now is not None and now.same_run(request.results) else request.results
                    told: dict[str, Any] = {"asked": request.asked, "decoding": seconds}
                    proposal = newest.propose(index, segmentation, request.parameters, window=part, above=top, **told)
                    top = proposal.top
                    self._hand_over(request.results, proposal)
        except DecodingStopped:
            return
        except Exception as problem:
            words = in_words(problem)
            self._post(lambda: self._fail(words))

    def _hand_over(self, results: Results, proposal: Proposal) -> None:
        with self._lock:
            first = not self._ready
            self._ready[proposal.slice.index] = (results, proposal)
        if first:
            self._post(self._empty)

    def _empty(self) -> None:
        with self._lock:
            ready, self._ready = self._ready, {}
        for results, proposal in ready.values():
            self._deliver(results, proposal)


def _worth_it(window: tuple[slice, ...] | None, shape: tuple[int, ...]) -> bool:
    if window is None or len(window) != len(shape) or int(np.prod(shape)) <= WINDOW_FIRST:
        return False
    sides = [len(range(*part.indices(length))) for part, length in zip(window, shape, strict=True)]
    return 0 < int(np.prod(sides)) <= SMALL_PART * int(np.prod(shape))
