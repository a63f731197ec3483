"""Outlines as SVG, for Illustrator and Inkscape: a path per object, in a group for each class."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.exchange.polygons import Polygon, trace_polygons
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.overlay import object_colors

LINE = 1.0
"""Width of the outlines, in pixels of the image."""


def write(path: Path, objects: Objects) -> None:
    """Write one plane: a path with the even-odd rule per object, its number as its name; the page is the image."""
    objects.check_flat("SVG")
    height, width = objects.labels.shape[-2:]
    kinds = objects.classes
    outlines = trace_polygons(objects.labels.reshape(height, width))
    colors = dict(zip(outlines, _hex_colors(np.array(list(outlines), np.int64)), strict=True))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(_clean(objects.name))}</title>",
    ]
    for kind in sorted({kinds.get(number, "") for number in outlines}):
        title = f"<title>{escape(_clean(kind))}</title>" if kind else ""
        lines.append(f'<g fill="none" fill-rule="evenodd" stroke-width="{LINE}" stroke-linejoin="round">{title}')
        for number, polygons in outlines.items():
            if kinds.get(number, "") == kind:
                name = quoteattr(f"object-{number}")
                lines.append(f'<path id={name} stroke="{colors[number]}" d="{_data(polygons)}"/>')
        lines.append("</g>")
    write_bytes(path, "\n".join([*lines, "</svg>", ""]).encode("utf-8"))


def _data(polygons: list[Polygon]) -> str:
    rings = (ring.tolist() for polygon in polygons for ring in polygon)
    return " ".join("M" + " L".join(f"{x},{y}" for x, y in ring) + " Z" for ring in rings)


def _hex_colors(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    if not len(ids):
        return []
    values = np.rint(object_colors(ids, 60.0, (0.0, 360.0)) * 255).astype(int).tolist()
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in values]


def _clean(text: str) -> str:
    """Leave out the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter >= " ")


FORMAT = Format(name="svg", title="Outlines, SVG (Illustrator, Inkscape)", ending=".svg", write=write)
