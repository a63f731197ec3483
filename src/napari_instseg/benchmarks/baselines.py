"""What one would decode with otherwise: the papers' own ways, and well-known libraries on the same predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]
Outputs = Mapping[str, npt.NDArray[Any]]
Baseline = Callable[[Outputs], tuple[Labels, npt.NDArray[np.int64]]]
"""Gives the labels of some pixels, and which pixels: flat indices into the grid."""

LARGEST = 512
"""Side of the largest image, in pixels, on which baselines are run: they take minutes beyond."""

BANDWIDTH = 0.5


def paper_mean_shift(outputs: Outputs, seed: int = 0) -> tuple[Labels, npt.NDArray[np.int64]]:
    """Mean-shift as De Brabandere et al. 2017 write it.

    An unlabelled pixel, those within the bandwidth, their mean, again until it stays; then the next pixel.
    """
    pixels, points = _foreground(outputs)
    labels = np.zeros(len(points), np.int64)
    for start in np.random.default_rng(seed).permutation(len(points)):
        if labels[start]:
            continue
        free = np.flatnonzero(labels == 0)
        unlabelled, centre = points[free], points[start]
        while True:
            inside = ((unlabelled - centre) ** 2).sum(axis=1) <= BANDWIDTH**2
            mean = unlabelled[inside].mean(axis=0)
            if np.linalg.norm(mean - centre) < 1e-3 * BANDWIDTH:
                break
            centre = mean
        labels[free[inside]] = labels.max() + 1
    return labels, pixels


def scikit_mean_shift(outputs: Outputs) -> tuple[Labels, npt.NDArray[np.int64]]:
    """scikit-learn's MeanShift, on every 8th foreground pixel."""
    from sklearn.cluster import MeanShift

    pixels, points = _foreground(outputs, every=8)
    return MeanShift(bandwidth=BANDWIDTH, bin_seeding=True).fit_predict(points) + 1, pixels


def hdbscan_on_all(outputs: Outputs) -> tuple[Labels, npt.NDArray[np.int64]]:
    """The `hdbscan` package on every foreground pixel; outliers are label 0."""
    from hdbscan import HDBSCAN

    pixels, points = _foreground(outputs)
    return HDBSCAN(min_cluster_size=60, min_samples=5).fit_predict(points) + 1, pixels


def scikit_label(outputs: Outputs) -> tuple[Labels, npt.NDArray[np.int64]]:
    """scikit-image's `label` of the map of winning colours."""
    from skimage.measure import label

    color = np.argmax(outputs["colors"], axis=0)
    pixels = np.flatnonzero(color)
    labels: Labels = label(color, background=0).ravel()[pixels]
    return labels, pixels


BASELINES: dict[str, dict[str, Baseline]] = {
    "mean-shift": {"the paper's loop": paper_mean_shift, "scikit-learn, every 8th pixel": scikit_mean_shift},
    "hdbscan": {"hdbscan, every pixel": hdbscan_on_all},
    "coloring": {"argmax and scikit-image's label": scikit_label},
}


def agreement(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Adjusted Rand index of two labellings of the same pixels."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


def _foreground(outputs: Outputs, every: int = 1) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    pixels = np.flatnonzero(outputs["foreground"] >= 0.5)[::every]
    embedding = outputs["embedding"]
    return pixels, embedding.reshape(len(embedding), -1)[:, pixels].T.copy()
