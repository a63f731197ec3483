"""Stains of tissue, each as a grey image, unmixed from the colours of a photograph."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError

STAINS: Mapping[str, str] = MappingProxyType({"haematoxylin": "Haematoxylin"})
"""Titles of the stains by name. Haematoxylin is what colours nuclei blue, whatever brown or pink lies over them."""

FAINTEST = 1e-6
"""Share of light that is taken for none."""


def unmix(image: Any, stain: str) -> npt.NDArray[np.float32]:
    """Return how much of a stain each pixel of a photograph has.

    Absorbed light adds up in its logarithm, so the stains of a pixel are found by a matrix (Ruifrok and Johnston 2001,
    Quantification of histochemical staining by color deconvolution), here that of haematoxylin, eosin and DAB.

    Parameters
    ----------
    image : array (..., C)
        Red, green, blue, maybe transparency, which is left out: integers over the range of their type, or floating
        point from 0 to 1, where 1 is all light.
    stain : str
        One of `STAINS`.

    Returns
    -------
    float32 array (...)
        0 where there is none, seldom above 0.5.

    Raises
    ------
    InputError
        If there is no such stain, or the image has no colours.
    """
    from skimage.color import hed_from_rgb

    array = np.asarray(image)
    if stain not in STAINS:
        raise InputError(f"There is no stain '{stain}'; expected one of: {', '.join(STAINS)}.")
    if not array.ndim or array.shape[-1] not in (3, 4):
        raise InputError(
            f"The image has shape {array.shape}; a stain is unmixed from colours, expected red, green and blue along "
            "the last axis. Leave the stain out."
        )
    if not np.isfinite(array).all():
        raise InputError("The image has values that are NaN or infinite; replace them by numbers first.")
    # light that is absent: each stain's part of the absorption, colour by colour, so that little memory is needed
    most = float(np.iinfo(array.dtype).max) if np.issubdtype(array.dtype, np.integer) else 1.0
    column = list(STAINS).index(stain)
    found = np.zeros(array.shape[:-1])
    for color in range(3):
        light = np.maximum(array[..., color] / most, FAINTEST)
        found += np.log(light) * (hed_from_rgb[color, column] / np.log(FAINTEST))
    return np.maximum(found, 0).astype(np.float32)


class Unmixed:
    """A stain of a photograph, unmixed where it is asked for.

    Parameters
    ----------
    image : array-like (..., C)
        As for `unmix`.
    stain : str
    """

    dtype = np.dtype(np.float32)

    def __init__(self, image: Any, stain: str) -> None:
        self._image, self._stain = image, stain
        self.shape = tuple(image.shape[:-1])

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        return unmix(self._image[where], self._stain)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return unmix(self._image, self._stain).astype(dtype or self.dtype, copy=False)
