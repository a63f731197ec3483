"""Images in which a few pixels are far brighter than the objects: debris, hot pixels, a scale bar, padding.

An ordinary image is left alone: one whose percentiles already lie among its objects, and also one of a few bright
objects on an empty background. Only where what is left without the brightest pixels holds objects of its own, with
edges and far above the noise, the brightest pixels are not what was to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BRIGHT = 0.3
"""What lies above this share of the range between the percentiles may be an outlier."""
FEW = 0.02
"""Share of the pixels that outliers may take."""
PADDING = 0.6
"""Share of the pixels that may have one and the same largest or smallest value: padding, bars, letters."""
TIMES = 5.0
"""How many times wider the range is with outliers than without."""
TIMES_FLAT = 2.5
"""The same where they have all one value, as nothing that was measured has."""
LEVELS = 8.0
"""Objects of whole numbers have at least this contrast, beside which rounding is nothing."""
AROUND = 3
"""Outliers blur into so many pixels around them."""
SMOOTH = 5
HOT = 4
"""Pieces of at most so many pixels are hot pixels, which lie on objects too."""
MEASURED = 16
"""What was measured has more different values than this. In a drawn picture objects too may have all one value, so that
only what fills a whole side of the image is padding."""
ABOVE_NOISE = 8.0
STEEP = 0.3

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Unusual:
    """What of an image does not count, and the limits of what does.

    Parameters
    ----------
    low, high : float
        The percentiles of the other pixels.
    middle : float
        Their median.
    edge : float
        Outliers lie beyond.
    is_dark : bool
        Whether they lie below it, not above.
    why : str
        What they are, in words.
    """

    low: float
    high: float
    middle: float
    edge: float
    is_dark: bool
    why: str

    def hide(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the image with the outliers like the background, hot pixels like what is around them.

        Parameters
        ----------
        image : array (C, *S)
        """
        outliers = image < self.edge if self.is_dark else image > self.edge
        single = _single(outliers)
        hidden: npt.NDArray[Any] = np.where(
            _grow(outliers & ~single, 1), np.asarray(self.middle).astype(image.dtype), image
        )
        places = np.nonzero(single)
        if len(places[0]):
            hidden[places] = _around(image, outliers, places, self.middle)
        return hidden


def without_outliers(
    sample: Values, low: float, high: float, percentiles: tuple[float, float], step: float = 0.0
) -> Unusual | None:
    """Return other limits where outliers hide the objects; None for an ordinary image.

    Parameters
    ----------
    sample : array (C, *S), float32
        Neighbours in it are near each other in the image.
    low, high : float
        Its percentiles.
    percentiles : (float, float)
        Which ones.
    step : float
        Smallest difference between two values: 1 of whole numbers.
    """
    if not high > low:
        return None
    mirrored = (100 - percentiles[1], 100 - percentiles[0])
    for values, below, above, which in ((sample, low, high, percentiles), (-sample, -high, -low, mirrored)):
        is_dark = values is not sample
        found = _beyond(values, below, above, which, step, flat=True)
        # dark pixels that are few may well be the objects of a bright field
        if found is None and not is_dark:
            found = _beyond(values, below, above, which, step, flat=False)
        if found is not None and is_dark:
            why = found.why.replace("brighter", "darker")
            return Unusual(-found.high, -found.low, -found.middle, -found.edge, True, why)
        if found is not None:
            return found
    return None


