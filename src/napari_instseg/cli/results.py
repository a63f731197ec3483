"""The results folder: labels, overlays and tables by the image's name, and a record of what made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_instseg.core.errors import OutputError

if TYPE_CHECKING:
    from napari_instseg.decoding.segmentation import Segmentation
    from napari_instseg.io.images import Image

RECORD = "segment.json"
"""In the results folder: model, parameters and, of each image, what was found and the digest of its label file."""


@dataclass(frozen=True)
class Files:
    """Where the results of one image go."""

    labels: Path
    overlay: Path
    table: Path


class Results:
    """A folder of results, which `instseg train` and `instseg evaluate` can read once labels are corrected.

    Parameters
    ----------
    folder : Path
        Made if missing.

    Raises
    ------
    OutputError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        from napari_instseg.io.atomic import make_folder

        self.folder = make_folder(folder)
        self._images: dict[str, Any] = self._read_record().get("images", {})

    def files(self, stem: str) -> Files:
        """Give the paths of the results of the image of that name."""
        folder = self.folder
        return Files(
            folder / "labels" / f"{stem}.tif", folder / "overlays" / f"{stem}.png", folder / "tables" / f"{stem}.csv"
        )

    def check_replaceable(self, stem: str) -> bool:
        """Say whether there are results of that name, made here and not changed since.

        Raises
        ------
        OutputError
            If there are labels that somebody else wrote or corrected: they are not thrown away.
        """
        path = self.files(stem).labels
        if not path.exists():
            return False
        if self._images.get(stem, {}).get("digest") != _digest(path):
            raise OutputError(
                f"'{path}' was changed by hand or is not from here, so it is kept. Choose another folder, move the "
                "file away, or say --overwrite."
            )
        return True

    def write(self, stem: str, image: Image, axes: str, segmentation: Segmentation, about: Mapping[str, Any]) -> None:
        """Write labels, overlay and table of one image, and note them in the record.

        Parameters
        ----------
        stem : str
            Name of the image.
        image : Image
            As it was segmented.
        axes : str
            Those of the labels.
        segmentation : Segmentation
        about : mapping
            JSON-ready, for the record.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        from napari_instseg.io.labels import write_labels
        from napari_instseg.io.overlay import draw_overlay, write_overlay
        from napari_instseg.io.tables import write_table

        files = self.files(stem)
        scale = [image.scale[image.axes.index(letter)] for letter in axes]
        write_labels(files.labels, segmentation.labels, axes, scale, image.unit)
        write_overlay(files.overlay, draw_overlay(image.array, image.axes, segmentation.labels))
        write_table(files.table, segmentation.table)
        self._images[stem] = {**about, "digest": _digest(files.labels)}

    def write_record(self, values: Mapping[str, Any]) -> None:
        """Write the record.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from napari_instseg.cli.console import write_json

        write_json(self.folder / RECORD, {**values, "images": self._images})

    def _read_record(self) -> dict[str, Any]:
        try:
            values = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # without a record, or with a damaged one, no file counts as made here
            return {}
        return values if isinstance(values, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
