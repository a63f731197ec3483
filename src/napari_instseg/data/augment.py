"""Joint augmentation of an image and its labels, in 2-d and 3-d: every pixel is looked up once, however it moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_instseg.core.labels import UNKNOWN
from napari_instseg.core.params import Params, flag, tunable

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

OFTEN, SELDOM = 0.5, 0.25
"""Chance of a change that most patches can bear, and of one that only some should get."""
CELLS = 6
"""Along each side of a patch; each is stretched by itself."""


class Augmentation(Params):
    """How strongly training patches are varied; 0 switches a change off."""

    flip: bool = flag(
        True,
        title="Flips and quarter turns",
        help="Mirror along every axis and turn in the plane, pixel by pixel. Off where left and right differ.",
    )
    rotation: float = tunable(
        180.0, 0.0, 180.0, unit="degrees", title="Rotation", help="Largest angle, in the plane of the last two axes."
    )
    scale: float = tunable(0.3, 0.0, 0.8, title="Scale", help="Largest change of size; 0.3: 0.7 to 1.3 times.")
    shear: float = tunable(0.1, 0.0, 1.0, title="Shear", help="Largest slant, as a part of the side.", advanced=True)
    elastic: float = tunable(
        0.2, 0.0, 0.8, title="Elastic deformation", help="Largest stretch of each of six rows and columns of cells."
    )
    intensity: float = tunable(
        0.2,
        0.0,
        1.0,
        title="Intensity",
        help="Largest change of brightness, contrast and gamma, channel by channel.",
    )
    noise: float = tunable(
        0.1, 0.0, 1.0, title="Noise", help="Largest standard deviation of added noise; 1 is the image's full range."
    )
    blur: float = tunable(1.5, 0.0, 10.0, unit="px", title="Blur", help="Largest width (sigma) of a Gaussian blur.")
    invert: float = tunable(
        0.0,
        0.0,
        1.0,
        title="Inversion",
        help="Chance that dark and bright are swapped, to serve both contrasts.",
    )


def augment(
    image: Image, labels: Labels, params: Augmentation, patch: tuple[int, ...], rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Cut a random patch out of an image and vary it, with its labels.

    Parameters
    ----------
    image : array (C, *S), float32
        Normalised.
    labels : array (*S), int64
        0 background, positive object ids, -1 unknown.
    params : Augmentation
    patch : tuple of int
        Shape of the result, in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    image : array (C, *patch), float32
        Interpolated linearly; mirrored beyond the image's border.
    labels : array (*patch), int64
        Nearest neighbour; -1 beyond the image's border.
    """
    image, labels = _cut(image, labels, params, patch, rng)
    positions = _find_positions(params, patch, labels.shape, rng)
    return _vary(_interpolate(image, positions), params, rng), _look_up(labels, positions)


