"""The n-d residual U-Net with named heads, and off-the-shelf backbones."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_instseg.networks.backbone import BackboneNetwork
    from napari_instseg.networks.build import build_network, fuse
    from napari_instseg.networks.coordinates import coordinate_maps
    from napari_instseg.networks.unet import ResidualUNet

# Imported when first used: the parameters in `params` must be had without torch.
_HOMES = {
    "BackboneNetwork": "backbone",
    "ResidualUNet": "unet",
    "build_network": "build",
    "coordinate_maps": "coordinates",
    "fuse": "build",
}

__all__ = [
    "BackboneNetwork",
    "ResidualUNet",
    "build_network",
    "coordinate_maps",
    "fuse",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
