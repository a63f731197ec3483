"""Coordinate maps: where each pixel lies in the whole image, as extra input of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from napari_instseg.networks.params import Coordinates

PERIODS = (48.0, 144.0)
"""Wavelengths of periodic maps in pixels: about one and three objects, so that neighbours differ in phase."""


def coordinate_channels(kind: Coordinates, ndim: int) -> int:
    """Return the number of maps."""
    return {"none": 0, "image": ndim, "periodic": 2 * ndim * len(PERIODS)}[kind]


def coordinate_maps(
    kind: Coordinates,
    shape: Sequence[int],
    offset: Sequence[int] | None = None,
    full_shape: Sequence[int] | None = None,
) -> Tensor:
    """Return each pixel's position as a network sees it.

    Parameters
    ----------
    kind : {"none", "image", "periodic"}
        ``"image"``: from -1 at the first to 1 at the last pixel (De Brabandere et al. 2017, section 4), an axis of one
        pixel is 0. ``"periodic"``: sine and cosine of the position along each axis at each of `PERIODS`.
    shape : sequence of int
        Spatial shape of the image or tile.
    offset : sequence of int, optional
        Position of the tile's first pixel in the whole image; may be negative where the tile is padded.
    full_shape : sequence of int, optional
        Spatial shape of the whole image, `shape` when left out.

    Returns
    -------
    Tensor (`coordinate_channels`, *shape), float32
        A tile's maps are the tile of the image's maps.
    """
    offset, full_shape = offset or (0,) * len(shape), full_shape or shape
    maps: list[Tensor] = []
    for axis, (side, start, full) in enumerate(zip(shape, offset, full_shape, strict=True)):
        position = torch.arange(start, start + side, dtype=torch.float32)
        if kind == "image":
            along = [position * (2 / max(full - 1, 1)) - (1 if full > 1 else 0)]
        elif kind == "periodic":
            phases = [position * (2 * math.pi / period) for period in PERIODS]
            along = [wave(phase) for phase in phases for wave in (torch.sin, torch.cos)]
        else:
            along = []
        others = (1,) * (len(shape) - axis - 1)
        maps += [values.reshape(-1, *others).expand(*shape) for values in along]
    return torch.stack(maps) if maps else torch.empty(0, *shape)


def random_coordinate_maps(kind: Coordinates, count: int, shape: Sequence[int]) -> Tensor:
    """Return maps (count, C, *shape) to train with: crops are taken for images, or, if periodic, for tiles anywhere."""
    maps = coordinate_maps(kind, shape)
    if kind != "periodic":
        return maps[None].expand(count, *maps.shape)
    anywhere = torch.randint(math.lcm(*map(int, PERIODS)), (count, len(shape))).tolist()
    return torch.stack([coordinate_maps(kind, shape, offset) for offset in anywhere])
