"""A stack of masks, one page for each object: objects that overlap are whole in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.overlapping import from_masks, out_of_sight, whole_masks
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.formats import tiff
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.io.images import read_indexed

IN_SIGHT, COVERED = 255, 254
"""Values of an object's pixels: where nothing lies over it, and where another object does."""
LARGEST = 2**31
"""Bytes that a stack may have before it is compressed."""


def write(path: Path, objects: Objects) -> None:
    """Write (n, *shape of the labels), 8 bits: 0 outside of the object, 255 where it is in sight, 254 where covered.

    Raises
    ------
    InputError
        If there are so many objects that the stack would be larger than 2 GiB.
    """
    import tifffile

    from napari_instseg.io.atomic import replacing

    ids = objects.all_ids
    if len(ids) * objects.labels.size > LARGEST:
        raise InputError(
            f"{len(ids)} masks of {objects.labels.shape} pixels are more than {LARGEST >> 30} GiB. Choose coco-rle, "
            "which holds the same in less."
        )
    stack = whole_masks(objects.labels, objects.covered, ids).astype(np.uint8) * np.uint8(COVERED)
    for page, number in zip(stack, ids.tolist(), strict=True):
        page[objects.labels == number] = IN_SIGHT
    page = np.zeros((1, *objects.labels.shape), np.uint8)  # a file has one, also without objects
    with replacing(path) as beside:
        tifffile.imwrite(beside, stack if len(stack) else page, photometric="minisblack", compression="zlib")


def read(path: Path, grid: Grid) -> Found:
    """Read a stack of masks, other than 0 inside; objects are numbered from 1 in the order of the pages.

    Where a stack does not say what is in sight, the later object lies on top. A file of the image's own shape with
    several numbers is a label image, and is read as such.

    Raises
    ------
    InputError
        If it cannot be read, or is of another shape.
    """
    stack = read_indexed(path).array
    if stack.shape == grid.shape:
        if len(np.unique(stack[stack > 0])) > 1:
            return tiff.read(path, grid)
        stack = stack[None]
    if stack.shape[1:] != grid.shape:
        raise InputError(
            f"'{path}' has the shape {stack.shape}, '{grid.name}' {grid.shape}; expected (n, "
            f"{', '.join(map(str, grid.shape))}), a mask for each object. Choose the image that they were made of."
        )
    masks = stack > 0
    kept = masks.reshape(len(masks), -1).any(axis=1)
    notes = (f"{np.count_nonzero(~kept)} masks are empty and were left out.",) if kept.any() and not kept.all() else ()
    masks, stack = masks[kept], stack[kept]
    labels, covered = from_masks(masks)
    if set(np.unique(stack).tolist()) <= {0, COVERED, IN_SIGHT}:
        labels, _ = from_masks(stack == IN_SIGHT)
        covered = out_of_sight(masks, labels)
    return Found(labels, notes, covered=covered)


FORMAT = Format(
    name="masks",
    title="Stack of masks, a page for each object",
    ending="_masks.tif",
    write=write,
    read=read,
    aliases=("mask-stack",),
    suffixes=("_masks.tif", "_masks.tiff"),
)
