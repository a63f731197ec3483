"""Condenses an embedding: small blocks of pixels become weighted points, once per prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import as_volume, in_bands

SIDE = 4
"""Side of a block in pixels, along y and x; blocks are one slice deep."""


@dataclass(frozen=True)
class PixelBlocks:
    """The foreground pixels of each block, as one point: arrays over (slices * rows of blocks, columns of blocks)."""

    count: npt.NDArray[np.int32]
    """Foreground pixels."""
    mean: npt.NDArray[np.float32]
    """Their mean embedding, with a last axis of D."""
    spread: npt.NDArray[np.float32]
    """Their root mean square distance to it."""
    reach: npt.NDArray[np.float32]
    """Their largest distance to it."""

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return sum(array.nbytes for array in (self.count, self.mean, self.spread, self.reach))


def condense(embedding: npt.NDArray[np.float32], mask: npt.NDArray[Any]) -> PixelBlocks:
    """Summarise blocks of 4 x 4 pixels.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
        Finite values.
    mask : bool array (Y, X) or (Z, Y, X)
        Foreground.
    """
    channels, volume = as_volume(embedding, 4), as_volume(mask).view(np.uint8)
    dims, depth, height, width = channels.shape
    rows, columns = depth * -(-height // SIDE), -(-width // SIDE)
    blocks = PixelBlocks(
        count=np.zeros((rows, columns), np.int32),
        mean=np.zeros((rows, columns, dims), np.float32),
        spread=np.zeros((rows, columns), np.float32),
        reach=np.zeros((rows, columns), np.float32),
    )
    in_bands(_condense, rows, channels, volume, blocks.count, blocks.mean, blocks.spread, blocks.reach)
    return blocks


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _condense(channels, mask, count, mean, spread, reach, first, last):  # type: ignore[no-untyped-def]
    """Stream a row of blocks channel by channel: each channel's block means are known before its deviations."""
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    columns = count.shape[1]
    inside = np.empty((SIDE, width), np.float32)
    squared = np.empty((SIDE, width), np.float32)
    column_sum = np.zeros(columns * SIDE, np.float32)
    centre = np.empty(columns * SIDE, np.float32)
    per_pixel = np.empty(columns, np.float32)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        n_rows = min(SIDE, height - y0)
        for dy in range(n_rows):
            for x in range(width):
                inside[dy, x] = np.float32(mask[z, y0 + dy, x])
                count[row, x // SIDE] += mask[z, y0 + dy, x]
        if count[row].max() == 0:
            continue
        for b in range(columns):
            per_pixel[b] = np.float32(1) / max(count[row, b], 1)
        squared[:] = 0
        for d in range(dims):
            column_sum[:] = 0
            for dy in range(n_rows):
                line = channels[d, z, y0 + dy]
                for x in range(width):
                    column_sum[x] += line[x] * inside[dy, x]
            for b in range(columns):
                at = b * SIDE
                value = column_sum[at] + column_sum[at + 1] + column_sum[at + 2] + column_sum[at + 3]
                value *= per_pixel[b]
                mean[row, b, d] = value
                for dx in range(SIDE):
                    centre[at + dx] = value
            for dy in range(n_rows):
                line = channels[d, z, y0 + dy]
                for x in range(width):
                    difference = line[x] - centre[x]
                    squared[dy, x] += difference * difference
        for dy in range(n_rows):
            for x in range(width):
                value = squared[dy, x] * inside[dy, x]
                reach[row, x // SIDE] = max(reach[row, x // SIDE], value)
                spread[row, x // SIDE] += value
        for b in range(columns):
            spread[row, b] = np.sqrt(spread[row, b] * per_pixel[b])
            reach[row, b] = np.sqrt(reach[row, b])
