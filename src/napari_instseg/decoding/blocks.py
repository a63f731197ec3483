"""Condenses an embedding: small blocks of pixels become weighted points, once per prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_instseg.decoding.parallel import as_volume, in_bands

SIDE = 4
"""Side of a block in pixels, along y and x; blocks are one slice deep."""

STRIP = 16
"""Pixels along x that are handled together: a cache line of each channel."""


@dataclass(frozen=True)
class Blocks:
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


def condense(embedding: npt.NDArray[np.float32], mask: npt.NDArray[Any]) -> Blocks:
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
    blocks = Blocks(
        count=np.zeros((rows, columns), np.int32),
        mean=np.zeros((rows, columns, dims), np.float32),
        spread=np.zeros((rows, columns), np.float32),
        reach=np.zeros((rows, columns), np.float32),
    )
    in_bands(_condense, rows, channels, volume, blocks.count, blocks.mean, blocks.spread, blocks.reach)
    return blocks


@njit(nogil=True, cache=True, inline="always")
def load_strip(channels, z, y0, x0, buffer):  # type: ignore[no-untyped-def]
    """Copy 4 x 16 pixels into ``buffer`` (D, 64); what lies outside the image repeats the last row or pixel."""
    dims, _, height, width = channels.shape
    for d in range(dims):
        for dy in range(SIDE):
            y = min(y0 + dy, height - 1)
            if x0 + STRIP <= width:
                for dx in range(STRIP):
                    buffer[d, dy * STRIP + dx] = channels[d, z, y, x0 + dx]
            else:
                for dx in range(STRIP):
                    buffer[d, dy * STRIP + dx] = channels[d, z, y, min(x0 + dx, width - 1)]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _condense(channels, mask, count, mean, spread, reach, first, last):  # type: ignore[no-untyped-def]
    dims, _, height, width = channels.shape
    block_rows = (height + SIDE - 1) // SIDE
    columns = count.shape[1]
    per_strip = STRIP // SIDE
    pixels = SIDE * STRIP
    buffer = np.empty((dims, pixels), np.float32)
    inside = np.empty(pixels, np.float32)
    centre = np.empty(pixels, np.float32)
    squared = np.empty(pixels, np.float32)
    n = np.empty(per_strip, np.float32)
    for row in range(first, last):
        z, y0 = row // block_rows, (row % block_rows) * SIDE
        for x0 in range(0, width, STRIP):
            n[:] = 0
            for dy in range(SIDE):
                for dx in range(STRIP):
                    y, x = y0 + dy, x0 + dx
                    foreground = y < height and x < width and mask[z, y, x] != 0
                    inside[dy * STRIP + dx] = np.float32(1) if foreground else np.float32(0)
                    n[dx // SIDE] += inside[dy * STRIP + dx]
            if n.sum() == 0:
                continue
            load_strip(channels, z, y0, x0, buffer)
            squared[:] = 0
            for d in range(dims):
                line = buffer[d]
                for b in range(per_strip):
                    total = np.float32(0)
                    for dy in range(SIDE):
                        at = dy * STRIP + b * SIDE
                        for dx in range(SIDE):
                            total += line[at + dx] * inside[at + dx]
                    total /= max(n[b], np.float32(1))
                    for dy in range(SIDE):
                        at = dy * STRIP + b * SIDE
                        for dx in range(SIDE):
                            centre[at + dx] = total
                    if x0 // SIDE + b < columns:
                        mean[row, x0 // SIDE + b, d] = total
                for i in range(pixels):
                    difference = line[i] - centre[i]
                    squared[i] += difference * difference
            for b in range(min(per_strip, columns - x0 // SIDE)):
                largest, total = np.float32(0), np.float32(0)
                for dy in range(SIDE):
                    at = dy * STRIP + b * SIDE
                    for dx in range(SIDE):
                        value = squared[at + dx] * inside[at + dx]
                        largest = max(largest, value)
                        total += value
                column = x0 // SIDE + b
                count[row, column] = np.int32(n[b])
                spread[row, column] = np.sqrt(total / max(n[b], np.float32(1)))
                reach[row, column] = np.sqrt(largest)
