"""Measure how long a crop to learn from takes, beside the same with scipy's interpolation.

    python benchmarks/crops.py [--repeat N]

Both draw the same places and the same changes of brightness; the baseline looks each channel and the labels up by
`scipy.ndimage.map_coordinates`. Milliseconds of one crop of three channels, median, and their ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from scipy import ndimage

from napari_instseg.data import augment as module
from napari_instseg.data.augment import UNKNOWN, Augmentation, augment

PATCHES = ((128, 128), (256, 256), (32, 96, 96))


def main() -> None:
    """Print a line for each shape of crop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=200, help="crops to take the median of")
    repeat = parser.parse_args().repeat
    print(f"{'crop':>12}{'ours, ms':>12}{'scipy, ms':>12}{'ratio':>8}")
    for patch in PATCHES:
        ours = median_ms(patch, repeat)
        with mock.patch.multiple(module, _interpolate=by_scipy, _look_up=look_up_by_scipy):
            theirs = median_ms(patch, repeat)
        print(f"{'x'.join(map(str, patch)):>12}{ours:12.2f}{theirs:12.2f}{theirs / ours:8.1f}")


def median_ms(patch: tuple[int, ...], repeat: int) -> float:
    """Time crops of an image that is twice as long on each side."""
    rng = np.random.default_rng(0)
    shape = tuple(2 * side for side in patch)
    image, labels = rng.random((3, *shape), dtype=np.float32), rng.integers(0, 500, shape)
    return float(np.median([timed(lambda: augment(image, labels, Augmentation(), patch, rng)) for _ in range(repeat)]))


def timed(work: Callable[[], object]) -> float:
    """Return the milliseconds that it takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def by_scipy(image: module.Image, positions: module.Floats) -> module.Image:
    """Interpolate channel by channel."""
    moved = [ndimage.map_coordinates(channel, positions, order=1, mode="mirror") for channel in image]
    return np.stack(moved).astype(np.float32)


def look_up_by_scipy(labels: module.Labels, positions: module.Floats) -> module.Labels:
    """Take the nearest label."""
    found: module.Labels = ndimage.map_coordinates(labels, positions, order=0, mode="constant", cval=UNKNOWN)
    return found


if __name__ == "__main__":
    main()
