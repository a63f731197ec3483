"""Seeded predictions that look like a trained network's, with the truth that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

SEPARATION = 3.0
"""Least distance of the objects' mean embeddings: twice the delta_d of the discriminative loss."""


@dataclass(frozen=True)
class Scene:
    """Objects, and what a network would say of them."""

    labels: npt.NDArray[np.int32]
    """The true objects, (Y, X) or (Z, Y, X)."""
    outputs: Mapping[str, npt.NDArray[np.float32]]
    """``embedding``, ``foreground``, ``seediness`` and ``colors``."""


def simulate_scene(
    shape: tuple[int, ...],
    n_objects: int,
    dims: int = 8,
    *,
    seed: int = 0,
    noise: float = 0.05,
    blur: float = 0.7,
    coverage: float = 0.5,
    n_colors: int = 0,
) -> Scene:
    """Make round objects, many of which touch, and the outputs of a network that has learnt them but for its noise.

    The embeddings of touching objects run into each other over a pixel or two, as a network's do; beyond an object's
    outer border its embedding goes on, since nothing teaches a network otherwise.

    Parameters
    ----------
    shape : tuple of int
        (Y, X) or (Z, Y, X), in pixels.
    n_objects : int
        At least 1; a few may be hidden by others.
    dims : int
        Of the embedding.
    seed : int
    noise : float
        Standard deviation of the embedding's noise, over all dimensions together divided by the square root of 8.
    blur : float
        Standard deviation, in pixels, with which embeddings run into each other.
    coverage : float
        About this part of the image is foreground.
    n_colors : int
        Channels of ``colors``, the background included; 0 makes none.
    """
    rng = np.random.default_rng(seed)
    nearest, labels = _objects(shape, n_objects, coverage, rng)
    means = _mean_embeddings(n_objects, dims, rng)
    sigma = noise * np.sqrt(8 / dims)
    embedding = np.empty((dims, *shape), np.float32)
    for channel, values in zip(embedding, means.T, strict=True):
        ndimage.gaussian_filter(values[nearest], blur, output=channel)
        channel += sigma * rng.standard_normal(shape, np.float32)
    foreground = ndimage.gaussian_filter((labels > 0).astype(np.float32), 1)
    depth = ndimage.gaussian_filter((nearest > 0) & ~_borders(nearest), 2, output=np.float32)
    outputs = {"embedding": embedding, "foreground": foreground, "seediness": foreground * depth}
    if n_colors:
        outputs["colors"] = _color_probabilities(labels, n_objects, n_colors, rng)
    return Scene(labels, outputs)


def _objects(
    shape: tuple[int, ...], n: int, coverage: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the object nearest to each pixel, and the objects themselves: balls cut off where they meet."""
    centres = np.zeros(shape, np.int32)
    places = tuple(rng.integers(0, length, n) for length in shape)
    centres[places] = np.arange(1, n + 1)
    distance, index = ndimage.distance_transform_edt(centres == 0, return_indices=True)
    nearest = centres[tuple(index)]
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[len(shape)]
    radius = (np.prod(shape) * coverage / n / ball) ** (1 / len(shape)) * rng.uniform(0.9, 1.5, n + 1)
    return nearest, np.where(distance < radius[nearest], nearest, 0).astype(np.int32)


def _mean_embeddings(n: int, dims: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Spread points in a box and push those apart that are nearer than the loss would leave them; row 0 is spare."""
    side = SEPARATION * max(n, 2) ** (1 / dims)
    means = rng.uniform(-side / 2, side / 2, (n + 1, dims))
    for _ in range(100):
        pairs = cKDTree(means).query_pairs(SEPARATION, output_type="ndarray")
        if len(pairs) == 0:
            break
        between = means[pairs[:, 0]] - means[pairs[:, 1]]
        length = np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-6)
        push = between / length * (SEPARATION - length) * 0.55
        np.add.at(means, pairs[:, 0], push)
        np.add.at(means, pairs[:, 1], -push)
    return means.astype(np.float32)


def _borders(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    border = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        step = np.diff(labels, axis=axis) != 0
        border[tuple(slice(0, -1) if a == axis else slice(None) for a in range(labels.ndim))] |= step
    return border


def _color_neighbours_apart(
    labels: npt.NDArray[np.int32], n_objects: int, n_colors: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw a colour for each object among those that no object touching it has yet, if any are left."""
    neighbours: list[set[int]] = [set() for _ in range(n_objects + 1)]
    for axis in range(labels.ndim):
        moved = np.moveaxis(labels, axis, 0)
        touching = (moved[:-1] != moved[1:]) & (moved[:-1] > 0) & (moved[1:] > 0)
        for a, b in np.unique(np.stack([moved[:-1][touching], moved[1:][touching]], axis=1), axis=0).tolist():
            neighbours[a].add(b)
            neighbours[b].add(a)
    color = np.zeros(n_objects + 1, np.int64)
    for k in range(1, n_objects + 1):
        free = sorted(set(range(1, n_colors)) - {int(color[j]) for j in neighbours[k]})
        color[k] = rng.choice(free or np.arange(1, n_colors))
    return color


def _color_probabilities(
    labels: npt.NDArray[np.int32], n_objects: int, n_colors: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    color = _color_neighbours_apart(labels, n_objects, n_colors, rng)[labels]
    logits = np.stack([ndimage.gaussian_filter(4.0 * (color == c), 0.7, output=np.float32) for c in range(n_colors)])
    logits += 0.3 * rng.standard_normal(logits.shape, np.float32)
    probability: npt.NDArray[np.float32] = np.exp(logits)
    probability /= probability.sum(axis=0)
    return probability
