"""Intensities of objects and of rings around them, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.measure.shape import Columns, Sizes


def measure_intensity(
    labels: npt.NDArray[np.int32],
    n: int,
    channels: npt.NDArray[Any] | None,
    names: Sequence[str],
    percentiles: Sequence[float],
    prefix: str = "intensity",
) -> Columns:
    """Return mean, median, sum, standard deviation, extremes and percentiles of objects 1 to n in each channel.

    The standard deviation is that of the pixels, divided by their number; percentiles are linear between pixels, as
    numpy has them. NaN where there is no pixel.
    """
    columns: Columns = {}
    if channels is None:
        return columns
    inside = np.flatnonzero(labels)
    owner = labels.ravel()[inside]
    counts = np.bincount(owner, minlength=n + 1)[1:]
    for channel, name in zip(channels, names, strict=True):
        values = channel.ravel()[inside].astype(np.float64)
        # by object, then by value: each object's pixels are then a sorted stretch
        order = np.lexsort((values, owner))
        columns |= {
            f"{prefix}_{kind}_{name}": of for kind, of in _statistics(values[order], counts, percentiles).items()
        }
    return columns


def measure_ring(
    labels: npt.NDArray[np.int32],
    n: int,
    channels: npt.NDArray[Any] | None,
    names: Sequence[str],
    percentiles: Sequence[float],
    width: float,
    sizes: Sizes,
) -> Columns:
    """Return the same of the background around each object: pixels nearest to it, up to `width` away."""
    return measure_intensity(rings(labels, width, sizes), n, channels, names, percentiles, "ring")


def rings(labels: npt.NDArray[np.int32], width: float, sizes: Sizes = None) -> npt.NDArray[np.int32]:
    """Return a label image of the rings around objects, which share no pixel with any object or other ring.

    Parameters
    ----------
    labels : int array
    width : float
        In micrometres with `sizes`, else in pixels.
    sizes : sequence of float, optional
        Pixel size along each axis.
    """
    from skimage.segmentation import expand_labels

    around: npt.NDArray[np.int32] = expand_labels(labels, width, spacing=tuple(sizes) if sizes is not None else 1)
    return np.where(labels > 0, 0, around).astype(np.int32)


def _statistics(
    values: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], percentiles: Sequence[float]
) -> Columns:
    """Return the statistics of stretches of sorted values, one stretch per object."""
    ends = np.cumsum(counts)
    starts = ends - counts
    some = counts > 0
    owner = np.repeat(np.arange(len(counts)), counts)
    empty = np.full(len(counts), np.nan)
    sums = np.bincount(owner, values, minlength=len(counts))
    mean, deviation, low, high = (empty.copy() for _ in range(4))
    mean[some] = sums[some] / counts[some]
    # of the differences from the mean, since squares of large values would drown them
    spread = np.bincount(owner, (values - np.repeat(mean, counts)) ** 2, minlength=len(counts))
    deviation[some] = np.sqrt(spread[some] / counts[some])
    low[some], high[some] = values[starts[some]], values[ends[some] - 1]

    def percentile(percent: float) -> npt.NDArray[np.float64]:
        found = empty.copy()
        place = starts[some] + (counts[some] - 1) * (percent / 100)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, ends[some] - 1)
        found[some] = values[below] + (place - below) * (values[above] - values[below])
        return found

    columns: Columns = {
        "mean": mean,
        "median": percentile(50),
        "sum": sums,
        "std": deviation,
        "min": low,
        "max": high,
    }
    return columns | {f"p{percent:g}": percentile(percent) for percent in percentiles}
