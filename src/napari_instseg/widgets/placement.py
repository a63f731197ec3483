"""Where layers lie in the world: results where their image is, turned and sheared as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.session.source import Index, Reading, Source

if TYPE_CHECKING:
    from napari.layers import Layer

MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a layer tells changes of its place by."""


@dataclass(frozen=True)
class Place:
    """The place of a result in the grid of its image.

    Parameters
    ----------
    axes : tuple of int
        The image's axes that it has.
    shifts : tuple of int
        Its first pixel along them; empty for that of the image.
    extra : int
        Its axes without a meaning in space, such as channels, which come before.
    """

    axes: tuple[int, ...]
    shifts: tuple[int, ...] = ()
    extra: int = 0

    @classmethod
    def within(
        cls, reading: Reading, axes: tuple[int, ...], index: Index, start: Sequence[int] = (), extra: int = 0
    ) -> Place:
        """Give the place of a part of a slice: `start` is its first pixel in the slice."""
        at = dict(zip(reading.stack_axes, index, strict=False))
        at |= dict(zip([axis for axis in axes if axis not in reading.stack_axes], start, strict=False))
        return cls(axes, tuple(int(at.get(axis, 0)) for axis in axes), extra)

    def in_world(self, source: Source) -> dict[str, Any]:
        """Give what a layer there is made with: scale, position, turn and shear, units, axis names."""
        shifts = self.shifts or (0,) * len(self.axes)
        scale, translate = self._pick(source.scale, 1.0), self._pick(source.translate, 0.0)
        return {
            "scale": [1.0] * self.extra + scale,
            "translate": [0.0] * self.extra + [t + s * n for t, s, n in zip(translate, scale, shifts, strict=True)],
            "affine": self._affine(source),
            "units": ["pixel"] * self.extra + self._pick(source.units, "pixel"),
            "axis_labels": ["channel"] * self.extra + self._pick(source.axis_labels, ""),
        }

    def _pick(self, values: tuple[Any, ...], default: Any) -> list[Any]:
        return [values[axis] if axis < len(values) else default for axis in self.axes]

    def _affine(self, source: Source) -> Array:
        affine = np.eye(self.extra + len(self.axes) + 1)
        if source.affine is not None:
            kept = [*self.axes, -1]
            affine[self.extra :, self.extra :] = source.affine[np.ix_(kept, kept)]
        return affine


def place_of(layer: Layer) -> dict[str, Any]:
    """Give the place of a layer in the world, as a `Source` has it."""
    scale, translate = np.asarray(layer.scale, float), np.asarray(layer.translate, float)
    return {
        "scale": tuple(scale.tolist()),
        "translate": tuple(translate.tolist()),
        "units": tuple(str(unit) for unit in layer.units),
        "affine": _beyond(layer, scale, translate),
    }


def place_like(layer: Layer) -> dict[str, Any]:
    """Give what another layer is made with that shall lie on this one, pixel on pixel."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(layer, name) for name in names}


def _beyond(layer: Layer, scale: Array, translate: Array) -> Array | None:
    """Give what is left of a layer's way into the world after its scale and position; None if nothing is."""
    own, world = np.eye(layer.ndim + 1), np.eye(layer.ndim + 1)
    own[:-1, :-1], own[:-1, -1] = np.diag(scale), translate
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)
    world[:-1, -1] = origin
    for axis, unit in enumerate(np.eye(layer.ndim)):
        world[:-1, axis] = np.asarray(layer.data_to_world(unit), float) - origin
    left = world @ np.linalg.inv(own)
    return None if np.allclose(left, np.eye(layer.ndim + 1)) else left
