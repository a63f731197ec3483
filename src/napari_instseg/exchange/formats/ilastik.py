"""Labels in HDF5 as ilastik exports and reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.formats.cellpose import whole
from napari_instseg.exchange.hdf5 import DATASET, largest_dataset, read_dataset
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.io.atomic import replacing
from napari_instseg.io.labels import check_labels


def write(path: Path, objects: Objects) -> None:
    """Write the dataset ``exported_data``, compressed, with ilastik's ``axistags``."""
    import h5py

    tags = {"axes": [_tag(letter) for letter in objects.axes.lower()]}
    with replacing(path) as beside, h5py.File(beside, "w") as file:
        made = file.create_dataset(DATASET, data=objects.labels.astype(np.uint32), compression="gzip", chunks=True)
        made.attrs["axistags"] = json.dumps(tags)


def read(path: Path, grid: Grid) -> Found:
    """Read the only dataset, or ``exported_data``; channels of length 1 are left out."""
    name = largest_dataset(path)
    array, axes = read_dataset(path, name)
    if "c" in axes:
        at = axes.index("c")
        if array.shape[at] > 1:
            raise InputError(
                f"'{path}' has {array.shape[at]} channels, as probabilities have; expected one id per pixel. In "
                "ilastik export the object identities or the simple segmentation, or open it as a prediction."
            )
        array, axes = array.take(0, axis=at), axes.replace("c", "")
    kept = [i for i, letter in enumerate(axes) if letter in "yx" or array.shape[i] > 1]
    array, axes = array.reshape([array.shape[i] for i in kept]), "".join(axes[i] for i in kept)
    order = grid.axes.lower()
    if axes and sorted(axes) == sorted(order):
        array = array.transpose([axes.index(letter) for letter in order])
    labels, notes = whole(array)
    return Found(check_labels(labels, grid.shape, name=f"'{path}'", image=f"'{grid.name}'"), notes)


def _tag(letter: str) -> dict[str, Any]:
    # vigra's kinds of axes: 2 is space, 8 time
    return {"key": letter, "typeFlags": 8 if letter == "t" else 2, "resolution": 0, "description": ""}


FORMAT = Format(
    name="ilastik",
    title="HDF5 (ilastik)",
    ending="_ilastik.h5",
    write=write,
    read=read,
    aliases=("hdf5", "h5"),
    suffixes=(".h5", ".hdf5", ".hdf"),
)
