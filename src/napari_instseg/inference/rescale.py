"""Bringing an image to the object size that a model knows, and its outputs back to the image's grid."""

from __future__ import annotations

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array

LIMITS = (0.1, 10.0)
"""Smallest and largest factor between an image and what the network sees."""


def rescale_factor(model_diameter: float, diameter: float | None) -> float:
    """Give the factor by which an image is enlarged before the network sees it.

    Parameters
    ----------
    model_diameter : float
        Typical object diameter that the model was trained at, in pixels.
    diameter : float, optional
        Typical object diameter in the image, in pixels; None leaves the image as it is.

    Raises
    ------
    InputError
        If the diameter is not positive, or so far from the model's that the image would be resized beyond `LIMITS`.
    """
    if diameter is None:
        return 1.0
    low, high = model_diameter / LIMITS[1], model_diameter / LIMITS[0]
    if not low <= diameter <= high:
        raise InputError(
            f"The object diameter is {diameter:g} px; expected {low:g} to {high:g} px, since this model was trained "
            f"on objects of about {model_diameter:g} px. Measure an object again, or choose another model."
        )
    return model_diameter / diameter


def resize(channels: Array, shape: tuple[int, ...]) -> Array:
    """Resize (C, *S) to (C, *shape) by linear interpolation, smoothed where it shrinks (2-d)."""
    import torch
    from torch.nn.functional import interpolate

    if channels.shape[1:] == tuple(shape):
        return channels
    mode = {2: "bilinear", 3: "trilinear"}[len(shape)]
    tensor = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))[None]
    smooth = len(shape) == 2 and shape[0] < channels.shape[1]
    resized: Array = interpolate(tensor, size=shape, mode=mode, align_corners=False, antialias=smooth)[0].numpy()
    return resized
