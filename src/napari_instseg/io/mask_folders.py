"""Annotated images in a folder each, one mask for every object, as the 2018 Data Science Bowl (BBBC038) has them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.io.checks import check_image
from napari_instseg.io.images import SUFFIXES, read_image, read_indexed

IMAGES, MASKS = "images", "masks"


def is_mask_folder(folder: Path) -> bool:
    """Return whether any folder in a folder holds ``images`` and ``masks``."""
    return folder.is_dir() and any(_is_one(inner) for inner in folder.iterdir())


def open_mask_pairs(folder: Path) -> tuple[Pair, ...]:
    """Find the annotated images of a folder; files are read when a pair is.

    Parameters
    ----------
    folder : Path
        Holds ``<name>/images``, with one image, and ``<name>/masks``, with a picture for every object that is 0 outside
        of it. Where two of them overlap, the later in the order of their names lies on top.

    Raises
    ------
    InputError
        When a pair is read: if its folder holds no image, or several, or a mask has another shape.
    """
    return tuple(Pair(inner.name, partial(_read, inner)) for inner in sorted(folder.iterdir()) if _is_one(inner))


def _is_one(folder: Path) -> bool:
    return (folder / MASKS).is_dir() and (folder / IMAGES).is_dir()


def _read(folder: Path) -> Example:
    images = _pictures(folder / IMAGES)
    if len(images) != 1:
        raise InputError(f"'{folder / IMAGES}' holds {len(images)} images; expected one, with its masks in '{MASKS}'.")
    image = read_image(images[0])
    array, axes = check_image(image.array, image.axes, name=f"'{images[0]}'")
    shape = tuple(length for length, letter in zip(array.shape, axes, strict=True) if letter != "C")
    labels = np.zeros(shape, np.int32)
    for number, path in enumerate(_pictures(folder / MASKS), 1):
        mask = read_indexed(path).array
        if mask.shape != shape:
            raise InputError(f"'{path}' has the shape {mask.shape}, its image {shape}; expected the same.")
        labels[mask > 0] = number
    return Example(array, axes, labels)


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