def _beyond(
    values: Values, low: float, high: float, percentiles: tuple[float, float], step: float, flat: bool
) -> Unusual | None:
    """Find outliers above the rest: those of the one largest value, or any."""
    top = float(values.max())
    start = top if flat else low + BRIGHT * (high - low)
    bright = values >= start
    share = float(bright.mean())
    if not 0 < share <= (PADDING if flat else FEW):
        return None
    if flat and share < (100 - percentiles[1]) / 200:  # too few to move the percentile
        return None
    rest = ~_grow(bright, AROUND)
    if rest.mean() < 0.2:
        return None
    left = values[rest]
    new_low, middle, new_high = (float(v) for v in np.percentile(left, (percentiles[0], 50, percentiles[1])))

    span = high - new_low
    if span < (TIMES_FLAT if flat else TIMES) * max(new_high - new_low, 0.002 * (high - low)):
        return None
    if flat and len(np.unique(left)) < MEASURED and not _is_frame(bright):
        return None
    size = high - low
    held = _holds_objects(values, rest, size, 0.0 if flat else share, step)
    # beside padding they may be dark too
    if not held and not (flat and _holds_objects(-values, rest, size, 0.0, step)):
        return None
    what = "of one and the same value and far" if flat else f"more than {span / (new_high - new_low):.0f} times"
    # twice as far as the objects, or half way
    edge = min(new_low + 2 * (new_high - new_low), (new_high + start) / 2)
    words = f"{share:.2%} of its pixels are {what} brighter than the rest"
    return Unusual(new_low, new_high, middle, max(edge, new_high), False, words)


def _is_frame(mask: npt.NDArray[np.bool_]) -> bool:
    """Return whether a mask fills a whole side of the image."""
    sides = (mask[..., 0, :], mask[..., -1, :], mask[..., 0], mask[..., -1])
    return any(bool(side.all()) for side in sides)


def _grow(mask: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    size = (1,) * (mask.ndim - 2) + (2 * by + 1,) * 2
    grown: npt.NDArray[np.bool_] = maximum_filter(mask, size)
    return grown


def _single(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return what of a mask is pieces of at most `HOT` pixels."""
    from scipy.ndimage import label

    near = np.zeros((3,) * mask.ndim, bool)
    near[(slice(1, 2),) * (mask.ndim - 2)] = True  # within a plane
    pieces, _ = label(mask, near)
    sizes = np.bincount(pieces.ravel())
    small = sizes <= HOT
    small[0] = False
    found: npt.NDArray[np.bool_] = small[pieces]
    return found


def _around(
    image: npt.NDArray[Any], outliers: npt.NDArray[np.bool_], places: tuple[npt.NDArray[Any], ...], otherwise: float
) -> npt.NDArray[Any]:
    """Return the median of what is within two pixels and no outlier."""
    *stack, rows, columns = places
    dy, dx = (part.ravel() for part in np.mgrid[-2:3, -2:3])
    y = np.clip(rows[:, None] + dy, 0, image.shape[-2] - 1)
    x = np.clip(columns[:, None] + dx, 0, image.shape[-1] - 1)
    where = (*(part[:, None] for part in stack), y, x)
    near = np.where(outliers[where], np.nan, image[where].astype(np.float64))
    near[np.isnan(near).all(axis=1)] = otherwise
    found: npt.NDArray[Any] = np.nanmedian(near, axis=1).astype(image.dtype)
    return found


def _holds_objects(values: Values, rest: npt.NDArray[np.bool_], span: float, share: float, step: float) -> bool:
    """Return whether there are objects, with edges and above the noise, where no outliers are."""
    from scipy.ndimage import uniform_filter

    beside = rest[..., 1:] & rest[..., :-1]
    if not beside.any():
        return False
    noise = 1.05 * float(np.median(np.abs(np.diff(values)[beside])))  # of a normal distribution
    size = (1,) * (values.ndim - 2) + (SMOOTH, SMOOTH)
    filled = np.where(rest, values, np.float32(0))
    weight = uniform_filter(rest.astype(np.float32), size)
    smooth = uniform_filter(filled, size) / np.maximum(weight, 1e-6)
    seen = rest & (weight > 0.9)
    if seen.sum() < 100:
        return False
    middle, high = (float(v) for v in np.percentile(smooth[seen], (50, 99.8)))
    contrast = high - middle
    if contrast <= max(ABOVE_NOISE * noise / SMOOTH, LEVELS * step, 0.002 * span):
        return False
    objects = float((smooth[seen] > middle + contrast / 2).mean())
    if not max(2 * share, 0.002) < objects < 0.5:
        return False
    both = seen[..., SMOOTH:] & seen[..., :-SMOOTH]
    slope = np.abs(smooth[..., SMOOTH:] - smooth[..., :-SMOOTH])[both]
    return bool(slope.size) and float(np.percentile(slope, 99)) >= STEEP * contrast
