"""Compiles and loads what decoding a prediction will call, while there is no prediction yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache

import numpy as np

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.garbage import no_collection
from napari_instseg.core.method import Array, Method
from napari_instseg.core.params import Parameter, Params
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.pipeline import Pipeline

SIDE = 48
"""Side of the image that is decoded to warm up, in pixels."""


def warm_up(
    method: Method,
    params: Params | None = None,
    *,
    classes: int = 0,
    thorough: bool = False,
    should_stop: Callable[[], bool] | None = None,
) -> None:
    """Decode a tiny image, so that the first real decode, and keeping its ids, need not compile or load anything.

    Compiled code is kept on disk, so only the first call on a machine takes seconds. It may be called in a thread
    while a network runs: a decode that starts meanwhile waits for what it needs.

    Parameters
    ----------
    method : Method
        Methods whose outputs are not known here, such as lists of detections, have nothing to compile.
    params : Params, optional
        To decode with; the method's own defaults if None.
    classes : int
        How many classes the model tells apart; 0 without classes.
    thorough : bool
        Then also decode with each parameter changed, one at a time, such as with each clusterer.
    should_stop : callable, optional
        Asked before every step; answering true ends the warm-up.
    """
    outputs = _tiny_outputs(method, classes)
    if outputs is None:
        return
    chosen = method.decode() if params is None else params
    pipeline = Pipeline(outputs, method.stages)
    for variant in (chosen, *(_variants(chosen) if thorough else ())):
        try:
            found = pipeline.run(variant, should_stop=should_stop)
            keep_ids(found.labels, found.crop((slice(None),) * found.labels.ndim).labels)
        except InstsegError:
            # stopped, or a stage needs the model itself: what comes before it is ready
            if should_stop is not None and should_stop():
                return


@cache
def warm_up_aside(method: Method, params: Params, classes: int = 0) -> threading.Thread:
    """Call `warm_up` in a thread, once for the same arguments.

    The thread is waited for when Python exits, since compiling must not be torn down; it ends at its next step then.
    """

    def work() -> None:
        main = threading.main_thread()
        with no_collection():
            warm_up(method, params, classes=classes, should_stop=lambda: not main.is_alive())

    thread = threading.Thread(target=work, name="decoding warm-up")
    thread.start()
    return thread


def _tiny_outputs(method: Method, classes: int) -> dict[str, Array] | None:
    """Return outputs of four objects that touch, with some noise; None if the method needs others."""
    rng = np.random.default_rng(0)
    objects = np.zeros((SIDE, SIDE), int)
    middle, edge = SIDE // 2, SIDE // 8
    objects[edge:middle, edge:middle], objects[edge:middle, middle:-edge] = 1, 2
    objects[middle:-edge, edge:middle], objects[middle:-edge, middle:-edge] = 3, 4
    channels = np.stack([(objects == value) * np.float32(0.9) for value in range(9)])
    channels += rng.uniform(0, 0.1, channels.shape).astype(np.float32)
    foreground = np.ascontiguousarray(1 - channels[0])
    known: dict[str, Array] = {
        "embedding": channels[:8] * 4,
        "foreground": foreground,
        "seediness": foreground / 2,
        "colors": channels / channels.sum(axis=0),
    }
    if classes:
        known["semantic"] = np.stack([channels[0], *[foreground / classes] * classes])
    needed = {output.name for output in method.outputs if not output.optional}
    if not needed <= known.keys():
        return None
    return {output.name: known[output.name] for output in method.outputs if output.name in known}


def _variants(params: Params) -> list[Params]:
    """Return the parameters with each one changed: other choices, the other answer, the number just above the least."""
    return [
        params.changed(**{parameter.name: value})
        for parameter in params.parameters()
        for value in _other_values(parameter)
        if value != getattr(params, parameter.name)
    ]


def _other_values(parameter: Parameter) -> tuple[object, ...]:
    if parameter.kind == "choice":
        return parameter.choices
    if parameter.kind == "bool":
        return (True, False)
    if parameter.minimum is None or parameter.step is None:
        return ()
    return (type(parameter.default)(parameter.minimum + parameter.step),)
