"""Label images as PNG of 16 bits: one plane, up to 65,535 objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.atomic import replacing

LARGEST = np.iinfo(np.uint16).max


def write(path: Path, objects: Objects) -> None:
    """Write the ids as grey values."""
    from PIL import Image as Pillow

    objects.check_flat("PNG")
    largest = int(objects.labels.max(initial=0))
    if largest > LARGEST:
        raise InputError(f"'{objects.name}' has ids up to {largest}; PNG holds {LARGEST}. Export it as TIFF.")
    plane = objects.labels.reshape(objects.labels.shape[-2:]).astype(np.uint16)
    with replacing(path) as beside:
        Pillow.fromarray(plane).save(beside, format="PNG")


FORMAT = Format(name="png", title="Label image, PNG", ending="_labels.png", write=write)
