"""The stamp in a label file: who wrote it, what its pixels were, and of which image they are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from napari_instseg.core.method import Array

PROGRAM = "napari-instseg"
_FORM = re.compile(rf"{PROGRAM} \S+; labels ([0-9a-f]{{64}}); image ([0-9a-f]{{64}})")


@dataclass(frozen=True)
class Stamp:
    """Digests of the labels as they were written, and of the place of their image."""

    labels: str
    image: str

    @classmethod
    def of(cls, labels: Array, image: str | Path) -> Stamp:
        """Make the stamp of labels, and of the file (or the name of a sample) that they were found in."""
        return cls(cls.pixels(labels), cls.place(image))

    @staticmethod
    def pixels(labels: Array) -> str:
        """Return the digest of labels, of any integer type."""
        plain = np.ascontiguousarray(np.squeeze(labels), "<u4")
        return _digest(repr(plain.shape).encode(), plain.data)

    @staticmethod
    def place(image: str | Path) -> str:
        """Return the digest of where an image lies: a shared label file shall not tell the folders of a computer."""
        return _digest(str(Path(image).resolve()).encode("utf-8", "surrogateescape"))

    @classmethod
    def read(cls, path: Path) -> Stamp | None:
        """Read the stamp of a TIFF; None if it has none or cannot be read."""
        found = _FORM.fullmatch(software_of(path))
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        """Return the text of the TIFF tag."""
        return f"{program()}; labels {self.labels}; image {self.image}"


def program() -> str:
    """Return the name and the version of this program, as its files have it."""
    return f"{PROGRAM} {version(PROGRAM)}"


def software_of(path: Path) -> str:
    """Return what a TIFF or PNG file says that wrote it; empty if it says nothing or cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(b"\x89PNG"):
            from PIL import Image as Pillow

            with Pillow.open(path) as picture:
                return str(picture.info.get("Software", ""))
        if start[:2] not in (b"II", b"MM"):
            return ""
        import tifffile

        with tifffile.TiffFile(path) as file:
            software = file.pages.first.tags.get("Software")
    except Exception:  # the readers raise whatever occurs to them at a damaged file
        return ""
    return "" if software is None else str(software.value)


def _digest(*parts: bytes | memoryview) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
