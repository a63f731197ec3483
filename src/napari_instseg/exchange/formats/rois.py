"""ImageJ's regions of interest: a zip archive for Fiji's ROI Manager, an entry per object and plane."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import read_zip
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.exchange.paint import Painter, numbered
from napari_instseg.exchange.polygons import Polygon, trace_polygons
from napari_instseg.io.atomic import replacing

if TYPE_CHECKING:
    from roifile import ImagejRoi

LARGEST_SIDE = 32767
"""ImageJ keeps the box of a region in 16 bits with a sign."""
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0
"""Segments of a composite region, as java.awt.geom.PathIterator numbers them."""
ELLIPSE_CORNERS = 360


def write(path: Path, objects: Objects) -> None:
    """Write a region per object, named by its number; one with holes or several pieces is a composite."""
    if max(objects.labels.shape[-2:]) > LARGEST_SIDE:
        raise InputError(
            f"'{objects.name}' has {objects.labels.shape[-2:]} pixels; ImageJ's regions reach to {LARGEST_SIDE}. "
            "Export it as GeoJSON or TIFF, or crop it."
        )
    digits = len(str(int(objects.labels.max(initial=0))))
    with replacing(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for numbers, plane in objects.planes():
            place = "".join(f"{key}{numbers[key] + 1:04d}-" for key in ("t", "z") if key.upper() in objects.axes)
            for number, polygons in trace_polygons(plane).items():
                name = f"{place}{number:0{digits}d}"
                archive.writestr(f"{name}.roi", _region(name, polygons, numbers, objects.axes).tobytes())


def read(path: Path, grid: Grid) -> Found:
    """Read polygons, freehand and traced regions, rectangles, ovals and composites; lines and points are left out.

    Objects get the numbers that their names are; if these are no numbers or not all different, 1, 2, 3, ...
    """
    from roifile import ImagejRoi

    painter = Painter(grid, f"'{path}'")
    entries = read_zip(path, ".roi") if path.suffix.lower() == ".zip" else iter([(path.name, path.read_bytes())])
    names, planes, shapes, others = [], [], [], 0
    for entry, content in entries:
        try:
            region = ImagejRoi.frombytes(content)
            polygons = _polygons(region)
        except Exception as error:  # roifile raises whatever occurs to it at damaged bytes
            raise InputError(f"'{path}': '{entry}' is no region of ImageJ, or is damaged ({error}).") from None
        if polygons is None:
            others += 1
            continue
        names.append(region.name or PurePosixPath(entry).stem)
        planes.append(_plane(region, grid))
        shapes.append(polygons)
    if others:
        painter.note(f"{others} regions that are no areas, such as points and lines, were left out.")
    ids = [name.rsplit("-", 1)[-1] if name[:1] in "tz" else name for name in names]
    for number, name, plane, polygons in zip(numbered(ids, planes), names, planes, shapes, strict=True):
        painter.polygons(number, polygons, name, *plane)
    return painter.found()


def _region(name: str, polygons: list[Polygon], numbers: dict[str, int], axes: str) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    corners = np.concatenate([ring for polygon in polygons for ring in polygon])
    low, high = corners.min(0), corners.max(0)
    if len(polygons) == 1 and len(polygons[0]) == 1:
        region = ImagejRoi.frompoints(polygons[0][0], name=name)
        region.roitype = ROI_TYPE.TRACED
    else:
        path: list[float] = []
        for ring in (ring for polygon in polygons for ring in polygon):
            path += [MOVE, *ring[0].tolist()]
            for point in ring[1:].tolist():
                path += [LINE, *point]
            path.append(CLOSE)
        region = ImagejRoi(
            roitype=ROI_TYPE.RECT,
            name=name,
            shape_roi_size=len(path),
            multi_coordinates=np.array(path, np.float32),
        )
        region.version = 227
    region.left, region.top, region.right, region.bottom = (int(side) for side in (*low, *high))
    if "Z" in axes:
        region.z_position = numbers["z"] + 1
    if "T" in axes:
        region.t_position = numbers["t"] + 1
    if "Z" in axes or "T" in axes:
        region.c_position = 1
    return region


def _plane(region: ImagejRoi, grid: Grid) -> tuple[int, int]:
    """Return time point and z plane from 0; ImageJ has 0 for a region of all planes."""
    t, z = max(region.t_position - 1, 0), max(region.z_position - 1, 0)
    if region.t_position <= 0 and region.z_position <= 0 and region.position > 0 and len(grid.axes) == 3:
        number = region.position - 1
        return (number, 0) if "T" in grid.axes else (0, number)
    return t, z


def _polygons(region: Any) -> list[Polygon] | None:
    from roifile import ROI_TYPE

    if region.multi_coordinates is not None:
        return _composite(np.asarray(region.multi_coordinates, np.float64))
    kind = region.roitype
    left, top, right, bottom = (float(side) for side in (region.left, region.top, region.right, region.bottom))
    if region.subpixelresolution and region.xd is not None and kind in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        left, top = float(region.xd), float(region.yd)
        right, bottom = left + float(region.widthd), top + float(region.heightd)
    if kind == ROI_TYPE.RECT:
        return [[np.array([[left, top], [right, top], [right, bottom], [left, bottom]])]]
    if kind == ROI_TYPE.OVAL:
        angle = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
        x = (left + right) / 2 + (right - left) / 2 * np.cos(angle)
        y = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angle)
        return [[np.column_stack([x, y])]]
    if kind in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        points = np.asarray(region.coordinates(), np.float64).reshape(-1, 2)
        return [[points]]
    return None


def _composite(path: np.ndarray[Any, np.dtype[np.float64]]) -> list[Polygon]:
    """Return all rings of a composite as one polygon: inside is what lies in an odd number of them, as in Java."""
    rings: Polygon = []
    points: list[list[float]] = []
    at = 0
    lengths = {0: 3, 1: 3, 2: 5, 3: 7, 4: 1}
    while at < len(path):
        kind = int(path[at])
        length = lengths[kind]
        if kind == MOVE and points:
            rings.append(np.array(points))
            points = []
        if length > 1:
            points.append(path[at + length - 2 : at + length].tolist())  # of a curve its end
        at += length
    if points:
        rings.append(np.array(points))
    return [rings]


FORMAT = Format(
    name="rois",
    title="ImageJ regions (Fiji's ROI Manager)",
    ending="_rois.zip",
    write=write,
    read=read,
    aliases=("roi", "imagej-rois", "imagej-roi", "roizip"),
    suffixes=(".zip", ".roi"),
)
