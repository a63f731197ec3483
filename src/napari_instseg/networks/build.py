"""From declared parameters to a network, and its quick copy for prediction."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_instseg.core.errors import ParameterError
from napari_instseg.networks.backbone import PREFIX, BackboneNetwork
from napari_instseg.networks.params import NetworkParams
from napari_instseg.networks.unet import ConvolutionNorm, ResidualUNet


def build_network(
    params: NetworkParams, heads: Mapping[str, int], in_channels: int, ndim: int, *, pretrained: bool = False
) -> ResidualUNet | BackboneNetwork:
    """Build the network.

    Parameters
    ----------
    params : NetworkParams
    heads : mapping of str to int
        Name and number of channels of each output.
    in_channels : int
        Image channels.
    ndim : int
        2 for images, 3 for volumes.
    pretrained : bool
        Start a backbone from ImageNet weights where they can be had; the network's `note` says whether they were.

    Returns
    -------
    Module
        ``forward(image (B, C, *S), coordinates (B, ndim, *S) or None)`` gives the raw heads, a dict of tensors
        (B, heads[name], *S). ``stride``: each side of the image must be a multiple of it. ``halo``: half receptive
        field in pixels, a multiple of the stride; a tile with so much around it gives what the whole image gives.

    Raises
    ------
    ParameterError
        If the backbone is unknown, not installed, or does not do volumes.
    """
    if params.backbone.startswith(PREFIX):
        if ndim != 2:
            raise ParameterError(f"The backbone '{params.backbone}' is 2-d; volumes need the backbone 'unet'.")
        return BackboneNetwork(
            params.backbone, in_channels, heads, coordinates=params.coordinates, pretrained=pretrained
        )
    if params.backbone != "unet":
        raise ParameterError(
            f"There is no backbone '{params.backbone}'; expected 'unet' or 'smp:ARCHITECTURE:ENCODER', such as "
            "'smp:Unet:resnet34'."
        )
    return ResidualUNet(
        in_channels,
        heads,
        ndim=ndim,
        width=params.width,
        levels=params.levels,
        blocks=params.blocks,
        stem=params.stem,
        coordinates=params.coordinates,
    )


def fuse(network: nn.Module) -> nn.Module:
    """Return a copy for prediction, its batch normalisations folded into the convolutions before them."""
    fused = deepcopy(network).eval()
    for module in fused.modules():
        if isinstance(module, ConvolutionNorm):
            convolution: Any = module[0]
            norm: Any = module[1]
            module[0] = fuse_conv_bn_eval(convolution, norm)
            module[1] = nn.Identity()
    return fused
