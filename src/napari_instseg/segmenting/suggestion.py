"""What the image looks like and which model suits it; an image that is not in memory is looked at in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from psygnal import Signal

from napari_instseg.core.method import Array
from napari_instseg.io.models import ModelSpec
from napari_instseg.segmenting.appearance import Appearance, look_at, suggest_model
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.jobs import Post
from napari_instseg.session.source import Reading, Role, Source, stack_shape, take_plane
from napari_instseg.zoo.kinds import MOST_SIDE


class ModelSuggestion:
    """Judges the image at hand.

    Parameters
    ----------
    models : callable
        Gives the models that may suit it, by name.
    post : callable
        See `Post`.
    """

    judged = Signal()
    """`look` and `suggested` are others."""

    def __init__(self, models: Callable[[], Mapping[str, ModelSpec]], post: Post) -> None:
        self.look: Appearance | None = None
        """None before it was looked at."""
        self.suggested = ""
        """The model that suits; empty where that is not known."""
        self._models = models
        # what cannot be read is told by Run
        self._answers = BackgroundWork(_look_into, self._take, lambda words: None, post)
        self.close = self._answers.close

    @property
    def idle(self) -> bool:
        """Whether no image is looked at."""
        return self._answers.idle

    def see(self, source: Source | None, reading: Reading | None) -> None:
        """Judge an image: at once if it is in memory, else later; `judged` tells when."""
        self._answers.drop()
        self.look = None
        self.suggested = source.model if source is not None and source.model in self._models() else ""
        if source is not None and reading is not None and isinstance(source.array, np.ndarray):
            middle = tuple(size // 2 for size in stack_shape(source, reading))
            self._take(look_at(*take_plane(source, reading, middle)))
            return
        self.judged.emit()
        if source is not None and reading is not None:
            self._answers.ask((source, reading))

    def _take(self, look: Appearance) -> None:
        self.look = look
        self.suggested = self.suggested or suggest_model(look, self._models()) or ""
        self.judged.emit()


def _look_into(asked: tuple[Source, Reading], is_stale: Callable[[], bool]) -> Iterator[Appearance]:
    source, reading = asked
    yield look_at(middle_of(source, reading), reading.letters)


def middle_of(source: Source, reading: Reading) -> Array:
    """Read the middle of an image's middle slice, of at most `MOST_SIDE` pixels along each side."""
    where = [_middle(role, int(size)) for role, size in zip(reading.roles, source.array.shape, strict=True)]
    return np.asarray(source.array[tuple(where)])


def _middle(role: Role, size: int) -> Any:
    if role == "stack":
        return size // 2
    if role == "color":
        return slice(0, 3)
    length = {"channel": size, "volume": 1}.get(role, MOST_SIDE)
    start = max((size - length) // 2, 0)
    return slice(start, start + length)
