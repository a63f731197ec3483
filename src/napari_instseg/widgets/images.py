"""The viewer's image layers as the session knows images, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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

SOURCE = "napari-instseg: source"
"""Key in the metadata of image layers, of the `Source` that they were described as; so it outlives the dock."""


def known_source(layer: Layer) -> Source | None:
    """Return a layer's source as it was described last; None if it never was, or has other data now."""
    source: Source | None = layer.metadata.get(SOURCE)
    return source if source is not None and source.array is _finest(layer) else None


def describe_source(layer: Image) -> Source:
    """Describe an image layer as the session knows images, as it is now, and keep that with the layer.

    It is the same source as before as long as the layer has the same data; of a pyramid the finest level is taken.
    """
    source = known_source(layer)
    if source is None:
        source = layer.metadata[SOURCE] = Source(
            array=_finest(layer),
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


def forget_source(layer: Layer) -> None:
    """Take a layer's data for another image when it is described next."""
    layer.metadata.pop(SOURCE, None)


def _finest(layer: Layer) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def images_in(viewer: Viewer) -> list[Image]:
    """List the image layers that may be segmented, the newest first."""
    from napari.layers import Image

    found = [layer for layer in viewer.layers if isinstance(layer, Image) and MARK not in layer.metadata]
    return found[::-1]


def view_of(viewer: Viewer, layer: Layer, results_axes: tuple[int, ...]) -> list[int]:
    """Return the position in view along some axes of a layer's data."""
    point = layer.world_to_data(viewer.dims.point)
    sizes = layer.data[0].shape if layer.multiscale else layer.data.shape
    return [int(np.clip(round(float(point[axis])), 0, sizes[axis] - 1)) for axis in results_axes]


def pixel_at(layer: Layer, position: Sequence[float], results: Results) -> tuple[Index, Index] | None:
    """Return the slice and the pixel in it at a position in the world; None outside of the image.

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
