"""Runs the stages of decoding with a memory: a changed parameter re-runs only what depends on it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, InstsegError
from napari_instseg.core.method import Stage
from napari_instseg.core.params import Params
from napari_instseg.core.rows import place_rows
from napari_instseg.decoding.segmentation import Segmentation

__all__ = ["DecodingStopped", "Pipeline", "Segmentation"]

WINDOW_MARGIN = 64
"""Pixels decoded around a window, so that objects that it cuts are seen nearly whole."""

WINDOW_STEP = 16
"""A window starts at a multiple of this, so that blocks of pixels are the same as in the whole."""

Window = tuple[slice, ...]
Key = tuple[Any, ...]


class DecodingStopped(InstsegError):
    """A decode was given up because a newer one was asked for."""


class DeclaredOnly:
    """The values of those parameters that a stage declares to read, and of no others."""

    def __init__(self, stage: Stage, params: Params) -> None:
        self._stage = stage.name
        self._values = {name: getattr(params, name) for name in stage.reads}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"Stage '{self._stage}' uses parameter '{name}', which is not among those it declares: "
                f"{', '.join(self._values) or 'none'}. Add it to the stage's `reads`."
            ) from None

    def key(self) -> Key:
        return tuple(self._values.values())


class Pipeline:
    """The way from one prediction to its label image, with a memory.

    A stage is run again only if a parameter that it reads changed, or a stage before it was run with other values
    than the remembered ones. Results of several values are remembered as long as they fit into `cache_bytes`; the
    least recently used ones go first.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        The prediction's named arrays, channels first, on one grid (Y, X) or (Z, Y, X).
    stages : sequence of Stage, or callable
        The plan, or a function of the parameters that gives it.
    cache_bytes : int
        Most memory that remembered results may take.
    rows : collection of str
        Those of the outputs that are not on the grid but rows of detections, see `napari_instseg.core.rows`.
    helpers : mapping of str to callable
        Functions that stages find in their data, by name.
    """

    def __init__(
        self,
        outputs: Mapping[str, npt.NDArray[Any]],
        stages: Sequence[Stage] | Callable[[Any], Sequence[Stage]],
        cache_bytes: int = 1 << 30,
        *,
        rows: Collection[str] = (),
        helpers: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    ) -> None:
        self._outputs = dict(outputs)
        self._rows = frozenset(rows)
        self._helpers = dict(helpers)
        self._plan = stages if callable(stages) else lambda _params: stages
        self._memory = Memory(cache_bytes)
        self._last: Mapping[str, Any] = self._outputs
        self._window: tuple[Key, Pipeline] | None = None
        self._lock = Lock()

    @property
    def data(self) -> Mapping[str, Any]:
        """The outputs, and all results of the last whole run."""
        return MappingProxyType(dict(self._last))

    @property
    def cached_bytes(self) -> int:
        """Memory taken by remembered results, the window's included."""
        return self._memory.size + (self._window[1].cached_bytes if self._window else 0)

    def run(
        self,
        params: Params,
        window: Window | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Segmentation:
        """Decode with these parameters.

        Parameters
        ----------
        params : Params
            The method's decode parameters.
        window : tuple of slice, optional
            Decode only this part of the grid, such as what is in view, from its own pixels and a margin.
        should_stop : callable, optional
            Asked before every stage; answering true ends the run.

        Returns
        -------
        Segmentation
            Of the grid, or of the window.

        Raises
        ------
        DecodingStopped
            If `should_stop` said so.
        """
        if window is not None:
            return self._run_window(params, window, should_stop)
        with self._lock:
            data: dict[str, Any] = {**self._helpers, **self._outputs}
            timings: dict[str, float] = {}
            key: Key = ()
            for stage in self._stages(params):
                if should_stop is not None and should_stop():
                    raise DecodingStopped("This decode was replaced by a newer one.")
                declared = DeclaredOnly(stage, params)
                key = (key, stage.name, stage.run, declared.key())
                results = self._memory.get(key)
                start = time.perf_counter()
                if results is None:
                    results = stage.run(MappingProxyType(data), declared)
                    self._memory.put(key, results)
                    timings[stage.name] = time.perf_counter() - start
                else:
                    timings[stage.name] = 0.0
                data.update(results)
            self._last = data
        return Segmentation(
            labels=data["labels"],
            score=data.get("score"),
            class_id=data.get("class_id"),
            timings=timings,
            covered=data.get("covered"),
        )

    def _stages(self, params: Params) -> Sequence[Stage]:
        stages = self._plan(params)
        names = [stage.name for stage in stages]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Stage names must be unique within a plan; found twice: {', '.join(twice)}")
        return stages

    def _run_window(self, params: Params, window: Window, should_stop: Callable[[], bool] | None) -> Segmentation:
        grid = next(array for name, array in self._outputs.items() if name not in self._rows).shape[-len(window) :]
        inner, outer = _with_margin(window, grid)
        key = tuple((part.start, part.stop) for part in outer)
        if self._window is None or self._window[0] != key:
            crop: Any = (..., *outer)
            start = [-part.start for part in outer]
            # contiguous, since every stage would otherwise copy it for itself
            cropped = {
                name: place_rows(array, start) if name in self._rows else np.ascontiguousarray(array[crop])
                for name, array in self._outputs.items()
            }
            inside = Pipeline(cropped, self._plan, self._memory.limit // 4, rows=self._rows, helpers=self._helpers)
            self._window = (key, inside)
        return self._window[1].run(params, should_stop=should_stop).crop(inner)


class Memory:
    """Remembers stage results by key within a number of bytes; forgets the least recently used."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[Key, tuple[Mapping[str, Any], int]] = OrderedDict()

    def get(self, key: Key) -> Mapping[str, Any] | None:
        """Return what was remembered, or None."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Key, results: Mapping[str, Any]) -> None:
        """Remember, and forget the oldest until all fits."""
        size = sum(map(_bytes_of, results.values()))
        self._kept[key] = (results, size)
        self.size += size
        while self.size > self.limit and self._kept:
            _, (_, freed) = self._kept.popitem(last=False)
            self.size -= freed


def _bytes_of(value: Any) -> int:
    """Return the memory of an array, or of an object that tells its own as `nbytes`."""
    return int(getattr(value, "nbytes", 64))


def _with_margin(window: Window, grid: tuple[int, ...]) -> tuple[Window, Window]:
    """Clip the window to the grid and widen it; give the window within the wide one, and the wide one."""
    inner, outer = [], []
    for part, length in zip(window, grid, strict=True):
        start, stop, _ = part.indices(length)
        if stop <= start:
            raise InputError(f"The window {part.start}:{part.stop} holds none of the {length} pixels of its axis.")
        first = max(start - WINDOW_MARGIN, 0) // WINDOW_STEP * WINDOW_STEP
        outer.append(slice(first, min(stop + WINDOW_MARGIN, length)))
        inner.append(slice(start - first, stop - first))
    return tuple(inner), tuple(outer)
