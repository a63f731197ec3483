"""Compiled loops over bands of an image, one band per processor core."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

SMALLEST_BAND = 8
"""Rows below which handing work to another thread costs more than it saves."""


def in_bands(kernel: Callable[..., Any], length: int, *args: Any) -> list[Any]:
    """Call ``kernel(*args, start, stop)`` so that the ranges cover ``0..length`` once; give the results in order.

    The kernel must release the GIL and write only to its own range. (numba's own ``parallel=True`` is not used:
    without OpenMP or TBB it must not be entered from two Python threads at once.)
    """
    workers = min(_cores(), max(length // SMALLEST_BAND, 1))
    bounds = np.linspace(0, length, workers + 1).astype(int).tolist()
    ranges = list(pairwise(bounds))
    others: list[Future[Any]] = []
    with suppress(RuntimeError):  # Python exits, so no thread takes work any more: the rest is done here
        for start, stop in ranges[1:]:
            others.append(_pool().submit(kernel, *args, start, stop))
    here = [kernel(*args, start, stop) for start, stop in (ranges[0], *ranges[1 + len(others) :])]
    return [here[0], *(other.result() for other in others), *here[1:]]


def as_volume(array: npt.NDArray[Any], axes: int = 3) -> npt.NDArray[Any]:
    """Return an image as (Z, Y, X), or with `axes` 4 channels as (C, Z, Y, X), contiguous; 2-d ones with one slice."""
    missing = axes - array.ndim
    lead = array.shape[: axes - 3]
    return np.ascontiguousarray(array).reshape(lead + (1,) * missing + array.shape[axes - 3 :])


def _cores() -> int:
    return min(os.cpu_count() or 1, 8)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(_cores() - 1, 1), thread_name_prefix="decoding")
