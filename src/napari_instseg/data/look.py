"""What an image looks like, in numbers that hold whatever its size, brightness and contrast are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

SIDE = 384
"""Images are averaged down to at most about so many pixels along a side before they are looked at."""
RANGE = (0.5, 99.5)
"""Percentiles that become 0 and 1."""
SCALES = (1.0, 2.0, 4.0, 8.0)
"""Widths of the smoothing between which structures are looked for, in pixels of the small image."""
RIM = 0.08
"""Width of the rim, of the shorter side."""
LEAST_COLOR = 0.02
"""Mean difference between channels, of the whole range, from which on an image has colours."""
FEATURES = (
    *(f"percentile {p} of the middle" for p in (5, 25, 50, 75, 95)),
    *(f"percentile {p}" for p in (10, 50, 90)),
    "half of the pixels are so near the median",
    *(f"skewness of structures of {scale:g} px" for scale in SCALES),
    *(f"peakedness of structures of {scale:g} px" for scale in SCALES),
    *(f"share of structures of {scale:g} px" for scale in SCALES),
    "where it is bright it is rough",
    "the rim is darker than the middle",
    "bright and dark outlines",
    "colours",
    "one colour on black",
    "red absorbed",
    "green absorbed",
    "green light",
)
"""Names of the numbers that `measure_look` gives."""


def is_colored(channels: npt.NDArray[Any]) -> bool:
    """Return whether three channels (3, Y, X) differ: a grey picture that was saved as RGB has no colours."""
    if len(channels) != 3:
        return False
    spread = float(np.ptp(channels))
    return spread > 0 and float(np.ptp(channels.astype(np.float32), axis=0).mean()) > LEAST_COLOR * spread


def measure_look(channels: npt.NDArray[Any]) -> Floats:
    """Measure what an image looks like.

    Parameters
    ----------
    channels : array (C, Y, X)
        One image; three channels are taken for red, green and blue. A NaN counts as 0.

    Returns
    -------
    float32 array (len(FEATURES),)
        All are finite; those of a grey or a constant image that ask for colours or contrast are 0.
    """
    small = shrink(channels)
    grey = small.mean(axis=0)
    low, high = np.percentile(grey, RANGE)
    grey = np.clip((grey - low) / max(float(high - low), 1e-12), -0.2, 1.2)
    height, width = grey.shape
    inner = grey[height // 5 : height - height // 5, width // 5 : width - width // 5]
    values = [*np.percentile(inner, (5, 25, 50, 75, 95)), *np.percentile(grey, (10, 50, 90))]
    values.append(float(np.median(np.abs(grey - np.median(grey)))))
    smooth = [grey, *(ndimage.gaussian_filter(grey, scale, mode="mirror") for scale in SCALES)]
    bands = [fine - coarse for fine, coarse in pairwise(smooth)]
    spreads = np.array([float(band.std()) for band in bands]) + 1e-6
    values += [_moment(band, 3) for band in bands] + [_moment(band, 4) for band in bands]
    values += list(np.log(spreads / spreads.sum()))
    middle, rough = smooth[3], ndimage.gaussian_filter(np.abs(bands[1]), 4.0, mode="mirror")
    values.append(_correlation(middle, rough))
    rim = max(1, round(RIM * min(height, width)))
    edge = np.concatenate([grey[:rim].ravel(), grey[-rim:].ravel(), grey[:, :rim].ravel(), grey[:, -rim:].ravel()])
    values.append(float(np.median(inner) - np.median(edge)))
    # a halo lies beside what is dark: the two largest structures have both signs near to each other
    both = ndimage.maximum_filter(bands[1], 7) * ndimage.maximum_filter(-bands[1], 7)
    values.append(float(np.log(np.sqrt(np.maximum(both, 0)).mean() / spreads[1] + 1e-3)))
    return np.asarray([*values, *_colors(small)], dtype=np.float32)


def shrink(channels: npt.NDArray[Any]) -> Floats:
    """Average squares of pixels so that no side is much longer than `SIDE`."""
    step = max(1, round(max(channels.shape[1:]) / SIDE))
    height, width = (max(side // step, 1) for side in channels.shape[1:])
    step_y, step_x = min(step, channels.shape[1]), min(step, channels.shape[2])
    wide = channels[:, : height * step_y, : width * step_x].astype(np.float64)  # large values have room in it
    wide = np.nan_to_num(wide, posinf=0, neginf=0)
    part = (wide / max(float(np.abs(wide).max(initial=0)), 1e-300)).astype(np.float32)
    result: Floats = part.reshape(len(part), height, step_y, width, step_x).mean(axis=(2, 4))
    return result


def _colors(small: Floats) -> list[float]:
    if not is_colored(small):
        return [0.0] * 5
    low, high = np.percentile(small, RANGE)
    light = np.clip((small - low) / max(float(high - low), 1e-12), 0.02, 1)
    absorbed = -np.log(light)
    strength = absorbed.mean(axis=0)
    share = (absorbed * (strength > np.median(strength))).sum(axis=(1, 2))
    share = share / max(float(share.sum()), 1e-6)
    # in false colour all channels are one image times a factor
    flat = small.reshape(3, -1) - small.reshape(3, -1).min(axis=1, keepdims=True)
    singular = np.linalg.svd(flat[:, :: max(1, flat.shape[1] // 5000)], compute_uv=False)
    single = float(singular[0] ** 2 / max(float((singular**2).sum()), 1e-12))
    dark = float(np.median(light.max(axis=0)) < 0.3)
    shine = light.mean(axis=(1, 2))
    return [
        float(np.ptp(light, axis=0).mean()),
        single * dark,
        float(share[0]),
        float(share[1]),
        float(shine[1] - shine.mean()),
    ]


def _moment(band: Floats, power: int) -> float:
    """Return the skewness (3) or the peakedness (4) of a band, compressed so that one bright pixel cannot swamp it."""
    spread = float(band.std())
    if spread < 1e-6:
        return 0.0
    value = float(((band / spread) ** power).mean())
    return float(np.sign(value) * np.log1p(abs(value)))


def _correlation(first: Floats, second: Floats) -> float:
    a, b = first - first.mean(), second - second.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / length) if length > 1e-9 else 0.0
