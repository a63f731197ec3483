"""Off-the-shelf encoders and decoders of segmentation-models-pytorch, with the heads of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from napari_instseg.core.errors import ParameterError
from napari_instseg.networks.coordinates import coordinate_channels
from napari_instseg.networks.params import Coordinates
from napari_instseg.networks.receptive import measure_halo

PREFIX = "smp:"
_NAME = re.compile(r"smp:[A-Za-z0-9_+]{1,40}:[A-Za-z0-9_.-]{1,80}")
"""No further colon and no slash: the libraries take what follows one for a server, or for a folder to read."""
WHOLE_IMAGE_HALO = 256
"""Halo of networks that look at the whole image, as squeeze-and-excitation does: their tiles agree only nearly."""


class BackboneNetwork(nn.Module):
    """A 2-d network of segmentation-models-pytorch that outputs named heads.

    Parameters
    ----------
    name : str
        ``"smp:ARCHITECTURE:ENCODER"``, such as ``"smp:Unet:resnet34"``.
    in_channels : int
        Image channels; coordinate maps come on top.
    heads : mapping of str to int
        Name and number of channels of each output.
    coordinates : {"none", "image", "periodic"}
        Coordinate maps that are extra input channels; see `coordinate_maps`.
    pretrained : bool
        Start from ImageNet weights where they can be had; `note` says whether they were.

    Raises
    ------
    ParameterError
        If the name is not known or the library is not installed.
    """

    encoder_parts: tuple[str, ...] = ("model.encoder",)

    def __init__(
        self,
        name: str,
        in_channels: int,
        heads: Mapping[str, int],
        *,
        coordinates: Coordinates = "none",
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.heads, self.ndim, self.coordinates = in_channels, dict(heads), 2, coordinates
        self._inputs = in_channels + coordinate_channels(coordinates, 2)
        self.model, self.note = _create(name, self._inputs, sum(self.heads.values()), pretrained)
        self.stride = int(getattr(self.model.encoder, "output_stride", 32))

    @cached_property
    def halo(self) -> int:
        """Half receptive field in pixels, a multiple of `stride`."""
        return measure_halo(self.model, self._inputs, self.stride, ndim=2) or WHOLE_IMAGE_HALO

    def forward(self, image: Tensor, coordinates: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the raw heads; see `ResidualUNet.forward`."""
        if self.coordinates != "none":
            if coordinates is None:
                raise ValueError("this network takes coordinate maps; got None for `coordinates`")
            image = torch.cat([image, coordinates], dim=1)
        full: Tensor = self.model(image)
        return dict(zip(self.heads, torch.split(full, list(self.heads.values()), dim=1), strict=True))


_EXPECTED = "'smp:ARCHITECTURE:ENCODER' with names of segmentation-models-pytorch, such as 'smp:Unet:resnet34'."


def _create(name: str, channels: int, classes: int, pretrained: bool) -> tuple[Any, str]:
    """Create the library's model and say in words where its weights come from."""
    if not _NAME.fullmatch(name):
        raise ParameterError(f"There is no backbone {name!r}; expected {_EXPECTED}")
    try:
        import segmentation_models_pytorch as smp
    except ImportError:
        raise ParameterError(
            f"The backbone '{name}' needs segmentation-models-pytorch; install it with "
            "'pip install napari-instseg[backbones]', or choose the backbone 'unet'."
        ) from None
    architecture, _, encoder = name.removeprefix(PREFIX).partition(":")
    wanted = {"arch": architecture, "encoder_name": encoder, "in_channels": channels, "classes": classes}
    try:
        model = smp.create_model(**wanted, encoder_weights=None)
    except Exception as error:  # each of the libraries' encoders refuses in its own way
        raise ParameterError(
            f"There is no backbone '{name}' ({type(error).__name__}: {error}); expected {_EXPECTED}"
        ) from None
    if not pretrained:
        return model, f"{encoder}: weights from the model folder or random"
    try:
        return smp.create_model(**wanted, encoder_weights="imagenet"), f"{encoder} starts from ImageNet weights"
    except Exception as error:  # the download may fail in as many ways as there are HTTP libraries
        return (
            model,
            f"{encoder} starts from random weights: ImageNet's could not be had ({type(error).__name__}: {error})",
        )
