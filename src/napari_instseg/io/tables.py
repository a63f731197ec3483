"""Measurement tables as CSV and Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from napari_instseg.io.atomic import replacing

if TYPE_CHECKING:
    import pandas as pd


def with_size(table: pd.DataFrame, sides: Sequence[float | None]) -> pd.DataFrame:
    """Return a table of objects with their size in µm² (µm³ of a volume) after that in pixels.

    Parameters
    ----------
    table : DataFrame
        With a column ``area``.
    sides : sequence of float or None
        Pixel size in micrometres along (Y, X) or (Z, Y, X). Where one is not known, nothing is added: none is made up.
    """
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        return table
    sized = table.copy()
    name = "area_um2" if len(sides) == 2 else "volume_um3"
    sized.insert(list(table.columns).index("area") + 1, name, table["area"] * prod(known))
    return sized


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV: a line of column names, commas, decimal points, UTF-8.

    Parameters
    ----------
    path : str or Path
        The file; written atomically.
    table : DataFrame
        One row per object; its index is not written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as beside:
        table.to_csv(beside, index=False, encoding="utf-8", lineterminator="\n", float_format="%.6g")
    return Path(path)


def write_parquet(path: str | Path, table: pd.DataFrame) -> Path:
    """Write a table as Parquet: kinds of columns and all digits are kept.

    Parameters
    ----------
    path : str or Path
        The file; written atomically.
    table : DataFrame
        One row per object; its index is not written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as beside:
        table.to_parquet(beside, index=False, engine="pyarrow")
    return Path(path)
