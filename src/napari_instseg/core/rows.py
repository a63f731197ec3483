"""Outputs that are rows, one per detection: how they move, scale and are cut with the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
"""(N, K). Each row begins with the box of the detection, low corner then high corner, in pixels of the grid."""

MASK_SIDE = 28
"""Rows that hold a mask end with its logits, this many rows and columns over the box."""


def place_rows(rows: Rows, start: Sequence[float], factor: Sequence[float] | None = None) -> Rows:
    """Move boxes by `start`, after scaling by `factor`; both with one number per axis.

    Returns
    -------
    float32 array (N, K)
        A new array; what follows the box in a row is as before.
    """
    ndim = len(start)
    placed = rows.copy()
    scale = np.tile(np.ones(ndim) if factor is None else np.asarray(factor), 2)
    placed[:, : 2 * ndim] = rows[:, : 2 * ndim] * scale + np.tile(np.asarray(start, float), 2)
    return placed


def rows_within(rows: Rows, window: Sequence[slice]) -> Rows:
    """Return the rows whose box is centred in a window: each detection belongs to one of the tiles of an image."""
    ndim = len(window)
    centre = (rows[:, :ndim] + rows[:, ndim : 2 * ndim]) / 2
    inside = [(centre[:, axis] >= part.start) & (centre[:, axis] < part.stop) for axis, part in enumerate(window)]
    return rows[np.logical_and.reduce(inside)]
