"""How the number of objects depends on a parameter: computed in the background, whenever nothing else is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.params import Parameter, Params
from napari_instseg.core.scale import value_at
from napari_instseg.decoding.pipeline import DecodingStopped, Pipeline, Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.session.jobs import Latest, Post, in_words

if TYPE_CHECKING:
    from napari_instseg.inference.fit import Known

LEVELS = (9, 17, 33)
"""Values that are tried along the range: a rough strip first, then finer ones."""
MOST_PIXELS = 1 << 18
"""Only so much of the image is decoded, from the middle of what is in view (512 x 512)."""
CACHE_BYTES = 128 << 20
CALM_S = 0.4
"""Nothing is computed while the user moves a slider, nor so long after."""
STEADY = 0.05
"""Share by which the number of objects may differ within a stable range."""
NEARLY_BEST = 0.02
"""Scores this near to the best are as good."""
SHORTEST = 0.1
"""Share of the slider that a stable range has at least."""

Window = tuple[slice, ...]


@dataclass(frozen=True)
class Point:
    """What is found at one value.

    Parameters
    ----------
    share : float
        Where on the slider, 0 to 1.
    value : float
    n_objects : int
        In the part of the image that was looked at.
    score : float, optional
        Mean AP against the true objects there, where there are any.
    """

    share: float
    value: float
    n_objects: int
    score: float | None = None


@dataclass(frozen=True)
class Strip:
    """The number of objects along a parameter's range, so far.

    Parameters
    ----------
    name : str
        Of the parameter.
    points : tuple of Point
        By rising value.
    others : Params
        The values of the other parameters.
    """

    name: str
    points: tuple[Point, ...]
    others: Params

    def belongs_to(self, parameters: Params) -> bool:
        """Return whether these have the values of the other parameters."""
        return self.others == parameters.changed(**{self.name: getattr(self.others, self.name)})

    @cached_property
    def stable(self) -> tuple[float, float] | None:
        """The part of the slider to be in, as two shares; None if there is none to speak of.

        Where true objects are known it is around the best score; else the widest range in which the number of
        objects, at least two, hardly changes.
        """
        scores = [point.score for point in self.points if point.score is not None]
        if scores and max(scores) > 0:
            best = int(np.argmax([point.score or 0.0 for point in self.points]))
            return self._around(best, lambda point: (point.score or 0.0) >= max(scores) - NEARLY_BEST)
        widest = max((self._steady_from(first) for first in range(len(self.points))), key=_width, default=(0.0, 0.0))
        return widest if _width(widest) >= SHORTEST else None

    def _around(self, middle: int, belongs: Callable[[Point], bool]) -> tuple[float, float]:
        first = last = middle
        while first > 0 and belongs(self.points[first - 1]):
            first -= 1
        while last + 1 < len(self.points) and belongs(self.points[last + 1]):
            last += 1
        return self.points[first].share, self.points[last].share

    def _steady_from(self, first: int) -> tuple[float, float]:
        low = high = self.points[first].n_objects
        last = first
        for number in range(first, len(self.points)):
            count = self.points[number].n_objects
            low, high = min(low, count), max(high, count)
            if low < 2 or high - low > max(1, STEADY * high):
                break
            last = number
        return self.points[first].share, self.points[last].share


def _width(span: tuple[float, float]) -> float:
    return span[1] - span[0]


@dataclass(frozen=True, eq=False)
class StripRequest:
    """Which strips of which prediction.

    Parameters
    ----------
    prediction : Prediction
    parameters : Params
        The values of the other parameters.
    names : sequence of str
        The numbers to go through, the most wanted first.
    window : tuple of slice, optional
        What is in view.
    truth : Known, optional
        True objects of the same prediction.
    """

    prediction: Prediction
    parameters: Params
    names: Sequence[str]
    window: Window | None = None
    truth: Known | None = None


def sweep(
    pipeline: Pipeline,
    parameters: Params,
    parameter: Parameter,
    window: Window,
    truth: Known | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Strip]:
    """Go through a parameter's range, ever finer.

    Parameters
    ----------
    pipeline : Pipeline
        Its memory makes the later stages cheap.
    parameters : Params
        The values of the others.
    parameter : Parameter
        An int or a float.
    window : tuple of slice
        The part of the image to decode.
    truth : Known, optional
        To score against.
    should_stop : callable
        Asked before every stage.

    Yields
    ------
    Strip
        At the end of each level of `LEVELS`.

    Raises
    ------
    DecodingStopped
        If `should_stop` said so.
    """
    found: dict[float, Point] = {}
    for level in LEVELS:
        for share in np.linspace(0, 1, level).tolist():
            value = value_at(parameter, share)
            if value not in found:
                segmentation = pipeline.run(parameters.changed(**{parameter.name: value}), window, should_stop)
                found[value] = Point(share, value, segmentation.n_objects, _score(truth, segmentation, window))
        yield Strip(parameter.name, tuple(found[value] for value in sorted(found)), parameters)


def _score(truth: Known | None, segmentation: Segmentation, window: Window) -> float | None:
    """Score against the true objects of the window, if there are any."""
    if truth is None:
        return None
    from napari_instseg.inference.fit import agreement

    table = truth.compare(segmentation.labels, window)
    return agreement([table]).mean_ap if table.n_true else None


def looked_at(shape: tuple[int, ...], window: Window | None) -> Window:
    """Return the middle of what is in view, of at most `MOST_PIXELS`."""
    parts = window if window is not None and len(window) == len(shape) else (slice(None),) * len(shape)
    ranges = [range(*part.indices(length)) for part, length in zip(parts, shape, strict=True)]
    if not all(ranges):
        ranges = [range(length) for length in shape]
    factor = min(1.0, (MOST_PIXELS / np.prod([len(r) for r in ranges])) ** (1 / len(shape)))
    sides = [max(1, round(len(r) * factor)) for r in ranges]
    starts = [r.start + (len(r) - side) // 2 for r, side in zip(ranges, sides, strict=True)]
    return tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))


class Sensitivity:
    """Keeps the strips of the parameters up to date, in a thread that gives way to everything else.

    Parameters
    ----------
    deliver : callable
        Gets each `Strip`, in the session's thread.
    fail : callable
        Gets a problem in words.
    post : callable
        See `Post`.
    is_busy : callable
        Whether something more urgent is computed; the next value waits for its end.
    """

    def __init__(
        self,
        deliver: Callable[[Strip], None],
        fail: Callable[[str], None],
        post: Post,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._deliver, self._fail, self._post, self._is_busy = deliver, fail, post, is_busy
        self._latest = Latest(self._answer)
        self._looked: tuple[Any, ...] = ()
        self._pipeline: Pipeline | None = None
        self._known: dict[tuple[str, Params], Strip] = {}
        self.ask, self.close = self._latest.ask, self._latest.close

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for or worked on."""
        return self._latest.idle

    def rest(self) -> None:
        """Give up what was asked for, at the next stage; what was found is remembered."""
        self._latest.drop()

    def drop(self) -> None:
        """Forget what was asked for, and the prediction."""
        self._latest.drop()
        self._latest.ask(None)

    def _answer(self, question: StripRequest | None, is_stale: Callable[[], bool]) -> None:
        if question is None:
            self._looked, self._pipeline = (), None
            self._known.clear()
            return
        try:
            self._wait(CALM_S, is_stale)
            self._strips(question, is_stale)
        except DecodingStopped:
            return
        except Exception as problem:
            words = in_words(problem)
            self._post(lambda: self._fail(words))

    def _strips(self, question: StripRequest, is_stale: Callable[[], bool]) -> None:
        window = looked_at(question.prediction.shape, question.window)
        pipeline = self._pipeline_for(question, window)
        declared = {parameter.name: parameter for parameter in question.parameters.parameters()}

        def should_stop() -> bool:
            self._wait(0.0, is_stale)
            return is_stale()

        for name in question.names:
            parameter = declared[name]
            # a strip depends on all parameters but its own
            others = question.parameters.changed(**{name: parameter.default})
            if (name, others) in self._known:
                self._say(self._known[name, others], is_stale)
                continue
            for strip in sweep(pipeline, others, parameter, window, question.truth, should_stop):
                self._say(strip, is_stale)
            self._known[name, others] = strip

    def _pipeline_for(self, question: StripRequest, window: Window) -> Pipeline:
        """Return a pipeline that remembers what was asked before; all is forgotten when that was of other things."""
        same = self._looked[:1] == (window,) and all(
            old is new for old, new in zip(self._looked[1:], (question.prediction, question.truth), strict=True)
        )
        if self._pipeline is None or not same:
            self._looked = (window, question.prediction, question.truth)
            self._pipeline = question.prediction.new_pipeline(CACHE_BYTES)
            self._known.clear()
        return self._pipeline

    def _say(self, strip: Strip, is_stale: Callable[[], bool]) -> None:
        self._post(lambda: None if is_stale() else self._deliver(strip))

    def _wait(self, seconds: float, is_stale: Callable[[], bool]) -> None:
        """Wait at least so long, and until nothing more urgent goes on.

        Raises
        ------
        DecodingStopped
            If something else was asked for meanwhile.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end or self._is_busy():
            if is_stale():
                raise DecodingStopped("Another strip was asked for.")
            time.sleep(0.01)
