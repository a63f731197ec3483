"""Percentile normalisation: it travels with the model, so that prediction sees what training saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import Params, flag, tunable
from napari_instseg.data.outliers import Unusual, without_outliers

CLIP = (-1.0, 4.0)
"""Normalised values are kept in this range, so that a hot pixel cannot swamp a network."""
SAMPLE = 4_000_000
"""Percentiles of larger images are taken over a regular grid of about this many pixels."""


class Normalization(Params):
    """Which grey values become 0 and 1."""

    low: float = tunable(1.0, 0.0, 49.0, unit="%", title="Low percentile", help="This percentile becomes 0.")
    high: float = tunable(
        99.8, 51.0, 100.0, unit="%", title="High percentile", help="This percentile of an image becomes 1."
    )
    per_channel: bool = flag(
        False,
        title="Each channel by itself",
        help="Off keeps the balance of colours, as in stained tissue and RGB pictures; on suits channels of "
        "different detectors.",
    )
    ignore_outliers: bool = flag(
        True,
        title="Ignore outliers",
        help="Debris, hot pixels, scale bars and padding, far brighter than the objects, do not count for the "
        "percentiles. Ordinary images are the same either way.",
    )


@dataclass(frozen=True)
class Outliers:
    """What does not count in an unusual image, by its channels."""

    found: tuple[tuple[slice, Unusual], ...]

    @property
    def why(self) -> str:
        """Say what they are."""
        return "; ".join(unusual.why for _, unusual in self.found)

    def hide(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the image (C, *S) with the background in the place of the outliers."""
        hidden = image.copy()
        for channels, unusual in self.found:
            hidden[channels] = unusual.hide(image[channels])
        return hidden


def limits(image: npt.NDArray[Any], params: Normalization) -> npt.NDArray[np.float32]:
    """Do as `find_limits`, without saying whether the image is unusual."""
    return find_limits(image, params)[0]


def find_limits(image: npt.NDArray[Any], params: Normalization) -> tuple[npt.NDArray[np.float32], Outliers | None]:
    """Find the values that become 0 and 1.

    Where both percentiles are one value, as of a few objects on a background without noise, they are the smallest and
    the largest value. Where outliers hide objects, they are the percentiles of the other pixels, see
    `data.outliers`.

    Parameters
    ----------
    image : array (C, *S)
        Any number type; NaN and infinity are not allowed.
    params : Normalization

    Returns
    -------
    limits : array (C, 2), float32
        Low and high value of each channel; the same for all where channels are taken together.
    outliers : Outliers, optional
        What is far brighter or darker than the rest; None for an ordinary image.

    Raises
    ------
    InputError
        If the image is empty or has values that are NaN or infinite.
    """
    if image.size == 0:
        raise InputError(f"The image has shape {image.shape}, without any pixel; expected at least one.")
    pixels = int(np.prod(image.shape[1:]))
    step = max(1, round((pixels / SAMPLE) ** (1 / max(image.ndim - 1, 1))))
    grid = image[(slice(None), *(slice(None, None, step),) * (image.ndim - 1))].astype(np.float32, copy=False)
    sample = grid.reshape(image.shape[0], -1)
    if not np.isfinite(sample).all():
        bad = int(sample.size - np.count_nonzero(np.isfinite(sample)))
        raise InputError(f"The image has {bad} values that are NaN or infinite; replace them by numbers first.")
    percentiles = [params.low, params.high]
    axis = tuple(range(1, image.ndim)) if params.per_channel else None
    found = np.percentile(sample, percentiles, axis=axis and 1).astype(np.float32)
    flat = found[0] == found[1]
    if flat.any():
        # of the whole image, since the sample may have missed the objects
        found = np.where(flat, [image.min(axis), image.max(axis)], found)
    between = np.broadcast_to(found.T, (image.shape[0], 2)).astype(np.float32)
    if not params.ignore_outliers or flat.any():
        return between, None
    smallest = 1.0 if image.dtype.kind in "bui" else 0.0
    found_in = []
    for channels in [slice(c, c + 1) for c in range(len(grid))] if params.per_channel else [slice(None)]:
        low, high = (float(value) for value in between[channels][0])
        unusual = without_outliers(grid[channels], low, high, (params.low, params.high), smallest)
        if unusual is not None:
            between[channels] = unusual.low, unusual.high
            found_in.append((channels, unusual))
    return between, Outliers(tuple(found_in)) if found_in else None


def normalize(
    image: npt.NDArray[Any], params: Normalization, between: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Map the low percentile to 0 and the high one to 1, clipped to -1..4; a constant image becomes 0.

    Parameters
    ----------
    image : array (C, *S)
        Any number type.
    params : Normalization
    between : array (C, 2), optional
        What `limits` found for the whole image, where `image` is a tile of it.

    Returns
    -------
    array (C, *S), float32
    """
    found = limits(image, params) if between is None else between
    low, high = (column.reshape(-1, *(1,) * (image.ndim - 1)) for column in found.T)
    spread = np.where(high > low, high - low, np.inf).astype(np.float32)
    result: npt.NDArray[np.float32] = np.clip((image.astype(np.float32) - low) / spread, *CLIP)
    return result
