"""Measurement tables as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_instseg.io.atomic import replacing

if TYPE_CHECKING:
    import pandas as pd


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
