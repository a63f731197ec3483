"""StarDist (Schmidt et al. 2018): distances to the border along rays, and object probability.

NPZ with `prob` (Y, X) and `dist` (Y, X, rays), as ``model.predict`` gives them; `grid` beside where it is not 1. The
centre of gravity of the polygon that a pixel sees is where it points at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import names_in, read_arrays
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction

DEFAULTS = {"bandwidth": 4.0}


def recognise(path: Path) -> bool:
    """Tell by the names of the arrays."""
    return {"prob", "dist"} <= names_in(path)


def read(path: Path) -> Prediction:
    """Read probability and distances, and give the places that pixels point at."""
    arrays = read_arrays(path)
    if not {"prob", "dist"} <= arrays.keys():
        raise InputError(f"'{path}' has the arrays {', '.join(arrays)}; expected prob (Y, X) and dist (Y, X, rays).")
    return predict(arrays["prob"], arrays["dist"], int(arrays["grid"]) if "grid" in arrays else 1)


def predict(prob: np.ndarray[Any, Any], dist: np.ndarray[Any, Any], grid: int = 1) -> Prediction:
    """Turn StarDist's outputs into a prediction.

    Parameters
    ----------
    prob : array (Y, X)
        Probability of an object, 0 to 1.
    dist : array (Y, X, rays)
        Distances to the border, in pixels of the image; ray k points along sin(2 pi k / rays) in y and cos in x.
    grid : int
        Pixels of the image along the side of one of theirs.

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    prob, dist = np.asarray(prob), np.asarray(dist)
    if prob.ndim != 2 or dist.ndim != 3 or dist.shape[:2] != prob.shape or dist.shape[2] < 3 or not 1 <= grid <= 16:
        raise InputError(
            f"prob has the shape {prob.shape}, dist {dist.shape}, the grid is {grid}; expected (Y, X), (Y, X, rays) "
            "with 3 rays or more, and a grid from 1 to 16."
        )
    angle = 2 * np.pi * np.arange(dist.shape[2]) / dist.shape[2]
    corners = np.stack([dist * np.sin(angle), dist * np.cos(angle)])
    following = np.roll(corners, -1, axis=-1)
    # twice the area of each triangle from the pixel to two corners; a third of the corners' sum is its middle
    double = corners[1] * following[0] - corners[0] * following[1]
    area = double.sum(-1)
    middle = ((corners + following) * double).sum(-1) / (3 * np.where(area == 0, 1, area))
    offsets = np.where(area == 0, 0, middle)
    offsets, foreground = (part.repeat(grid, -2).repeat(grid, -1).astype(np.float32) for part in (offsets, prob))
    start = np.indices(prob.shape, np.float32).repeat(grid, -2).repeat(grid, -1) * grid
    return Prediction("semiconv", {"embedding": start + offsets, "foreground": foreground}, DEFAULTS)


ADAPTER = Adapter("stardist", "NPZ with prob and dist (StarDist)", "semiconv", recognise, read)
