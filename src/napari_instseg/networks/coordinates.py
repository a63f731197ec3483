"""Coordinate maps: where each pixel lies in the whole image, as extra input channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def coordinate_maps(
    shape: Sequence[int], offset: Sequence[int] | None = None, full_shape: Sequence[int] | None = None
) -> Tensor:
    """Give each pixel's position from -1 at the first to 1 at the last pixel (De Brabandere et al. 2017, section 4).

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of the image or tile.
    offset : sequence of int, optional
        Position of the tile's first pixel in the whole image; may be negative where the tile is padded.
    full_shape : sequence of int, optional
        Spatial shape of the whole image, `shape` when left out.

    Returns
    -------
    Tensor (ndim, *shape), float32
        A tile's maps are the tile of the image's maps. An axis of one pixel is 0.
    """
    offset = offset or (0,) * len(shape)
    full_shape = full_shape or shape
    axes = [
        (torch.arange(side, dtype=torch.float32) + start) * (2 / max(full - 1, 1)) - (1 if full > 1 else 0)
        for side, start, full in zip(shape, offset, full_shape, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
