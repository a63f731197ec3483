"""Label images as OME-TIFF, and from any image file: TIFF, PNG or NPY."""

from __future__ import annotations

from pathlib import Path

from napari_instseg.exchange.format import Format
from napari_instseg.exchange.formats.cellpose import whole
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.io.images import read_indexed
from napari_instseg.io.labels import check_labels, write_labels


def write(path: Path, objects: Objects) -> None:
    """Write an OME-TIFF with axes and pixel size: 16 bits where the ids fit, else 32."""
    write_labels(path, objects.labels, objects.axes, objects.scale)


def read(path: Path, grid: Grid) -> Found:
    """Read a label image of any kind; whole numbers in floating point, as ImageJ has them, are taken as ids."""
    labels, notes = whole(read_indexed(path).array)
    return Found(check_labels(labels, grid.shape, name=f"'{path}'", image=f"'{grid.name}'"), notes)


FORMAT = Format(
    name="tiff",
    title="Label image, OME-TIFF",
    ending="_labels.tif",
    write=write,
    read=read,
    aliases=("tif", "ome-tiff", "labels"),
    suffixes=(".tif", ".tiff", ".png", ".npy"),
)
