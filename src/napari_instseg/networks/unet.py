"""The n-d residual U-Net: strided stem, additive skips, named heads at full resolution by sub-pixel shuffling."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_instseg.networks.coordinates import coordinate_channels
from napari_instseg.networks.params import Coordinates
from napari_instseg.networks.receptive import measure_halo

CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMALIZATIONS: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class ConvolutionNorm(nn.Sequential):
    """A convolution without bias and its batch normalisation.

    Batch normalisation is an affine map per channel once training is over, so it neither breaks the exact
    translation equivariance that seamless tiles need nor costs anything when folded into the convolution.
    """

    def __init__(self, ndim: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        padding = (kernel - 1) // 2
        super().__init__(
            CONVOLUTIONS[ndim](inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
            NORMALIZATIONS[ndim](outputs),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, *S) to (B, outputs, *S / stride)."""
        convolution: Any = self[0]
        norm: Any = self[1]
        if norm.training or isinstance(norm, nn.Identity):
            return norm(convolution(features))  # type: ignore[no-any-return]
        # statistics that stay as they are make it an affine map, which is a part of the kernel, also while that learns
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        kernel = convolution.weight * scale.reshape(-1, *(1,) * (convolution.weight.ndim - 1))
        shift = norm.bias - norm.running_mean * scale
        return convolution._conv_forward(features, kernel, shift)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two 3-wide convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        self.first = ConvolutionNorm(ndim, channels, channels)
        self.second = ConvolutionNorm(ndim, channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, *S) to (B, C, *S)."""
        inner = functional.relu(self.first(features), inplace=True)
        return functional.relu(self.second(inner) + features, inplace=True)


class ResidualUNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) of residual blocks, in as many dimensions as asked for.

    The widest work is done at ``1 / stem`` of the resolution; each head's last convolution predicts all
    ``stem ** ndim`` sub-pixels of a cell at once (Shi et al. 2016), so outputs have the image's resolution.

    Parameters
    ----------
    in_channels : int
        Image channels.
    heads : mapping of str to int
        Name and number of channels of each output.
    ndim : int
        2 for images, 3 for volumes (1 works too).
    width : int
        Channels at the finest level; each coarser level doubles them, up to eight times the width.
    levels : int
        Number of resolutions.
    blocks : int
        Residual blocks per coarser level on the way down; one at the finest, costliest level and on the way up.
    stem : int
        Stride of the first convolution.
    coordinates : {"none", "image", "periodic"}
        Coordinate maps that every level of the encoder sees beside its features; see `coordinate_maps`.
    """

    encoder_parts: tuple[str, ...] = ("stem", "down", "place", "encoder")
    """What looks at the image first, as beginnings of its weights' names: frozen where little is to be learnt."""

    def __init__(
        self,
        in_channels: int,
        heads: Mapping[str, int],
        *,
        ndim: int = 2,
        width: int = 32,
        levels: int = 4,
        blocks: int = 1,
        stem: int = 2,
        coordinates: Coordinates = "none",
    ) -> None:
        super().__init__()
        self.in_channels, self.heads, self.ndim, self.coordinates = in_channels, dict(heads), ndim, coordinates
        self._shape: dict[str, Any] = {"levels": levels, "blocks": blocks, "stem": stem}
        self.note = "the network starts from random weights"
        self.stride = stem * 2 ** (levels - 1)
        widths = [width * min(2**level, 8) for level in range(levels)]
        self.stem = ConvolutionNorm(ndim, in_channels, width, kernel=2 * stem + 1, stride=stem)
        self.down = nn.ModuleList(
            ConvolutionNorm(ndim, fine, coarse, kernel=2, stride=2) for fine, coarse in pairwise(widths)
        )
        maps = coordinate_channels(coordinates, ndim)
        self.place = nn.ModuleList(CONVOLUTIONS[ndim](maps, channels, 1, bias=False) for channels in widths if maps)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(ndim, channels) for _ in range(blocks if level else 1)))
            for level, channels in enumerate(widths)
        )
        self.up = nn.ModuleList(ConvolutionNorm(ndim, coarse, fine, kernel=1) for fine, coarse in pairwise(widths))
        self.decoder = nn.ModuleList(ResidualBlock(ndim, channels) for channels in widths[:-1])
        self.head = CONVOLUTIONS[ndim](width, sum(self.heads.values()) * stem**ndim, 1)

    @cached_property
    def halo(self) -> int:
        """Half receptive field in pixels, a multiple of `stride`, measured on a one-dimensional twin."""
        twin = ResidualUNet(1, {"any": 1}, ndim=1, width=1, **self._shape)
        found = measure_halo(twin, 1, self.stride, ndim=1)
        if found is None:
            raise ValueError(f"a network of {self._shape} looks farther than tiles can be large; use fewer levels")
        return found

    def forward(self, image: Tensor, coordinates: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the raw heads.

        Parameters
        ----------
        image : Tensor (B, C, *S)
            Normalised image; each side a multiple of ``stride``.
        coordinates : Tensor (B, ndim, *S), optional
            Coordinate maps, required where ``coordinates`` is set.

        Returns
        -------
        dict of str to Tensor (B, heads[name], *S)
        """
        if self.place and coordinates is None:
            raise ValueError("this network takes coordinate maps; got None for `coordinates`")
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoder):
            features = self.down[level - 1](skips[-1]) if level else self.stem(image)
            if coordinates is not None and self.place:
                every = self._shape["stem"] * 2**level
                cells: Any = (..., *(slice(None, None, every),) * self.ndim)
                features = features + self.place[level](coordinates[cells])
            skips.append(encoder(functional.relu(features, inplace=True)))
        features = skips[-1]
        for skip, up, decoder in reversed(list(zip(skips[:-1], self.up, self.decoder, strict=True))):
            coarse = functional.interpolate(up(features), scale_factor=2, mode="nearest")
            features = decoder(functional.relu(coarse + skip, inplace=True))
        full = shuffle_pixels(self.head(features), self._shape["stem"])
        return dict(zip(self.heads, torch.split(full, list(self.heads.values()), dim=1), strict=True))


def shuffle_pixels(features: Tensor, factor: int) -> Tensor:
    """Rearrange (B, C * factor**n, *S) to (B, C, *(S * factor)): channels become sub-pixels (Shi et al. 2016).

    Where `torch.nn.PixelShuffle` does 2-d only, this does any number of dimensions, with the same order of channels.
    """
    batch, channels, *shape = features.shape
    ndim = len(shape)
    features = features.reshape(batch, channels // factor**ndim, *(factor,) * ndim, *shape)
    interleaved = chain.from_iterable((2 + ndim + axis, 2 + axis) for axis in range(ndim))
    return features.permute(0, 1, *interleaved).reshape(batch, -1, *(side * factor for side in shape))
