"""Images of any size by their path or URL: what they are, and opening them without reading their pixels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from napari_instseg.core.errors import InputError
from napari_instseg.data.axes import check_axes
from napari_instseg.io.ome_zarr import find_images, open_image
from napari_instseg.io.sources import SLIDES, ImageSource, Location


def is_large(path: str) -> bool:
    """Return whether a path is of what is only read region by region: OME-Zarr, a slide, or a URL."""
    plain = path.rstrip("/\\").lower()
    return "://" in path or plain.endswith((".zarr", ".ozx", ".zarr.zip", *SLIDES)) or _is_zarr_folder(Path(path))


def _is_zarr_folder(path: Path) -> bool:
    return any(os.path.isfile(path / name) for name in ("zarr.json", ".zgroup", ".zarray"))


def find_places(path: str, well: str | None = None) -> list[Location]:
    """Find the images that a path stands for: all fields of all wells of a plate, or one.

    Parameters
    ----------
    path : str
    well : str, optional
        Only this one of a plate, such as ``"B03"`` or ``"B/3"``.

    Raises
    ------
    InputError
        If there is nothing, or no such well.
    """
    if _is_tiff(path):
        if well:
            raise InputError(f"'{path}' is no plate, so it has no well {well}. Leave --well out.")
        return [Location(path)]
    return find_images(path, well)


def open_source(place: Location | str, axes: str | None = None) -> ImageSource:
    """Open an image without reading its pixels.

    Parameters
    ----------
    place : Location or str
    axes : str, optional
        Instead of what the file says.

    Raises
    ------
    InputError
        If it is missing, damaged, or not an image.
    """
    place = Location(place) if isinstance(place, str) else place
    if _is_tiff(place.path):
        from napari_instseg.io.slides import open_slide

        source = open_slide(place)
    else:
        source = open_image(place)
    if axes is None:
        return source
    return replace(source, axes=check_axes(axes, len(source.levels[0].shape)))


def _is_tiff(path: str) -> bool:
    return path.lower().endswith((".tif", ".tiff", *SLIDES))
