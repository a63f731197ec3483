"""Averaging over views: a network looks at an image turned, mirrored and at other sizes, and what it says is joined.

Probabilities are averaged. Places in an embedding mean nothing beyond one view, but distances do: the embeddings of all
views side by side, divided by the root of their number, are as far apart as the views say in the mean (of squares).
So objects are decoded as ever, with the same parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from napari_instseg.core.method import Array, Method, Output
from napari_instseg.inference.rescale import resize


@dataclass(frozen=True)
class Turned:
    """One view: mirrored along X, then turned by so many quarters, then resized."""

    mirrored: bool
    quarters: int
    size: float


VIEWS = (Turned(False, 0, 1.0), Turned(True, 1, 1.0), Turned(False, 2, 1.1), Turned(True, 3, 0.85))
"""Averaged over."""
PRICE = sum(view.size**2 for view in VIEWS)
"""So many times as much is looked at."""


class Looks(Protocol):
    """What looks at one tile, see `napari_instseg.inference.runner.Runner`."""

    def __call__(self, tile: Array, offset: tuple[int, ...], full_shape: tuple[int, ...]) -> dict[str, Array]:
        """Return the outputs of a normalised tile (C, *S)."""

    def release(self) -> None:
        """Give cached memory back to the device."""


def can_average(method: Method) -> bool:
    """Return whether what a method's networks say can be averaged over views."""
    return all(output.over_views != "none" for output in method.outputs)


class AveragingRunner:
    """Looks at each tile in several views.

    Parameters
    ----------
    runner : Runner
    outputs : sequence of Output
        That the method declares.
    stride : int
        Of the network.
    views : sequence of Turned
    """

    def __init__(self, runner: Looks, outputs: Sequence[Output], stride: int, views: Sequence[Turned] = VIEWS) -> None:
        self._runner, self._stride, self._views = runner, stride, views
        self._outputs = {output.name: output for output in outputs}

    def __call__(self, tile: Array, offset: tuple[int, ...], full_shape: tuple[int, ...]) -> dict[str, Array]:
        """Return the joined outputs for one normalised tile, as `Runner` does for one view."""
        seen = [self._look(tile, offset, full_shape, view) for view in self._views]
        return {name: self._join(name, [outputs[name] for outputs in seen]) for name in seen[0]}

    def release(self) -> None:
        """Give cached memory back to the device."""
        self._runner.release()

    def _look(
        self, tile: Array, offset: tuple[int, ...], full_shape: tuple[int, ...], view: Turned
    ) -> dict[str, Array]:
        shape, place, full = list(tile.shape[1:]), list(offset), list(full_shape)
        part = tile
        if view.mirrored:
            part, place[-1] = part[..., ::-1], full[-1] - place[-1] - shape[-1]
        for _ in range(view.quarters % 4):  # as np.rot90 does: X becomes Y, counted from its end
            part = np.rot90(part, axes=(-2, -1))
            place[-2:] = [full[-1] - place[-1] - shape[-1], place[-2]]
            shape[-2:], full[-2:] = shape[:-3:-1], full[:-3:-1]
        turned = tuple(shape)
        # of a volume the planes lie too far apart to be resized
        sizes = [1.0] * (len(shape) - 2) + [view.size] * 2
        shape = [self._whole(side * size) for side, size in zip(turned, sizes, strict=True)]
        factors = [new / old for new, old in zip(shape, turned, strict=True)]
        outputs = self._runner(
            resize(np.ascontiguousarray(part), tuple(shape)) if tuple(shape) != turned else part,
            tuple(round(at * factor / self._stride) * self._stride for at, factor in zip(place, factors, strict=True)),
            tuple(self._whole(side * factor) for side, factor in zip(full, factors, strict=True)),
        )
        found = {}
        for name, array in outputs.items():
            back = resize(array, turned) if array.shape[1:] != turned else array
            back = np.rot90(back, -view.quarters, axes=(-2, -1))
            found[name] = np.ascontiguousarray(back[..., ::-1] if view.mirrored else back)
        return found

    def _whole(self, side: float) -> int:
        return max(round(side / self._stride), 1) * self._stride

    def _join(self, name: str, arrays: Sequence[Array]) -> Array:
        how = self._outputs[name].over_views
        if how == "join":
            joined: Array = np.concatenate(arrays) / np.float32(np.sqrt(len(arrays)))
            return joined
        if how == "mean":
            return np.asarray(np.mean(arrays, axis=0, dtype=np.float32))
        return arrays[0]
