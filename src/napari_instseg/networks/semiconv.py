"""The semi-convolutional operator: what a convolution says of a pixel plus where the pixel is (Novotny et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

FIRST_SIGMA = 8.0
"""Kernel scale before training, in pixels: wide enough to reach the pixels of neighbouring objects."""


def add_positions(displacement: Tensor, offset: Sequence[float] | None = None) -> Tensor:
    """Add each pixel's position to the first channels, one per axis; the others stay (equations 3 and 6).

    Parameters
    ----------
    displacement : Tensor (B, D, *S)
        D is at least the number of spatial axes.
    offset : sequence of float, optional
        Position of the first pixel in the whole image, in pixels; 0 when left out.

    Returns
    -------
    Tensor (B, D, *S), float32 or float64
        Positions of hundreds of pixels are not kept in half precision.
    """
    shape = displacement.shape[2:]
    starts = offset or (0,) * len(shape)
    wide = displacement if displacement.dtype == torch.float64 else displacement.float()
    axes = [
        torch.arange(side, dtype=wide.dtype, device=wide.device) + start
        for side, start in zip(shape, starts, strict=True)
    ]
    positions = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return torch.cat([wide[:, : len(shape)] + positions, wide[:, len(shape) :]], dim=1)


class SemiConvolution(nn.Module):
    """Makes a network's ``embedding`` head semi-convolutional, and learns the scale of the kernel (equation 10).

    Parameters
    ----------
    network : Module
        As `build_network` gives it, with a head ``embedding``; it does not see positions itself.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network
        self.stride, self.coordinates = network.stride, network.coordinates
        self.encoder_parts = tuple(f"network.{part}" for part in network.encoder_parts)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(FIRST_SIGMA)))

    @property
    def halo(self) -> int:
        """Half receptive field, in pixels."""
        return int(self.network.halo)

    def forward(self, image: Tensor, coordinates: Tensor | None = None) -> dict[str, Tensor]:
        """Return the heads, ``embedding`` with positions from the first pixel on, and ``sigma`` (B, 1, *S)."""
        raw: dict[str, Tensor] = self.network(image, coordinates)
        embedding = add_positions(raw["embedding"])
        # by the image itself, so that a recorded network takes any size and number
        sigma = self.log_sigma.exp() * torch.ones_like(embedding[:, :1])
        return {**raw, "embedding": embedding, "sigma": sigma}
