"""Where layers lie in the world: results where their image is, turned and sheared as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.session.source import Index, Reading, Source, labels_axes

if TYPE_CHECKING:
    from napari.layers import Layer

MOVES = ("scale", "translate", "rotate", "shear", "affine", "units")
"""What a layer tells changes of its place by."""


@dataclass(frozen=True)
class Placement:
    """The place of a result in the grid of its image.

    Parameters
    ----------
    reading : Reading
        How the image's axes are read.
    shifts : tuple of int
        Its first pixel along them; empty for that of the image.
    extra : int
        Its axes without a meaning in space, such as the dimensions of an embedding, which come before.
    """

    reading: Reading
    shifts: tuple[int, ...] = ()
    extra: int = 0

    @classmethod
    def within(cls, reading: Reading, index: Index, start: Sequence[int] = (), extra: int = 0) -> Placement:
        """Return the place of a part of a slice: `start` is its first pixel in the slice."""
        at = dict(zip(reading.stack_axes, index, strict=False))
        spatial = [axis for axis in labels_axes(reading) if axis not in reading.stack_axes]
        at |= dict(zip(spatial, start, strict=False))
        return cls(reading, tuple(int(at.get(axis, 0)) for axis in layer_axes(reading)), extra)

    @property
    def axes(self) -> tuple[int, ...]:
        """The image's axes that it has."""
        return layer_axes(self.reading)

    @property
    def grid(self) -> tuple[tuple[int, ...], int | None]:
        """What another place has too if layers there have the same axes."""
        return self.axes, spanned_axis(self.reading)

    def in_world(self, source: Source) -> dict[str, Any]:
        """Return what a layer there is made with: scale, position, turn and shear, units, axis names."""
        shifts = self.shifts or (0,) * len(self.axes)
        scale, translate = self._pick(source.scale, 1.0), self._pick(source.translate, 0.0)
        spanned = spanned_axis(self.reading)
        if spanned is not None:  # one pixel over all channels
            at, channels = self.axes.index(spanned), source.shape[spanned]
            translate[at] += scale[at] * (channels - 1) / 2
            scale[at] *= channels
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


def spanned_axis(reading: Reading) -> int | None:
    """Return the axis of channels that results have too, with one pixel over all of them.

    The viewer aligns layers from the last axis. So a layer without the channels of an image whose channels come after
    its slices (ImageJ's ZCYX, TCYX) would have its slices follow the slider of the channels.

    Returns
    -------
    int, optional
        None where the channels come first, or there are none.
    """
    axis = reading.channel_axis
    return axis if axis and reading.roles[axis] == "channel" else None


def layer_axes(reading: Reading) -> tuple[int, ...]:
    """Return the image's axes that a layer of its results has: those of a label image, and the one that is spanned."""
    spanned = spanned_axis(reading)
    return tuple(sorted([*labels_axes(reading), *([] if spanned is None else [spanned])]))


def shown_as(labels: Array, reading: Reading) -> Array:
    """Return a label image, the same memory, with the axes of its layer."""
    spanned = spanned_axis(reading)
    return labels if spanned is None else np.expand_dims(labels, spanned)


def kept_of(shown: Array, reading: Reading) -> Array:
    """Return a label image, the same memory, from what its layer holds; see `shown_as`."""
    spanned = spanned_axis(reading)
    return shown if spanned is None else shown[(slice(None),) * spanned + (0,)]


def in_slice(reading: Reading, index: Index) -> list[int]:
    """Return the axes of a layer that an array of one slice has; of the whole image where the index is empty."""
    gone = {spanned_axis(reading), *(reading.stack_axes if index else ())}
    return [at for at, axis in enumerate(layer_axes(reading)) if axis not in gone]


def slice_as(array: Array, reading: Reading, index: Index, extra: int = 0) -> Array:
    """Return an array of one slice, behind `extra` axes of its own, the axes of a layer."""
    kept = in_slice(reading, index)
    where = (*[slice(None)] * extra, *(slice(None) if at in kept else None for at in range(len(layer_axes(reading)))))
    return np.ascontiguousarray(array[where])


def to_layer(place: Sequence[float], reading: Reading) -> tuple[float, ...]:
    """Turn a place in a label image into one in its layer."""
    spanned = spanned_axis(reading)
    return tuple(place) if spanned is None else (*place[:spanned], 0.0, *place[spanned:])


def from_layer(place: Sequence[float], reading: Reading) -> tuple[float, ...]:
    """Turn a place in a layer of labels into one in the label image."""
    spanned = spanned_axis(reading)
    return tuple(float(at) for axis, at in enumerate(place) if axis != spanned)


def place_of(layer: Layer) -> dict[str, Any]:
    """Return the place of a layer in the world, as a `Source` has it."""
    scale, translate = np.asarray(layer.scale, float), np.asarray(layer.translate, float)
    return {
        "scale": tuple(scale.tolist()),
        "translate": tuple(translate.tolist()),
        "units": tuple(str(unit) for unit in layer.units),
        "affine": _beyond(layer, scale, translate),
    }


def place_like(layer: Layer) -> dict[str, Any]:
    """Return what another layer is made with that shall lie on this one, pixel on pixel."""
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(layer, name) for name in names}


def _beyond(layer: Layer, scale: Array, translate: Array) -> Array | None:
    """Return what is left of a layer's way into the world after its scale and position; None if nothing is."""
    own, world = np.eye(layer.ndim + 1), np.eye(layer.ndim + 1)
    own[:-1, :-1], own[:-1, -1] = np.diag(scale), translate
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)
    world[:-1, -1] = origin
    for axis, unit in enumerate(np.eye(layer.ndim)):
        world[:-1, axis] = np.asarray(layer.data_to_world(unit), float) - origin
    left = world @ np.linalg.inv(own)
    return None if np.allclose(left, np.eye(layer.ndim + 1)) else left
