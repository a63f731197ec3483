"""The table of all objects of a job, from what was measured in each region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_instseg.core.units import micrometres
from napari_instseg.inference.stitch import rows
from napari_instseg.io.large import open_source
from napari_instseg.io.tables import with_size, write_parquet, write_table
from napari_instseg.scale.job import Job, Unit
from napari_instseg.scale.work import _load, read_facts, read_resolution

CLASS = {"class_id": "class"}
"""Names of columns that are others than those of the arrays."""


def write_tables(job: Job, key: str, path: Path) -> int:
    """Write one row per object as CSV and, beside it, as Parquet; give the number of objects.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    parts = [
        _image_table(job, key, number, image)
        for number, piece in enumerate(job.pieces)
        for image in range(piece.images)
    ]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    write_table(path, table)
    write_parquet(path.with_suffix(".parquet"), table)
    return len(table)


def _image_table(job: Job, key: str, number: int, image: int) -> pd.DataFrame:
    piece = job.pieces[number]
    spatial = "zyx"[-len(piece.shape) :]
    resolution, first = read_resolution(job.file(f"resolved-{key}", f"{number}-{image}"))
    count = resolution.count
    size = np.zeros(count, np.int64)
    sums = np.zeros((count, len(spatial)))
    start = np.full((count, len(spatial)), np.iinfo(np.int64).max)
    stop = np.zeros((count, len(spatial)), np.int64)
    for region in range(len(job.regions(number))):
        found = _load(job.file(f"painted-{key}", Unit(number, image, region)))
        at = found["ids"] - 1
        size[at] += found["size"]
        sums[at] += found["sums"]
        np.minimum.at(start, at, found["start"])
        np.maximum.at(stop, at, found["stop"])
    there = np.flatnonzero(size)
    columns: dict[str, Any] = {}
    if piece.place.well:
        columns |= {"well": piece.place.well, "field": piece.place.field}
    columns |= {letter.lower(): at for letter, at in zip(piece.stack, piece.place_in_stack(image), strict=True)}
    columns["label"] = there + 1 + first
    values = rows(_facts(job, number, image), resolution.row_of[there])
    for name in ("class_id", "score"):
        if name in values:
            columns[CLASS.get(name, name)] = values[name]
    columns["area"] = size[there]
    centroid: npt.NDArray[np.float64] = sums[there] / np.maximum(size[there], 1)[:, None]
    columns |= {f"centroid_{name}": centroid[:, axis] for axis, name in enumerate(spatial)}
    columns |= {f"{name}_min": start[there, axis] for axis, name in enumerate(spatial)}
    columns |= {f"{name}_max": stop[there, axis] for axis, name in enumerate(spatial)}
    return with_size(pd.DataFrame(columns), _sides(job, number))


def _facts(job: Job, number: int, image: int) -> list[Any]:
    files = [job.file("blocks", Unit(number, image, block)) for block in range(len(job.grid(number)))]
    return [read_facts(path) if path.exists() else None for path in files]


def _sides(job: Job, number: int) -> list[float | None]:
    """Return micrometres per pixel of the labels along each axis; None where nothing says it."""
    piece = job.pieces[number]
    source = open_source(piece.place, piece.axes)
    sizes = source.scale[piece.level] if piece.level < len(source.scale) else {}
    found: list[float | None] = []
    for letter in "ZYX"[-len(piece.shape) :]:
        unit = micrometres(source.units.get(letter, ""))
        found.append(sizes[letter] * unit if unit is not None and sizes.get(letter) else None)
    return found
