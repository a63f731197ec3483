"""Label images as ImageJ's own TIFF, which opens in Fiji without Bio-Formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.atomic import replacing

EXACT = 2**24


def write(path: Path, objects: Objects) -> None:
    """Write 16 bits where the ids fit; else floating point, ImageJ's only larger kind, up to 16,777,216."""
    import tifffile

    largest = int(objects.labels.max(initial=0))
    if largest > EXACT:
        raise InputError(f"'{objects.name}' has ids up to {largest}; ImageJ's TIFF holds {EXACT}. Export it as TIFF.")
    kind = np.uint16 if largest <= np.iinfo(np.uint16).max else np.float32
    metadata: dict[str, Any] = {"axes": objects.axes}
    options: dict[str, Any] = {}
    known = zip(objects.axes, objects.scale, strict=True)
    sizes = {letter: size for letter, size in known if size is not None}
    if "X" in sizes and "Y" in sizes:
        metadata |= {"unit": "um"} | ({"spacing": sizes["Z"]} if "Z" in sizes else {})
        options["resolution"] = (1 / sizes["X"], 1 / sizes["Y"])
    if "T" in sizes:
        metadata["finterval"] = sizes["T"]
    with replacing(path) as beside:
        tifffile.imwrite(beside, objects.labels.astype(kind), imagej=True, metadata=metadata, **options)


FORMAT = Format(name="imagej", title="Label image, ImageJ TIFF", ending="_imagej.tif", write=write)
