"""A table of measurements as Parquet, which keeps the kinds of columns and opens fast in R and Python."""

from __future__ import annotations

from pathlib import Path

from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.tables import write_parquet


def write(path: Path, objects: Objects) -> None:
    """Write all measurements."""
    write_parquet(path, objects.everything)


FORMAT = Format(name="parquet", title="Measurements, Parquet", ending=".parquet", write=write)
