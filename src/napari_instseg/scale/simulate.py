"""Slides and plates with exact truth, made chunk by chunk, so that any size takes the same memory."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, OutputError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.data.simulate.nuclei import Nuclei, simulate
from napari_instseg.io.ome_zarr import create_array, multiscale, open_for_writing, say

TILE = 512
"""Side of a simulated part, in pixels; chunks are as large."""
DENSITY = 2000
"""Pixels for each nucleus."""
DIAMETER = 20.0
"""Mean diameter of nuclei, in pixels."""
PIXEL = 0.5
"""Micrometres."""
SHIFT = TILE // 2
"""The edge of parts lies in the middle of chunks, so that objects cross chunks."""


def simulate_slide(
    out: str | Path, side: int = 8192, seed: int = 0, version: str = "0.5", chunk: int = TILE
) -> Iterator[Event]:
    """Write an OME-Zarr image of nuclei, with a pyramid and its true labels in ``labels/truth``.

    Parameters
    ----------
    out : str or Path
        The store; must not exist.
    side : int
        Of the image, in pixels.
    seed : int
        The same seed gives the same slide.
    version : {"0.5", "0.4"}
        Of OME-Zarr.
    chunk : int
        Side of a chunk, in pixels.

    Yields
    ------
    Progress
        In rows of parts.
    Result
        The number of nuclei.

    Raises
    ------
    OutputError
        If there is something already, or it cannot be written.
    """
    out = _free(out, version)
    if side < 64:
        raise InputError(f"The side is {side}; expected 64 pixels or more.")
    group = open_for_writing(out, version)
    count = yield from _write_image(group, side, seed, version, chunk, out.name)
    yield Result(count)


def simulate_plate(
    out: str | Path, wells: int = 24, fields: int = 4, seed: int = 0, side: int = 512, version: str = "0.5"
) -> Iterator[Event]:
    """Write an OME-Zarr plate of nuclei, each field with its true labels in ``labels/truth``.

    Parameters
    ----------
    out, seed, version
        As for `simulate_slide`.
    wells, fields : int
        How many, and how many of each.
    side : int
        Of a field, in pixels.
    """
    out = _free(out, version)
    columns = next(n for n in (6, 12, 24, 48) if wells <= n * n * 2 // 3 or n == 48)
    names = [divmod(number, columns) for number in range(wells)]
    rows = [chr(ord("A") + row) for row in range(names[-1][0] + 1)]
    root = open_for_writing(out, version)
    plate: dict[str, Any] = {
        "name": out.name.removesuffix(".zarr"),
        "rows": [{"name": row} for row in rows],
        "columns": [{"name": f"{column + 1:02d}"} for column in range(min(columns, wells))],
        "wells": [
            {"path": f"{rows[row]}/{column + 1:02d}", "rowIndex": row, "columnIndex": column} for row, column in names
        ],
        "field_count": fields,
    }
    if version == "0.4":
        plate["version"] = version
    say(root, version, {"plate": plate})
    count = 0
    for number, (row, column) in enumerate(names):
        well = root.require_group(f"{rows[row]}/{column + 1:02d}")
        about: dict[str, Any] = {"images": [{"path": str(one)} for one in range(fields)]}
        if version == "0.4":
            about["version"] = version
        say(well, version, {"well": about})
        for one in range(fields):
            group = well.require_group(str(one))
            events = _write_image(group, side, seed * 1_000_003 + number * fields + one, version, TILE, str(one))
            count += yield from events
        yield Progress(number + 1, wells, "wells")
    yield Result(count)


def _free(out: str | Path, version: str) -> Path:
    if version not in ("0.4", "0.5"):
        raise InputError(f"The version of OME-Zarr is '{version}'; expected 0.4 or 0.5.")
    if Path(out).exists():
        raise OutputError(f"'{out}' is there already, so it is kept. Choose another name, or delete it.")
    return Path(out)


def part(seed: int, row: int, column: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]:
    """Simulate one part of a slide, and its labels from 1."""
    rng = np.random.default_rng([seed, row, column])
    simulated = simulate(
        Nuclei(height=TILE, width=TILE, count=TILE * TILE // DENSITY, diameter=DIAMETER, clustering=0.4), rng
    )
    return simulated.image, simulated.labels


class _Field:
    """An endless field of simulated parts, of which any window can be read; nuclei end where parts meet."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept: dict[tuple[int, int], tuple[Any, Any]] = {}

    def _part(self, row: int, column: int) -> tuple[Any, Any]:
        key = row, column
        if key not in self._kept:
            while len(self._kept) > 1 and min(self._kept)[0] < row - 1:
                del self._kept[min(self._kept)]
            self._kept[key] = part(self._seed, row, column)
        return self._kept[key]

    def band(self, top: int, height: int, side: int, base: int) -> tuple[Any, Any]:
        """Read all columns of some rows; ids are those of a part, counted on from a number of its own."""
        image, labels = np.zeros((height, side), np.uint16), np.zeros((height, side), np.uint32)
        per = -(-(side + SHIFT) // TILE)
        for row in range((top + SHIFT) // TILE, (top + height - 1 + SHIFT) // TILE + 1):
            for column in range(per):
                y, x = row * TILE - SHIFT, column * TILE - SHIFT
                rows = slice(max(y, top), min(y + TILE, top + height))
                columns = slice(max(x, 0), min(x + TILE, side))
                if rows.stop <= rows.start or columns.stop <= columns.start:
                    continue
                light, truth = self._part(row, column)
                inner = (slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x))
                outer = (slice(rows.start - top, rows.stop - top), columns)
                image[outer] = light[inner]
                start = (row * per + column) * base
                labels[outer] = np.where(truth[inner] > 0, truth[inner] + start, 0)
        return image, labels


def _write_image(group: Any, side: int, seed: int, version: str, chunk: int, name: str) -> Generator[Event, None, int]:
    """Write an image with its pyramid and truth, in bands; return the number of nuclei."""
    sides = [side]
    while sides[-1] > 512:
        sides.append((sides[-1] + 1) // 2)
    labels_group = group.require_group("labels")
    say(labels_group, version, {"labels": ["truth"]})
    truth_group = labels_group.require_group("truth")
    images = [
        create_array(group, str(n), "YX", (s, s), (chunk, chunk), np.uint16, version) for n, s in enumerate(sides)
    ]
    truths = [
        create_array(truth_group, str(n), "YX", (s, s), (chunk, chunk), np.uint32, version) for n, s in enumerate(sides)
    ]
    paths = [str(n) for n in range(len(sides))]
    scale = [dict.fromkeys("YX", PIXEL * 2**n) for n in range(len(sides))]
    units = dict.fromkeys("YX", "micrometer")
    say(group, version, {"multiscales": multiscale(name, "YX", units, paths, scale, {}, version)})
    about: dict[str, Any] = {"source": {"image": "../../"}}
    if version == "0.4":
        about["version"] = version
    described = multiscale("truth", "YX", units, paths, scale, {}, version)
    say(truth_group, version, {"multiscales": described, "image-label": about})
    field, base = _Field(seed), TILE * TILE // DENSITY + 1
    band = chunk * 2 ** max(0, len(sides) - 1)
    band = min(band, max(chunk, 2048), side)
    seen = 0
    for top in range(0, side, band):
        height = min(band, side - top)
        light, truth = field.band(top, height, side, base)
        seen += int(np.count_nonzero(np.unique(truth)))
        for level in range(len(sides)):
            at = slice(top >> level, (top >> level) + light.shape[0])
            images[level][at], truths[level][at] = light, truth
            # bands begin at even rows, down to the level where one would be a single row
            light, truth = light[::2, ::2], truth[::2, ::2]
        yield Progress(min(top + height, side), side, "rows")
    return seen
