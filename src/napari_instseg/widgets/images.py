"""The viewer's image layers as the workspace knows images, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from napari_instseg.session.results import Results
from napari_instseg.session.source import Index, Source, labels_axes
from napari_instseg.widgets.placement import place_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

MARK = "napari-instseg"
"""Key in the metadata of layers that were made here, so that they are not offered as images to segment."""
SUGGESTED = "napari-instseg: suggested"
"""Key in the metadata of image layers, of a dict with the model, object diameter and channel to begin with."""

_SOURCES: WeakKeyDictionary[Image, Source] = WeakKeyDictionary()
"""What is known of each image layer, also after a dock was closed."""


def source_of(layer: Image) -> Source:
    """Describe an image layer as the workspace knows images, as it is now; of a pyramid the finest level is taken.

    It is the same source as before as long as the layer has the same data.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    source = _SOURCES.get(layer)
    if source is None or source.array is not data:
        source = _SOURCES[layer] = Source(
            array=data,
            name=layer.name,
            rgb=bool(layer.rgb),
            axis_labels=tuple(layer.axis_labels),
            path="" if layer.multiscale else str(layer.source.path or ""),
            **layer.metadata.get(SUGGESTED, {}),
        )
    source.name = layer.name
    for name, value in place_of(layer).items():
        setattr(source, name, value)
    return source


def known_source(layer: Layer) -> Source | None:
    """Give a layer's source as it was described last; None if it never was."""
    return _SOURCES.get(layer)


def forget_source(layer: Layer) -> None:
    """Take a layer's data for another image when it is described next."""
    _SOURCES.pop(layer, None)


def images_in(viewer: Viewer) -> list[Image]:
    """List the image layers that may be segmented, the newest first."""
    from napari.layers import Image

    found = [layer for layer in viewer.layers if isinstance(layer, Image) and MARK not in layer.metadata]
    return found[::-1]


def view_of(viewer: Viewer, layer: Layer, results_axes: tuple[int, ...]) -> list[int]:
    """Give the position in view along some axes of a layer's data."""
    point = layer.world_to_data(viewer.dims.point)
    sizes = layer.data[0].shape if layer.multiscale else layer.data.shape
    return [int(np.clip(round(float(point[axis])), 0, sizes[axis] - 1)) for axis in results_axes]


def pixel_at(layer: Layer, position: Sequence[float], results: Results) -> tuple[Index, Index] | None:
    """Give the slice and the pixel in it at a position in the world; None outside of the image.

    Parameters
    ----------
    layer : Layer
        The image that was segmented.
    position : sequence of float
        In world coordinates, as the viewer's mouse events have it.
    """
    point = np.asarray(layer.world_to_data(position), float)
    axes = labels_axes(results.reading)
    place = [round(float(point[axis])) if axis < len(point) else 0 for axis in axes]
    if any(not 0 <= at < length for at, length in zip(place, results.shape, strict=True)):
        return None
    stack = results.reading.stack_axes
    index = tuple(at for axis, at in zip(axes, place, strict=True) if axis in stack)
    return index, tuple(at for axis, at in zip(axes, place, strict=True) if axis not in stack)
