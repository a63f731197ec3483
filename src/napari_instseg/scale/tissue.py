"""Where a slide has tissue: glass is bright and even."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_instseg.core.method import Array
from napari_instseg.inference.stitch import Blocks

BRIGHT = 180
"""Of 255: the colour of glass in transmitted light is brighter than this."""
DARKER = 0.94
"""Tissue lets through less than this share of the light that glass does, in red, green or blue."""


def find_tissue(colors: Array) -> npt.NDArray[np.bool_] | None:
    """Find tissue in a small picture of a slide.

    Parameters
    ----------
    colors : uint8 array (3, Y, X)

    Returns
    -------
    bool array (Y, X), or None
        None where the picture is not of tissue on bright glass.
    """
    if colors.dtype != np.uint8 or colors.shape[0] != 3:
        return None
    glass = np.percentile(colors.reshape(3, -1), 95, axis=1)
    if glass.min() < BRIGHT:
        return None
    smooth = np.stack([ndimage.uniform_filter(one.astype(np.float32), 3) for one in colors])
    found = (smooth < DARKER * glass[:, None, None]).any(axis=0)
    return np.asarray(ndimage.binary_dilation(ndimage.binary_opening(found), iterations=2))


def glass_blocks(tissue: npt.NDArray[np.bool_], grid: Blocks) -> list[int]:
    """Return the blocks in whose windows there is no tissue.

    Parameters
    ----------
    tissue : bool array (Y, X)
        Of the whole image, on any grid.
    grid : Blocks
    """
    return [number for number, window in enumerate(grid.windows) if not tissue[_at(window, grid.shape, tissue)].any()]


def _at(window: Sequence[slice], shape: Sequence[int], tissue: Array) -> tuple[slice, ...]:
    return tuple(
        slice(int(part.start * small / length), max(int(np.ceil(part.stop * small / length)), 1))
        for part, length, small in zip(window, shape, tissue.shape, strict=True)
    )
