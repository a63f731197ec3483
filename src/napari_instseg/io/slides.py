"""Whole slides and other large TIFF files, read region by region."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.units import micrometres
from napari_instseg.io.sources import ImageSource, Location, stem_of

if TYPE_CHECKING:
    import tifffile

LETTERS = {"S": "C", "I": "T", "Q": "T", "R": "T"}
"""What tifffile calls colour samples, and dimensions that nothing names."""


class Opened:
    """Stands for a file that is open; it is closed when the last source that reads from it is gone."""


def open_slide(place: Location) -> ImageSource:
    """Open the first image of a TIFF file, with the levels of its pyramid.

    Raises
    ------
    InputError
        If it is missing, damaged, or its dimensions cannot be told.
    """
    import tifffile
    import zarr

    try:
        file = tifffile.TiffFile(place.path)
    except FileNotFoundError:
        raise InputError(f"There is no file '{place.path}'. Check the name and the folder.") from None
    except Exception as error:  # whatever a damaged file makes of the reader
        raise InputError(f"'{place.path}' is no TIFF that can be read: {error}. Copy or export it again.") from error
    opened = Opened()
    weakref.finalize(opened, file.close)  # also where it is refused below
    try:
        series = max(file.series, key=lambda one: one.size if one.name.lower() not in ("label", "macro") else 0)
        levels = [_lazy(level, zarr, place, file.byteorder) for level in series.levels]
        axes = "".join(LETTERS.get(letter, letter) for letter in series.axes)
    except Exception as error:
        raise InputError(f"'{place.path}' is a TIFF whose pixels cannot be found: {error}. Export it again.") from error
    levels = [level for level in levels if len(level.shape) == len(axes)]
    if len(set(axes)) != len(axes) or not set(axes) <= set("TCZYX"):
        raise InputError(f"'{place.path}' has the axes {series.axes}; expected T, C, Z, Y, X. Say them by --axes.")
    sizes = pixel_sizes(file)
    first = dict(zip(axes, levels[0].shape, strict=True))
    scale = [
        {
            letter: sizes[letter] * first[letter] / dict(zip(axes, level.shape, strict=True))[letter]
            for letter in axes
            if letter in sizes
        }
        for level in levels
    ]
    units = {letter: "micrometer" for letter in sizes if letter in axes}
    moves: list[dict[str, float]] = [{} for _ in levels]
    return ImageSource(stem_of(place.path), axes, levels, scale, moves, units, "", place, opened=opened)


def _lazy(level: Any, zarr: Any, place: Location, byteorder: str) -> Any:
    if level.dataoffset is not None:
        # one run of plain bytes: as a single strip, a region of it would else be read as the whole
        dtype = np.dtype(level.dtype).newbyteorder(byteorder)
        return np.memmap(place.path, dtype=dtype, shape=level.shape, offset=level.dataoffset, mode="r")
    return zarr.open_array(level.aszarr(), mode="r")


def pixel_sizes(file: tifffile.TiffFile) -> dict[str, float]:
    """Return micrometres per pixel along Y and X, and Z where known; empty where the file does not say."""
    if file.ome_metadata:
        from napari_instseg.io.ome import read_ome

        images = read_ome(file.ome_metadata, file.filename or "", len(file.pages))
        found = images[0].scale if images else {}
        return {letter: size for letter, size in found.items() if letter in "XYZ" and size > 0}
    if file.is_svs:
        for part in str(file.pages.first.description).split("|"):
            name, _, value = part.partition("=")
            if name.strip() == "MPP":
                return {"Y": float(value), "X": float(value)}
    tags = file.pages.first.tags
    unit = (
        {2: micrometres("inch"), 3: micrometres("cm")}.get(int(tags["ResolutionUnit"].value))
        if ("ResolutionUnit" in tags)
        else None
    )
    if unit is None or "XResolution" not in tags or "YResolution" not in tags:
        return {}
    sizes = {}
    for letter in "YX":
        per, of = tags[f"{letter}Resolution"].value
        # 1 and 72 or so dots per inch are what writers put where they know nothing
        if not per or not of or unit * of / per > 100:
            return {}
        sizes[letter] = unit * of / per
    return sizes
