"""The collection of garbage, put off where packages are imported or compiled beside a window."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_within = 0


@contextmanager
def short_collection() -> Iterator[None]:
    """Let a collection that others ask for go through new objects only.

    napari collects all garbage whenever a layer is removed, which takes seconds where PyTorch is there.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def no_collection() -> Iterator[None]:
    """Put off the collection of garbage while large packages are imported.

    A collection holds Python's lock while it goes through all objects, of which PyTorch and numba bring hundreds of
    thousands that are there to stay: half a second in which a window stands still. So they are counted as old at the
    end without being gone through; else the many new ones would call for a full collection at once. Several threads
    may be within it.
    """
    global _within
    with _lock:
        ours = gc.isenabled() or _within > 0  # else whoever put it off goes on to do so
        _within += ours
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _within -= ours
            if ours and not _within:
                gc.freeze()
                gc.unfreeze()  # from the permanent generation into the oldest
                gc.enable()
