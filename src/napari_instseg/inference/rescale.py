"""Bringing an image to the object size that a model knows, and its outputs back to the image's grid."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.core.method import Array
from napari_instseg.core.params import Params
from napari_instseg.io.models import LARGEST, ModelSpec
from napari_instseg.methods import get_method

LIMITS = (0.02, 10.0)
"""Smallest and largest factor between an image and what the network sees."""


def rescale_factor(spec: ModelSpec, diameter: float | None) -> float:
    """Return the factor by which an image is enlarged before the network sees it.

    Parameters
    ----------
    spec : ModelSpec
        The model; its `diameter` is that of the objects that it shall see.
    diameter : float, optional
        Typical object diameter in the image, in pixels; that of the images which the model learnt from if None.

    Raises
    ------
    InputError
        If the diameter is not positive, or so far from the model's that the image would be resized beyond `LIMITS`.
    """
    if diameter is None:
        diameter = spec.presumed_diameter
    if diameter > LARGEST:
        raise InputError(f"The object diameter is more than {LARGEST:g} px; no image has such objects. Measure again.")
    model_diameter = spec.diameter
    low, high = model_diameter / LIMITS[1], model_diameter / LIMITS[0]
    if not low <= diameter <= high:
        raise InputError(
            f"The object diameter is {diameter:g} px; expected {low:g} to {high:g} px, since this model was trained "
            f"on objects of about {model_diameter:g} px. "
            + (
                "Shrink the image first, for example by binning it, and give the diameter in the smaller image."
                if diameter > high
                else "Measure an object again, or enlarge the image first and give the diameter in the larger one."
            )
        )
    return model_diameter / diameter


def own_parameters(spec: ModelSpec, diameter: float | None = None, **changes: Any) -> Params:
    """Return a model's own decode parameters, for objects of a diameter.

    Parameters
    ----------
    spec : ModelSpec
        Its decode parameters hold for objects of its own diameter.
    diameter : float, optional
        As for `rescale_factor`; sizes and distances in pixels follow it.
    **changes
        Values that a user gave, for this image; they are taken as they are.

    Raises
    ------
    ParameterError
        If a name is unknown or a value out of range.
    """
    own = get_method(spec.method).decode(**spec.decode)
    diameter = spec.presumed_diameter if diameter is None else diameter
    if not isinstance(diameter, Real):
        raise ParameterError(f"The object diameter is {diameter!r}; expected a number of pixels.")
    if 0 < diameter <= LARGEST:  # what is beyond is refused where the image is resized
        own = own.at_size(float(diameter) / spec.diameter, spec.ndim)
    return own.changed(**changes)


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
