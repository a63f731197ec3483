"""TIFF with the axes and the pixel size that OME and ImageJ write into it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.io.atomic import replacing

if TYPE_CHECKING:
    import tifffile

MICROMETRES = {
    "m": 1e6,
    "cm": 1e4,
    "centimeter": 1e4,
    "mm": 1e3,
    "millimeter": 1e3,
    "um": 1.0,
    "\\u00b5m": 1.0,  # as ImageJ spells it in ASCII
    "\u00b5m": 1.0,  # micro sign
    "\u03bcm": 1.0,  # Greek letter mu
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "\u00e5": 1e-4,
    "pm": 1e-6,
    "inch": 25400.0,
}
"""Length of a unit, named in small letters."""


def read_tiff(path: Path) -> tuple[Array, str, dict[str, float]]:
    """Read the first image of a TIFF file at full resolution.

    Returns
    -------
    array : array
        As stored, but colour samples last and without transparency.
    axes : str
        Its axes as the file names them; empty where it does not.
    scale : dict
        Pixel size in micrometres along X, Y and Z, as far as the file says.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        array, axes = series.asarray(), series.axes
        if "S" in axes:
            array = np.moveaxis(array, axes.index("S"), -1)
            axes = axes.replace("S", "") + "S"
            if array.shape[-1] == 4 and series.keyframe.photometric == tifffile.PHOTOMETRIC.RGB:
                array = array[..., :3]
            elif array.shape[-1] == 1:
                array, axes = array[..., 0], axes[:-1]
            axes = axes.replace("S", "C") if "C" not in axes or "S" not in axes else axes
        if not set(axes) <= set("TCZYX"):
            axes = ""
        return array, axes, _pixel_size(file)


def write_tiff(path: Path, array: Array, axes: str, scale: Mapping[str, float], software: str | None = None) -> None:
    """Write an OME-TIFF, compressed without loss, with its axes, its pixel size in micrometres, and what wrote it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import tifffile

    colour = axes.endswith("C")  # channels last, as RGB has them
    metadata: dict[str, Any] = {"axes": axes[:-1] + "S" if colour else axes}
    for letter, size in scale.items():
        metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
    # the plain TIFF tags too, for readers that know no OME
    resolution = (1e4 / scale["X"], 1e4 / scale["Y"]) if {"X", "Y"} <= set(scale) else (1.0, 1.0)
    unit = "CENTIMETER" if {"X", "Y"} <= set(scale) else "NONE"
    with replacing(path) as beside:
        tifffile.imwrite(
            beside,
            array,
            ome=True,
            metadata=metadata,
            photometric="rgb" if colour else "minisblack",
            compression="zlib",
            resolution=resolution,
            resolutionunit=unit,
            software=software,
        )


def _pixel_size(file: tifffile.TiffFile) -> dict[str, float]:
    sizes = _ome_pixel_size(file) if file.is_ome else _imagej_pixel_size(file) if file.is_imagej else {}
    return {letter: size for letter, size in sizes.items() if np.isfinite(size) and size > 0}


def _ome_pixel_size(file: tifffile.TiffFile) -> dict[str, float]:
    import tifffile

    images = tifffile.xml2dict(file.ome_metadata or "").get("OME", {}).get("Image", {})
    pixels = (images[0] if isinstance(images, list | tuple) else images).get("Pixels", {})
    sizes = {}
    for letter in "XYZ":
        unit = MICROMETRES.get(str(pixels.get(f"PhysicalSize{letter}Unit", "µm")).lower())
        if unit and f"PhysicalSize{letter}" in pixels:
            sizes[letter] = float(pixels[f"PhysicalSize{letter}"]) * unit
    return sizes


def _imagej_pixel_size(file: tifffile.TiffFile) -> dict[str, float]:
    metadata = file.imagej_metadata or {}
    unit = MICROMETRES.get(str(metadata.get("unit", "")).lower())
    if unit is None:
        return {}
    tags = file.pages.first.tags
    sizes = {"Z": float(metadata["spacing"]) * unit} if "spacing" in metadata else {}
    for letter in "XY":
        tag = tags.get(f"{letter}Resolution")
        if tag is not None and tag.value[0]:
            pixels, units = tag.value
            sizes[letter] = units / pixels * unit
    return sizes
