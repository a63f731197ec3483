"""GeoJSON as QuPath reads and writes it: a feature per object, in pixels, with class and measurements."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import read_json
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.exchange.paint import Painter, numbered
from napari_instseg.exchange.polygons import Polygon, trace_polygons
from napari_instseg.io.atomic import replacing
from napari_instseg.io.overlay import object_colors
from napari_instseg.io.stamps import Stamp

SPACE = uuid.UUID("6c1e5c56-5b0f-4d5f-8d2e-0b6f7a4f2c11")
"""Names under this, by the labels' digest and the object, are the same at each export."""


def write(path: Path, objects: Objects) -> None:
    """Write a FeatureCollection of detections; an object in several planes has a feature in each."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [\n')
        for number, feature in enumerate(_features(objects)):
            file.write(",\n" if number else "")
            file.write(json.dumps(feature, ensure_ascii=False, allow_nan=False, check_circular=False))
        file.write("\n]}\n")


def read(path: Path, grid: Grid) -> Found:
    """Read features with a polygon or several; points and lines hold no pixels and are left out.

    Objects get the numbers that their names are; if these are no numbers or not all different, 1, 2, 3, ...
    """
    features = list(_listed_features(read_json(path), path))
    painter = Painter(grid, f"'{path}'")
    areas = [feature for feature in features if feature["geometry"].get("type") in ("Polygon", "MultiPolygon")]
    if len(areas) < len(features):
        painter.note(
            f"{len(features) - len(areas)} features that are no areas, such as points and lines, were left out."
        )
    names = [_name(feature) for feature in areas]
    planes = [_plane(feature) for feature in areas]
    for number, name, plane, feature in zip(numbered(names, planes), names, planes, areas, strict=True):
        geometry = feature["geometry"]
        polygons = geometry.get("coordinates")
        polygons = [polygons] if geometry["type"] == "Polygon" else polygons
        painter.polygons(number, [_rings(polygon, path) for polygon in _list(polygons, path)], name, *plane)
        kind = _properties(feature).get("classification")
        if isinstance(kind, dict) and isinstance(kind.get("name"), str):
            painter.classify(number, kind["name"])
    return painter.found()


def recognise(path: Path) -> bool:
    """Tell a GeoJSON from other JSON."""
    value = read_json(path)
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) and item.get("type") in ("FeatureCollection", "Feature") for item in items)


def _features(objects: Objects) -> Iterator[dict[str, Any]]:
    digest = Stamp.pixels(objects.labels)
    table = objects.measured()
    plain = table.drop(columns=[name for name in ("label", "class", "model", "t") if name in table])
    plain = plain.select_dtypes(["number", "bool"]).astype(float)
    times = table["t"].tolist() if "t" in table else [0] * len(table)
    keys = list(zip(times, table["label"].tolist(), strict=True))
    rows = dict(zip(keys, plain.to_numpy().tolist(), strict=True))
    columns = [_measurement(name) for name in plain.columns]
    kinds = objects.classes
    colors = _class_colors(sorted(set(kinds.values())))
    flat = objects.labels.ndim == 2
    for numbers, plane in objects.planes():
        for number, polygons in trace_polygons(plane).items():
            closed = [[_closed(ring) for ring in polygon] for polygon in polygons]
            single = len(closed) == 1
            geometry: dict[str, Any] = {
                "type": "Polygon" if single else "MultiPolygon",
                "coordinates": closed[0] if single else closed,
            }
            if not flat:
                geometry["plane"] = {"c": -1, **{key: numbers[key] for key in ("z", "t")}}
            properties: dict[str, Any] = {"objectType": "detection", "name": str(number)}
            if number in kinds:
                properties["classification"] = {"name": kinds[number], "color": colors[kinds[number]]}
            values = rows[numbers["t"], number]
            properties["measurements"] = {
                key: value for key, value in zip(columns, values, strict=True) if value - value == 0
            }
            name = f"{digest}/{numbers['t']}/{numbers['z']}/{number}"
            yield {
                "type": "Feature",
                "id": str(uuid.uuid5(SPACE, name)),
                "geometry": geometry,
                "properties": properties,
            }


def _measurement(column: str) -> str:
    """Spell a column as QuPath shows measurements: words, and the unit behind."""
    for ending, unit in (("_px", "px"), ("_um", "µm"), ("_um2", "µm^2"), ("_um3", "µm^3"), ("_deg", "deg")):
        if column.endswith(ending):
            words = column.removesuffix(ending).replace("_", " ").capitalize()
            return f"{words} {'px^2' if column == 'area_px' else unit}"
    return column.replace("_", " ").capitalize()


def _class_colors(names: list[str]) -> dict[str, list[int]]:
    colors = object_colors(np.arange(1, len(names) + 1), 60.0, (0.0, 360.0))
    return {name: [round(float(part) * 255) for part in color] for name, color in zip(names, colors, strict=True)}


def _closed(ring: Any) -> list[list[int]]:
    points: list[list[int]] = ring.tolist()
    return [*points, points[0]]


def _listed_features(value: Any, path: Path) -> Iterator[dict[str, Any]]:
    kind = value.get("type") if isinstance(value, dict) else None
    items = value if isinstance(value, list) else value.get("features") if kind == "FeatureCollection" else [value]
    for item in _list(items, path):
        if not isinstance(item, dict):
            raise InputError(f"'{path}' is no GeoJSON: a feature is a {type(item).__name__}; expected an object.")
        if item.get("type") == "FeatureCollection":
            yield from _listed_features(item, path)
            continue
        geometry = item.get("geometry") if item.get("type") == "Feature" else item
        if geometry is None:
            continue
        if not isinstance(geometry, dict) or not isinstance(geometry.get("type"), str):
            raise InputError(f"'{path}' is no GeoJSON: a feature has no geometry with a type. Export it again.")
        yield {**item, "geometry": geometry}


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    found = feature.get("properties")
    return found if isinstance(found, dict) else {}


def _name(feature: dict[str, Any]) -> str:
    name = _properties(feature).get("name")
    return str(name) if isinstance(name, str | int) else ""


def _plane(feature: dict[str, Any]) -> tuple[int, int]:
    """Return time point and z plane, from 0."""
    plane = feature["geometry"].get("plane") or {}
    numbers = [plane.get(key, 0) for key in ("t", "z")] if isinstance(plane, dict) else [0, 0]
    t, z = (int(number) if isinstance(number, int | float) and number == number else 0 for number in numbers)
    return t, z


def _rings(polygon: Any, path: Path) -> Polygon:
    rings = []
    for points in _list(polygon, path):
        try:
            ring = np.array([point[:2] for point in points], np.float64)
        except (TypeError, ValueError, OverflowError, KeyError):
            raise InputError(f"'{path}' is no GeoJSON: a corner is not [x, y]. Export it again.") from None
        if ring.ndim != 2 or ring.shape[1] != 2:
            raise InputError(f"'{path}' is no GeoJSON: a ring is not a list of [x, y]. Export it again.")
        rings.append(ring)
    return rings


def _list(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(
            f"'{path}' is no GeoJSON: found a {type(value).__name__} where a list belongs. Export it again."
        )
    return value


FORMAT = Format(
    name="geojson",
    title="GeoJSON (QuPath)",
    ending=".geojson",
    write=write,
    read=read,
    aliases=("qupath",),
    suffixes=(".geojson", ".json"),
    recognise=recognise,
)
