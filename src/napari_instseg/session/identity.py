"""What an example is of an image: its axes, what is taken of them, and the mark by which it is known again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.data.axes import stack_letters
from napari_instseg.data.stains import Unmixed
from napari_instseg.session.source import Channel, Reading, Source

STACK_LETTERS = {0: "", 1: "T", 2: "TZ"}
"""Letters of the axes of independent images, by their number."""


def axes_of(reading: Reading, channel: Channel | None) -> str:
    """Return the letters of an image's axes, those of a stack too.

    Raises
    ------
    InputError
        If there are more axes than letters.
    """
    stack = len(reading.stack_axes)
    volume = "volume" in reading.roles
    if stack > (1 if volume else 2):
        raise InputError(f"The image has {stack} axes of independent images; expected at most 2. Choose one of them.")
    along = iter(STACK_LETTERS[stack])
    spatial = iter("YX")
    letters = {"channel": "C", "color": "C", "volume": "Z"}
    roles = [role for role in reading.roles if role not in letters or role == "volume" or channel is None]
    return "".join(next(along) if role == "stack" else letters.get(role) or next(spatial) for role in roles)


TIME = ("t", "time", "frame", "frames", "timepoint", "timepoints")
DEPTH = ("z", "depth", "slice", "slices", "section", "sections")


def letters_of(source: Source, reading: Reading) -> str:
    """Return a letter for each axis of the image: those that the viewer names keep their names.

    A stack axis is T or Z by its name, or T where its unit is one of time; what has neither gets the letters that are
    left, see `data.axes.stack_letters`. Channels and colours are C.

    Raises
    ------
    InputError
        If there are more stack axes than letters.
    """
    letters = {"channel": "C", "color": "C", "volume": "Z"}
    plane = iter("YX")
    found = [letters.get(role, "") or (next(plane) if role == "plane" else "") for role in reading.roles]
    for axis in reading.stack_axes:
        name = source.axis_labels[axis].strip().lower() if axis < len(source.axis_labels) else ""
        said = "T" if name in TIME or source.seconds(axis) is not None else "Z" if name in DEPTH else ""
        if said not in found:
            found[axis] = said
    unnamed = [axis for axis in reading.stack_axes if not found[axis]]
    free = stack_letters(len(unnamed), "".join(found))
    if len(free) < len(unnamed):
        raise InputError(
            f"The labels have {len(reading.stack_axes)} stack axes, a TIFF file has names for "
            f"{len(reading.stack_axes) - len(unnamed) + len(free)}. Export slice by slice."
        )
    for axis, letter in zip(unnamed, free, strict=True):
        found[axis] = letter
    return "".join(found)


def step_of(source: Source, axis: int, letter: str) -> float | None:
    """Return the step along an axis: seconds along T, else micrometres; None where the viewer does not say."""
    return source.seconds(axis) if letter == "T" else source.micrometres(axis)


def take_of(source: Source, reading: Reading, channel: Channel | None) -> Any:
    """Return what an example is of an image: the channel or stain that is looked at, without transparency."""
    if isinstance(channel, str):
        return Unmixed(source.array, channel)
    taken = source.array[where_of(numbers_of(source, reading, channel))]
    return taken[..., :3] if channel is None and reading.roles[-1] == "color" else taken


def numbers_of(source: Source, reading: Reading, channel: Channel | None) -> list[int | None]:
    """Return the number that is taken along each axis, None where all are."""
    take: list[int | None] = [None] * len(source.array.shape)
    if isinstance(channel, int) and reading.channel_axis is not None:
        take[reading.channel_axis] = channel
    return take


def where_of(take: Sequence[int | None]) -> tuple[Any, ...]:
    """Return an index that takes whole axes where `take` is None."""
    return tuple(slice(None) if i is None else i for i in take)


def fingerprint_of(array: Any) -> str:
    """Return a short mark by which an image is known again: of its shape, type, and a regular sample of its values."""
    import hashlib

    step = max(1, round((int(np.prod(array.shape)) / SAMPLED) ** (1 / max(len(array.shape), 1))))
    sample = np.ascontiguousarray(array[tuple(slice(None, None, step if n > 8 else 1) for n in array.shape)])
    mark = hashlib.sha256(f"{tuple(array.shape)} {sample.dtype}".encode())
    mark.update(sample.tobytes())
    return mark.hexdigest()


SAMPLED = 2**20
"""Values that the mark of an image is made from, about."""
