"""Moves the view to a place of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

COMFORTABLE, SMALLEST, LARGEST = 120, 40, 500
"""Pixels of the screen that an object gets when the view moves to it, unless it has a size between the others."""


def show_slice(viewer: Viewer, layer: Layer, place: Sequence[float]) -> None:
    """Go to the slice in which a place of the layer's data lies."""
    world = layer.data_to_world(place)
    lead = viewer.dims.ndim - len(world)
    for axis in viewer.dims.not_displayed:
        if axis >= lead:
            viewer.dims.set_point(axis, world[axis - lead])


def look_at(viewer: Viewer, layer: Layer, place: Sequence[float], side: float) -> None:
    """Show a place of the layer's data in the middle, so large that what lies there, of a side in pixels, is seen."""
    show_slice(viewer, layer, place)
    world = np.asarray(layer.data_to_world(place), float)
    dims, camera = viewer.dims, getattr(viewer, "scene", viewer).camera  # moved there by napari 0.9
    lead = dims.ndim - len(world)
    camera.center = tuple(world[axis - lead] if axis >= lead else 0.0 for axis in dims.displayed)
    length = max(side * abs(float(layer.scale[-1])), 1e-6)
    if not SMALLEST <= length * camera.zoom <= LARGEST:
        camera.zoom = COMFORTABLE / length
