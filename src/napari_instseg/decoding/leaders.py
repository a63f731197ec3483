"""Condenses pixels that no cluster centre reaches: neighbours of similar embedding become weighted points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import as_volume, in_bands

BAND = 64
"""Rows that are worked through together. Fixed, so that the result does not depend on the number of cores."""


@dataclass(frozen=True)
class Groups:
    """Pixels gathered around leading pixels in their neighbourhood."""

    pixels: npt.NDArray[np.int64]
    """Flat indices into the grid, (m,)."""
    group: npt.NDArray[np.int32]
    """Group of each of them, from 0, (m,)."""
    mean: npt.NDArray[np.float32]
    """Mean embedding of each group, (g, D)."""
    count: npt.NDArray[np.int32]
    """Pixels in each group, (g,)."""


def gather_neighbours(embedding: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], radius: float) -> Groups:
    """Gather pixels that are in no cluster yet: each joins a neighbour's group, or leads a new one.

    Parameters
    ----------
    embedding : float32 array (D, Y, X) or (D, Z, Y, X)
    labels : int32 array (Y, X) or (Z, Y, X)
        Below 0 where pixels are to be gathered.
    radius : float
        A pixel joins only if it is no farther than this from the group's first pixel, in embedding space.
    """
    channels, known = as_volume(embedding, 4), as_volume(labels)
    rows = known.shape[0] * known.shape[1]
    parts = in_bands(_gather, -(-rows // BAND), channels, known, np.float32(radius), BAND)
    offset = np.cumsum([0, *(len(part[3]) for part in parts)], dtype=np.int32)
    return Groups(
        pixels=np.concatenate([part[0] for part in parts]),
        group=np.concatenate([part[1] + start for part, start in zip(parts, offset[:-1], strict=True)]),
        mean=np.concatenate([part[2] for part in parts]),
        count=np.concatenate([part[3] for part in parts]),
    )


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _gather(channels, labels, radius, band, first, last):  # type: ignore[no-untyped-def]
    dims, depth, height, width = channels.shape
    first_row, last_row = first * band, min(last * band, depth * height)
    n = 0
    for row in range(first_row, last_row):
        for x in range(width):
            n += labels[row // height, row % height, x] < 0
    pixels, group = np.empty(n, np.int64), np.empty(n, np.int32)
    leader, total = np.empty((n, dims), np.float32), np.empty((n, dims), np.float32)
    count = np.empty(n, np.int32)
    # groups of the row above and of this one, -1 where there is none
    above, here = np.empty(width + 2, np.int32), np.empty(width + 2, np.int32)
    here[:] = -1
    value = np.empty(dims, np.float32)
    limit = radius * radius
    m = g = 0
    for row in range(first_row, last_row):
        z, y = row // height, row % height
        above, here = here, above
        here[:] = -1
        if row % band == 0 or y == 0:
            above[:] = -1
        for x in range(width):
            if labels[z, y, x] >= 0:
                continue
            for d in range(dims):
                value[d] = channels[d, z, y, x]
            nearest, choice = limit, np.int32(-1)
            for k in range(4):
                neighbour = here[x] if k == 0 else above[x + (1, 1, 0, 2)[k]]
                if neighbour < 0 or neighbour == choice:
                    continue
                squared = np.float32(0)
                for d in range(dims):
                    difference = value[d] - leader[neighbour, d]
                    squared += difference * difference
                if squared <= nearest:
                    nearest, choice = squared, neighbour
            if choice < 0:
                choice = np.int32(g)
                count[g] = 0
                for d in range(dims):
                    leader[g, d] = value[d]
                    total[g, d] = 0
                g += 1
            here[x + 1] = choice
            for d in range(dims):
                total[choice, d] += value[d]
            count[choice] += 1
            pixels[m], group[m] = (z * height + y) * width + x, choice
            m += 1
    for i in range(g):
        for d in range(dims):
            total[i, d] /= count[i]
    return pixels, group, total[:g], count[:g]
