"""A table of measurements as CSV."""

from __future__ import annotations

from pathlib import Path

from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.tables import write_table


def write(path: Path, objects: Objects) -> None:
    """Write all measurements."""
    write_table(path, objects.everything)


FORMAT = Format(name="csv", title="Measurements, CSV", ending=".csv", write=write, aliases=("table",))
