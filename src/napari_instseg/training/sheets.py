"""Crops laid side by side, so that a network that looks far does not learn where a crop ends."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lay_out(crops: Tensor) -> Tensor:
    """Lay crops in rows on one sheet, as nearly square as their number allows.

    Parameters
    ----------
    crops : Tensor (B, C, Y, X) or (B, C, Z, Y, X)

    Returns
    -------
    Tensor (1, C, Y * rows, X * columns) or (1, C, Z, Y * rows, X * columns)
    """
    rows = crops.chunk(_rows(len(crops)))
    return torch.cat([torch.cat([*row], -1) for row in rows], -2)[None]


def cut_up(sheet: Tensor, count: int) -> Tensor:
    """Give back the crops that `lay_out` laid on a sheet.

    Parameters
    ----------
    sheet : Tensor (1, C, ...)
        Of any number of channels.
    count : int
        Of the crops.

    Returns
    -------
    Tensor (count, C, ...)
    """
    rows = _rows(count)
    return torch.cat([crop for row in sheet.chunk(rows, -2) for crop in row.chunk(count // rows, -1)])


def _rows(count: int) -> int:
    return max(rows for rows in range(1, math.isqrt(count) + 1) if count % rows == 0)