def _cut(
    image: Image, labels: Labels, params: Augmentation, patch: tuple[int, ...], rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Cut a region out at random that a rotated and scaled patch fits into, where the image is large enough."""
    turns = np.sqrt(2) if params.rotation else 1.0
    grow = (turns if axis >= len(patch) - 2 else 1.0 for axis in range(len(patch)))
    wanted = [int(np.ceil(side * more * (1 + params.scale))) for side, more in zip(patch, grow, strict=True)]
    window = []
    for side, size in zip(labels.shape, wanted, strict=True):
        start = int(rng.integers(max(side - size, 0) + 1))
        window.append(slice(start, start + size))
    return image[(slice(None), *window)], labels[tuple(window)]


def _find_positions(
    params: Augmentation, patch: tuple[int, ...], shape: tuple[int, ...], rng: np.random.Generator
) -> Floats:
    """Return the place in the image, in pixels, from which each pixel of the patch is taken: (ndim, *patch)."""
    matrix = _draw_matrix(params, patch, rng)
    elastic = params.elastic if rng.random() < SELDOM else 0.0
    lines = np.ix_(*(_bend(side, elastic, rng) for side in patch))
    middle = [(side - 1) / 2 + (size - side) // 2 for side, size in zip(patch, shape, strict=True)]
    rows = zip(middle, matrix, strict=True)
    return np.stack([at + sum(part * line for part, line in zip(row, lines, strict=True)) for at, row in rows])


def _draw_matrix(params: Augmentation, patch: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Draw the matrix that takes places in the patch, from its middle, to places in the image."""
    ndim = len(patch)
    matrix = np.eye(ndim)
    if params.rotation or rng.random() < OFTEN:
        angle = np.deg2rad(rng.uniform(-params.rotation, params.rotation))
        matrix[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        slant = rng.uniform(-params.shear, params.shear, (ndim, ndim))
        np.fill_diagonal(slant, 1)
        matrix = matrix @ slant * rng.uniform(1 - params.scale, 1 + params.scale, ndim)
    if params.flip:
        matrix = matrix * rng.choice((-1, 1), ndim)
        if patch[-2] == patch[-1] and rng.random() < 0.5:
            matrix[:, -2:] = matrix[:, :-3:-1]
    return matrix


def _bend(side: int, most: float, rng: np.random.Generator) -> Floats:
    """Return the places along a side, from its middle, with cells stretched by as much as `most`; both ends stay."""
    places: Floats = np.arange(side, dtype=np.float64) - (side - 1) / 2
    if most:
        ends = np.concatenate([[0], np.cumsum(rng.uniform(1 - most, 1 + most, CELLS))])
        even = np.linspace(places[0], places[-1], CELLS + 1)
        places = np.interp(places, even, places[0] + (side - 1) * ends / ends[-1])
    return places


def _interpolate(image: Image, positions: Floats) -> Image:
    import torch
    from torch.nn.functional import grid_sample

    # torch counts from -1, the middle of the first pixel, to 1, that of the last, and names the last axis first
    last = np.maximum(np.array(image.shape[1:]) - 1, 1).reshape(-1, *(1,) * (image.ndim - 1))
    grid = np.moveaxis(2 * positions / last - 1, 0, -1)[..., ::-1].astype(np.float32)
    source, places = torch.from_numpy(np.ascontiguousarray(image))[None], torch.from_numpy(grid)[None]
    moved = grid_sample(source, places, mode="bilinear", padding_mode="reflection", align_corners=True)
    result: Image = moved[0].numpy()
    return result


def _look_up(labels: Labels, positions: Floats) -> Labels:
    nearest = np.rint(positions).astype(np.intp)
    last = np.array(labels.shape).reshape(-1, *(1,) * labels.ndim) - 1
    there = np.minimum(np.maximum(nearest, 0), last)
    return np.where((there == nearest).all(axis=0), labels[tuple(there)], UNKNOWN)  # outside the image


def _vary(image: Image, params: Augmentation, rng: np.random.Generator) -> Image:
    """Change the brightness, not the place."""
    channels = (len(image), *(1,) * (image.ndim - 1))
    if params.blur and rng.random() < SELDOM:
        widths = rng.uniform(0, params.blur, image.ndim - 1)
        image = ndimage.gaussian_filter(image, (0, *widths), mode="mirror")
    if params.intensity:
        if rng.random() < OFTEN:
            low, high = image.min(), image.max()
            gamma = rng.uniform(1 / (1 + 2 * params.intensity), 1 + 2 * params.intensity)
            image = low + (high - low) * ((image - low) / max(high - low, 1e-7)) ** np.float32(gamma)
        if rng.random() < OFTEN:
            image = image * rng.uniform(1 - params.intensity, 1 + params.intensity, channels).astype(np.float32)
        if rng.random() < OFTEN:
            image = image + rng.uniform(-params.intensity, params.intensity, channels).astype(np.float32)
    if params.noise and rng.random() < OFTEN:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + np.float32(rng.uniform(0, params.noise)) * noise
    if params.invert and rng.random() < params.invert:
        image = 1 - image
    return image
