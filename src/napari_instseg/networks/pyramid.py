"""One network over an image pyramid, its answers averaged: objects of very different sizes (Fathi et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALES = (0.25, 0.5, 1.0, 2.0)
"""Sizes at which the image is seen (section 3.6)."""

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class ImagePyramid(nn.Module):
    """Runs a network on the image at several scales and averages its heads.

    The heads are linear in the features, so that this is the average of the features, as in the paper.

    Parameters
    ----------
    network : Module
        As `build_network` gives it.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network
        self.coordinates = network.coordinates
        self.encoder_parts = tuple(f"network.{part}" for part in network.encoder_parts)
        self.stride: int = round(network.stride / min(SCALES))

    @property
    def halo(self) -> int:
        """Half receptive field in pixels: that of the coarsest level, and one of its cells for the resizing."""
        return round(float(self.network.halo) / min(SCALES)) + self.stride

    def forward(self, image: Tensor, coordinates: Tensor | None = None) -> dict[str, Tensor]:
        """Return the network's heads, (B, C, *S), each averaged over the scales."""
        seen = []
        for scale in SCALES:
            maps = None if coordinates is None else resized(coordinates, scale)
            heads = self.network(resized(image, scale), maps)
            seen.append({name: resized(head, 1 / scale) for name, head in heads.items()})
        return {name: torch.stack([heads[name] for heads in seen]).mean(0) for name in seen[0]}


def resized(values: Tensor, factor: float) -> Tensor:
    """Shrink (B, C, *S) by the mean of each block, or enlarge it linearly; `factor` or its inverse is whole."""
    ndim = values.ndim - 2
    if factor == 1:
        return values
    if factor > 1:
        return functional.interpolate(values, scale_factor=factor, mode=LINEAR[ndim])
    pool: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[ndim - 1]
    shrunk: Tensor = pool(values, round(1 / factor))
    return shrunk
