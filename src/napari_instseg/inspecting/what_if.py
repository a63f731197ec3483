"""What would merge, split or drop an object: found by decoding its surroundings again with other parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.params import Parameter, Params
from napari_instseg.decoding.pipeline import DecodingStopped
from napari_instseg.inference.prediction import Prediction

LADDER = 8
"""Values tried on either side of the present one, the nearest ones closest together."""

HALVINGS = 4
"""Bisections of the step in which the object changed."""

AROUND = 8
"""Pixels around the object that are looked at; the decoder sees a further margin."""

LARGEST_WHOLE = 1 << 22
"""Pixels of an image up to which all of it is decoded where the object's surroundings alone give another object."""

PART = 0.15
"""Part of the object that a piece must have for the object to count as broken into it."""

LEFT_OUT = ("n_clusters", "n_seeds", "min_size", "min_score")
"""Parameters that count over the whole image, of which a part cannot tell; and those that only drop objects below the
size or score that is told of each object anyway."""

Labels = npt.NDArray[np.int32]


class CannotFollow(InstsegError):
    """The object is not what the decoder gives."""


@dataclass(frozen=True)
class Turn:
    """The value of a parameter at which an object changes.

    Parameters
    ----------
    parameter : Parameter
    now, value : float
        The present value, and the one beyond which the object changes.
    fate : str
        In words: "merges with object 12", "breaks into 3", "vanishes".
    """

    parameter: Parameter
    now: float
    value: float
    fate: str

    def __str__(self) -> str:
        unit = f" {self.parameter.unit}" if self.parameter.unit in ("px", "%") else ""
        beyond = f"{'above' if self.value >= self.now else 'below'} {self.value:.3g}{unit}"
        return f"{self.parameter.title} {beyond} (now {self.now:.3g}): {self.fate}"


def turning_points(
    prediction: Prediction,
    parameters: Params,
    labels: Labels,
    label: int,
    is_stale: Callable[[], bool] = lambda: False,
) -> Iterator[Turn]:
    """Move each slider away from its value until the object is another one.

    Parameters
    ----------
    prediction : Prediction
        Its own pipeline is left alone.
    parameters : Params
        Those that the objects were found with.
    labels : int array (*S)
        The objects.
    label : int
        The one to follow.
    is_stale : callable
        The search ends where it says so.

    Yields
    ------
    Turn
        At most two for each parameter.

    Raises
    ------
    CannotFollow
        If the object is not found again even with the present values, such as one that was drawn by hand.
    """
    follow = _Follower(prediction, labels, label, is_stale)
    try:
        if follow.fate(parameters) and (labels.size > LARGEST_WHOLE or follow.look_at_all().fate(parameters)):
            raise CannotFollow("It was drawn by hand, or hangs on all of the image: what would change it is not known.")
        for parameter in parameters.visible():
            if parameter.kind not in ("int", "float") or parameter.advanced or parameter.name in LEFT_OUT:
                continue
            for ladder in _ladders(parameter, getattr(parameters, parameter.name)):
                turn = _first_turn(follow, parameters, parameter, ladder)
                if turn is not None:
                    yield turn
    except DecodingStopped:
        return


def _first_turn(follow: _Follower, parameters: Params, parameter: Parameter, ladder: list[float]) -> Turn | None:
    def fate_at(value: float) -> str:
        whole = round(value) if parameter.kind == "int" else value
        return follow.fate(parameters.changed(**{parameter.name: whole}))

    same = ladder[0]
    for value in ladder[1:]:
        fate = fate_at(value)
        if not fate:
            same = value
            continue
        for _ in range(HALVINGS):
            middle = (same + value) / 2
            found = fate_at(middle)
            same, value, fate = (same, middle, found) if found else (middle, value, fate)
        return Turn(parameter, ladder[0], same, fate)
    return None


def _ladders(parameter: Parameter, value: float) -> Iterator[list[float]]:
    """Return the values to try, downwards and upwards; the first of each is the present one."""
    low, high, step = parameter.minimum or 0.0, parameter.maximum or value, parameter.step or 1.0
    far = min(high, max(10 * value, value + 50 * step))
    for end in (low, far):
        if abs(end - value) >= step:
            # the last one is the end itself, not what rounding makes of it
            yield [*(value + (end - value) * (rung / LADDER) ** 2 for rung in range(LADDER)), end]


class _Follower:
    """Decodes the surroundings of one object, and tells what became of it."""

    def __init__(self, prediction: Prediction, labels: Labels, label: int, is_stale: Callable[[], bool]) -> None:
        box = ndimage.find_objects((labels == label).view(np.uint8))[0]
        self._window = tuple(
            slice(max(side.start - AROUND, 0), min(side.stop + AROUND, length))
            for side, length in zip(box, labels.shape, strict=True)
        )
        self._part: tuple[slice, ...] | None = self._window
        before = labels[self._window]
        self._label, self._before, self._mask = label, before, before == label
        self._sizes = np.bincount(before.ravel())
        self._pipeline = replace(prediction).pipeline  # one with a memory of its own
        self._is_stale = is_stale

    def look_at_all(self) -> _Follower:
        """Decode all of the image from now on: slower, and the same as what the user sees."""
        self._part = None
        return self

    def fate(self, parameters: Params) -> str:
        """Say what these parameters make of the object; empty if it stays what it is."""
        found = self._pipeline.run(parameters, self._part, self._is_stale).labels
        found = found if self._part is not None else found[self._window]
        if self._is_stale():
            raise DecodingStopped("Another object was selected.")
        pieces = np.bincount(found[self._mask])
        size = int(self._mask.sum())
        if pieces[0] > size / 2:
            return "it vanishes"
        pieces[0] = 0
        large = np.count_nonzero(pieces >= PART * size)
        if large > 1:
            return f"it breaks into {large}"
        others = np.bincount(self._before[found == pieces.argmax()], minlength=len(self._sizes))
        others[[0, self._label]] = 0
        partner = int(others.argmax())
        return f"it merges with object {partner}" if others[partner] > self._sizes[partner] / 2 else ""
