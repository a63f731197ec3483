"""Cellpose's `_seg.npy`: masks for its window, and read without running code that may be in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.exchange.safe_pickle import read_dictionary
from napari_instseg.io.atomic import replacing
from napari_instseg.io.labels import check_labels


def write(path: Path, objects: Objects) -> None:
    """Write what Cellpose's window opens: masks numbered 1, 2, 3, ... and their outlines."""
    from skimage.segmentation import find_boundaries

    objects.check_flat("Cellpose's _seg.npy") if "T" in objects.axes else None
    masks = np.searchsorted(objects.ids, objects.labels) + 1
    masks[objects.labels == 0] = 0
    kind = np.uint16 if len(objects.ids) < np.iinfo(np.uint16).max else np.uint32
    masks = masks.astype(kind)
    # Cellpose outlines each plane, on the object's own pixels
    outlines = np.zeros_like(masks)
    for place in np.ndindex(masks.shape[:-2]):
        outlines[place] = masks[place] * find_boundaries(masks[place], mode="inner")
    image = objects.image.path if objects.image is not None and objects.image.path else Path(objects.name)
    content = {
        "masks": masks,
        "outlines": outlines,
        "filename": image.name,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(len(objects.ids), bool),
        "manual_changes": [],
        "flows": [],
        "zdraw": [None] * len(objects.ids),
    }
    holder = np.empty((), object)
    holder[()] = content
    with replacing(path) as beside, beside.open("wb") as file:
        np.save(file, holder, allow_pickle=True)


def read(path: Path, grid: Grid) -> Found:
    """Read the masks; old files that count background as -1 too."""
    content = read_dictionary(path)
    masks = content.get("masks")
    if not isinstance(masks, np.ndarray):
        raise InputError(f"'{path}' has no masks. Segment the image in Cellpose and save it there.")
    masks = masks.squeeze()
    if masks.size and masks.dtype.kind == "i" and int(masks.min()) == -1:
        masks = masks + 1
    masks, notes = whole(masks)
    return Found(check_labels(masks, grid.shape, name=f"'{path}'", image=f"'{grid.name}'"), notes)


def whole(labels: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """Turn ids that are whole numbers in floating point into integers, and say so."""
    if labels.dtype.kind != "f" or not np.isfinite(labels).all() or not np.array_equal(labels, np.round(labels)):
        return labels, ()
    return labels.astype(np.int64), ("The ids were in floating point, all whole numbers; they were read as integers.",)


def recognise(path: Path) -> bool:
    """Tell a `_seg.npy` under another name from an array of labels."""
    if path.name.lower().endswith("_seg.npy"):
        return True
    try:
        np.load(path, allow_pickle=False, mmap_mode="r")
    except (ValueError, OSError, EOFError):
        return True
    return False


FORMAT = Format(
    name="cellpose",
    title="Cellpose _seg.npy",
    ending="_seg.npy",
    write=write,
    read=read,
    aliases=("seg", "cellpose-seg"),
    suffixes=("_seg.npy", ".npy"),
    recognise=recognise,
)
