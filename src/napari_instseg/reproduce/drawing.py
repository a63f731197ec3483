"""What the pictures of the experiments share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from napari_instseg.core.method import Array

Panel = tuple[str, npt.NDArray[Any]]
"""A title, and an image (Y, X) or (Y, X, 3)."""


def colored(labels: Array) -> npt.NDArray[Any]:
    """Return each object a random colour, the background black."""
    colors = np.random.default_rng(0).uniform(0.2, 1, (int(labels.max()) + 1, 3))
    colors[0] = 0
    picture: npt.NDArray[Any] = colors[labels]
    return picture


def shown(image: Array, axes: str) -> npt.NDArray[Any]:
    """Bring an image to (Y, X) or (Y, X, 3) in 0 to 1, its brightest parts cut."""
    picture = np.moveaxis(image, axes.index("C"), -1)[..., :3] if "C" in axes else image
    low, high = np.percentile(picture, [0.5, 99.8])
    scaled: npt.NDArray[Any] = np.clip((picture.astype(np.float64) - low) / max(high - low, 1e-6), 0, 1)
    return scaled


def panels(rows: Sequence[Sequence[Panel]], side: float = 3.0) -> Figure:
    """Draw rows of images with their titles; each row as long as the first."""
    figure = Figure(figsize=(side * len(rows[0]), (side + 0.3) * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes, (title, picture) in zip(grid.flat, (panel for row in rows for panel in row), strict=True):
        axes.imshow(picture, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
