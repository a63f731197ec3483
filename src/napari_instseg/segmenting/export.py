"""Writing what was found: labels, table and overlay picture, in the layout that `instseg train` and `evaluate` read."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.session.identity import letters_of, step_of
from napari_instseg.session.results import Results
from napari_instseg.session.source import Index, labels_axes, planes, take_plane

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["labels", "table", "overlay", "masks"]

SUFFIXES: dict[Kind, str] = {"labels": ".tif", "table": ".csv", "overlay": ".png", "masks": ".json"}
FOLDERS: dict[Kind, str] = {"labels": "labels", "table": "tables", "overlay": "overlays", "masks": "masks"}


@dataclass(frozen=True)
class Export:
    """What to write where.

    Parameters
    ----------
    results : Results
    labels : array
        The label image of the whole source as it is shown, with what the user painted.
    paths : mapping of kind to Path
        The files.
    index : tuple of int
        The slice that the overlay shows.
    """

    results: Results
    labels: Array
    paths: dict[Kind, Path]
    index: Index = ()


def paths_in(folder: Path, name: str) -> dict[Kind, Path]:
    """Return the files of all kinds in a folder, in the layout that `instseg segment` writes."""
    stem = name.replace("/", "_").replace("\\", "_")
    return {kind: folder / FOLDERS[kind] / f"{stem}{suffix}" for kind, suffix in SUFFIXES.items()}


def write(export: Export) -> Generator[Event, None, None]:
    """Write the files one after the other.

    Yields
    ------
    Progress
        In files.
    Result
        The paths, at last.

    Raises
    ------
    InputError
        If there are no objects yet.
    OutputError
        If a file cannot be written.
    """
    if not export.results.slices:
        raise InputError("There are no objects to export yet. Run the segmentation first.")
    for done, (kind, path) in enumerate(export.paths.items()):
        yield Progress(done, len(export.paths), "files")
        _write_one(export, kind, path)
    yield Result(tuple(export.paths.values()))


def _write_one(export: Export, kind: Kind, path: Path) -> None:
    results = export.results
    if kind == "labels":
        from napari_instseg.io.labels import write_labels

        axes = labels_axes(results.reading)
        letters = letters_of(results.source, results.reading)
        steps = [step_of(results.source, axis, letters[axis]) for axis in axes]
        write_labels(path, export.labels, "".join(letters[axis] for axis in axes), steps)
    elif kind == "table":
        from napari_instseg.io.tables import write_table

        write_table(path, measure(results, export.labels))
    elif kind == "masks":
        _write_masks(export, path)
    else:
        from napari_instseg.io.overlay import draw_overlay, write_overlay

        image, letters = take_plane(results.source, results.reading, export.index)
        write_overlay(path, draw_overlay(image, letters, export.labels[results.position(export.index)]))


def _write_masks(export: Export, path: Path) -> None:
    """Write whole objects, what lies under others included, as COCO JSON."""
    from napari_instseg.exchange.coco import write_coco
    from napari_instseg.exchange.objects import Objects

    results = export.results
    letters = letters_of(results.source, results.reading)
    axes = "".join(letters[axis] for axis in labels_axes(results.reading))
    table = measure(results, export.labels)
    known = table[[name for name in ("label", "class", "score") if name in table]].drop_duplicates("label")
    objects = Objects(export.labels, results.source.name, None, axes, known, covered=covered(results, export.labels))
    write_coco(path, objects, polygons=False)


def covered(results: Results, labels: Array) -> Array | None:
    """Return what lies under other objects of a label image of the whole source, by the ids that the user knows.

    Returns
    -------
    int32 array (m, 1 + ndim), optional
        Id, and index along each axis; None where the method finds no objects that overlap.
    """
    rows = []
    there = np.unique(labels)
    for index, plane in results.slices.items():
        own = plane.segmentation.covered
        if own is None:
            continue
        wide = np.zeros((len(own), 1 + labels.ndim), np.int32)
        wide[:, 0] = plane.ids[own[:, 0]]
        along, inside = iter(index), iter(own[:, 1:].T)
        for axis, part in enumerate(results.position(index)):
            wide[:, 1 + axis] = next(inside) if isinstance(part, slice) else next(along)
        rows.append(wide[np.isin(wide[:, 0], there) & (labels[tuple(wide[:, 1:].T)] != wide[:, 0])])
    return np.concatenate(rows) if rows else None


def measure(results: Results, labels: Array) -> pd.DataFrame:
    """Measure the objects of a label image of the whole source, with the scores of those that the decoder found.

    Parameters
    ----------
    results : Results
    labels : int array
        As shown, with what the user painted.

    Returns
    -------
    DataFrame
        One row per object and slice: label, slice, class and score where known, area in pixels and, where the image
        has a length unit, in square (cubic) micrometres, centroid and bounding box in pixels, end excluded.
    """
    import pandas as pd

    from napari_instseg.io.tables import with_size

    tables = []
    for index in planes(results.source, results.reading):
        here = labels[results.position(index)]
        ids = np.unique(here[here > 0])
        dense = np.zeros(int(here.max(initial=0)) + 1, np.int32)
        dense[ids] = np.arange(1, len(ids) + 1)
        table = Segmentation(dense[here]).table
        table["label"] = ids[table["label"].to_numpy() - 1]
        for axis, position in enumerate(index):
            table.insert(1 + axis, "slice" if len(index) == 1 else f"slice_{axis}", position)
        if index in results.slices:
            known = results.slices[index].table()[["label", *_known(results.slices[index].segmentation)]]
            table = table.merge(known, on="label", how="left")
        tables.append(table)
    spatial = [axis for axis, role in enumerate(results.reading.roles) if role in ("plane", "volume")]
    sides = [results.source.micrometres(axis) for axis in spatial]
    return with_size(pd.concat(tables, ignore_index=True), sides)


def _known(segmentation: Segmentation) -> list[str]:
    columns = {"class": segmentation.class_id, "score": segmentation.score}
    return [name for name, column in columns.items() if column is not None]
