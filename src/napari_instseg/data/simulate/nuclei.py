"""Nuclei that touch: fluorescence with chromatin texture, haze and noise, or stained tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from napari_instseg.core.params import choice, tunable
from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.scene import (
    Field,
    Floats,
    Mask,
    Simulated,
    Window,
    flat_truth,
    nearest_outline,
    place,
)

HEMATOXYLIN = np.array([0.65, 0.72, 0.27])
EOSIN = np.array([0.16, 0.88, 0.42])
"""Optical density of the stains in red, green and blue for one unit of stain."""


class Nuclei(Field):
    """Nuclei, single and in clusters."""

    count: int = tunable(60, 1, 3000, title="Nuclei", help="Number of nuclei.")
    diameter: float = tunable(26.0, 6.0, 300.0, unit="px", title="Diameter", help="Mean diameter.")
    spread: float = tunable(
        0.18, 0.0, 0.5, step=0.01, title="Spread of sizes", help="Standard deviation of the diameter over its mean."
    )
    clustering: float = tunable(
        0.55, 0.0, 1.0, step=0.05, title="Clustering", help="Share of nuclei that lie against another one."
    )
    look: Literal["fluorescence", "histology"] = choice(
        "fluorescence", title="Look", help="Fluorescence: grey on dark, 16 bits. Histology: purple on pink, RGB."
    )
    blur: float = tunable(
        1.1, 0.0, 6.0, step=0.1, unit="px", title="Blur", help="Standard deviation of the optics' blur."
    )
    photons: float = tunable(
        180.0,
        5.0,
        5000.0,
        step=5,
        unit="photons",
        title="Light",
        help="Photons from a typical nucleus; less is noisier.",
    )


@dataclass(frozen=True)
class Nucleus:
    """A nucleus on its window: px to its outline (negative inside), and depth, from 0 at the centre to 1 there."""

    centre: tuple[float, float]
    radius: float
    window: Window
    edge: Floats
    depth: Floats

    @property
    def mask(self) -> Mask:
        """Pixels whose centre is inside."""
        return self.edge <= 0


def simulate(params: Nuclei, rng: np.random.Generator) -> Simulated:
    """Scatter nuclei and take their picture.

    Parameters
    ----------
    params : Nuclei
        Number, size, crowding, look and optics.
    rng : numpy.random.Generator
        Source of everything random.

    Returns
    -------
    Simulated
        Image uint16 (Y, X) for fluorescence, uint8 (Y, X, 3) for histology; labels. Nuclei that press against each
        other share a border and do not overlap.

    Raises
    ------
    InputError
        If the field is too small for that many nuclei.
    """
    grain = rng.uniform(0, np.pi)

    def propose(_: int, placed: Sequence[Nucleus]) -> Nucleus | None:
        return _nucleus(params, rng, placed, grain)

    nuclei = place(propose, params.count, params.shape, min_visible=0.88)
    owner, distance = nearest_outline([n.window for n in nuclei], [n.edge for n in nuclei], params.shape)
    labels, kept = flat_truth(owner, distance, len(nuclei))
    nuclei = [nuclei[index] for index in kept]
    if params.look == "histology":
        return Simulated(drawing.digitise(_tissue(nuclei, labels, params, rng, grain), 8), labels)
    return Simulated(drawing.digitise(_glow(nuclei, labels, params, rng), 16), labels)


def _nucleus(params: Nuclei, rng: np.random.Generator, placed: Sequence[Nucleus], grain: float) -> Nucleus | None:
    radius = params.diameter / 2 * np.clip(rng.normal(1, params.spread), 0.4, 1.8)
    stretch = rng.uniform(1.0, 1.5) if params.look == "fluorescence" else rng.uniform(1.0, 1.9)
    angle = rng.uniform(0, np.pi) if params.look == "fluorescence" else rng.normal(grain, 0.5)
    if placed and rng.random() < params.clustering:
        other = placed[int(rng.integers(len(placed)))]
        towards = rng.uniform(0, 2 * np.pi)
        apart = (radius + other.radius) * rng.uniform(0.85, 1.05)
        centre = (other.centre[0] + apart * np.cos(towards), other.centre[1] + apart * np.sin(towards))
    else:
        centre = (rng.uniform(0, params.height), rng.uniform(0, params.width))
    reach = np.array([centre])
    window = drawing.window_around(reach, 1.45 * radius * np.sqrt(stretch) + 2, params.shape)
    waves = rng.normal(0, [0.045, 0.03, 0.02]), rng.uniform(0, 2 * np.pi, 3)
    if window is None:
        return None
    rows, columns = np.ogrid[window]
    down, right = rows - centre[0], columns - centre[1]
    theta = np.arctan2(right, down) - angle
    outline = radius / np.sqrt(np.cos(theta) ** 2 / stretch + np.sin(theta) ** 2 * stretch)
    outline = outline * (1 + sum(a * np.cos(k * theta + b) for k, a, b in zip((2, 3, 5), *waves, strict=True)))
    distance = np.hypot(down, right)
    return Nucleus(centre, float(radius), window, distance - outline, distance / outline)


def _glow(nuclei: Sequence[Nucleus], labels: np.ndarray, params: Nuclei, rng: np.random.Generator) -> Floats:
    light = np.zeros(params.shape)
    fine = drawing.smooth_noise(rng, params.shape, params.diameter / 18)
    coarse = drawing.smooth_noise(rng, params.shape, params.diameter / 7)
    for index, nucleus in enumerate(nuclei):
        own = labels[nucleus.window] == index + 1
        brightness = float(np.clip(rng.lognormal(0, 0.38), 0.35, 3.0))
        thickness = np.clip(1 - nucleus.depth**2, 0, 1) ** 0.3
        contrast = rng.uniform(0.06, 0.22)
        texture = np.clip(1 + contrast * (fine[nucleus.window] + coarse[nucleus.window]), 0.3, 2.2)
        nucleoli = 1 - rng.uniform(0.0, 0.4) * np.clip(coarse[nucleus.window] - 1.1, 0, 1)
        light[nucleus.window] += own * brightness * thickness * texture * nucleoli
    sharp = ndimage.gaussian_filter(light, params.blur)
    haze = ndimage.gaussian_filter(light, 0.7 * params.diameter)
    uneven = 1 + 0.25 * drawing.smooth_noise(rng, params.shape, min(params.shape) / 3)
    background = 0.03 * np.clip(uneven, 0.2, 2) + 0.07 * haze
    return 100 + 2 * drawing.photon_noise(rng, params.photons * (sharp + background), 2.0)


def _tissue(
    nuclei: Sequence[Nucleus], labels: np.ndarray, params: Nuclei, rng: np.random.Generator, grain: float
) -> Floats:
    blue = np.zeros(params.shape)
    chromatin = drawing.smooth_noise(rng, params.shape, params.diameter / 20)
    clumps = drawing.smooth_noise(rng, params.shape, params.diameter / 9)
    for index, nucleus in enumerate(nuclei):
        own = labels[nucleus.window] == index + 1
        stain = rng.uniform(0.75, 1.45)
        rim = 0.35 * np.exp(-(((nucleus.depth - 0.92) / 0.1) ** 2))
        open_chromatin = rng.uniform(0.1, 0.34)
        texture = 1 + open_chromatin * (0.7 * chromatin[nucleus.window] + 0.7 * clumps[nucleus.window]) + rim
        blue[nucleus.window] += own * stain * np.clip(texture - open_chromatin, 0.25, 2)
    fibres = _fibres(params, rng, grain)
    patches = drawing.smooth_noise(rng, params.shape, 0.9 * params.diameter)
    lumen = 1 / (1 + np.exp(-6 * (patches + 1.1)))
    pink = np.clip(0.24 + 0.035 * fibres + 0.04 * patches, 0.03, 1) * lumen
    blue = ndimage.gaussian_filter(blue, params.blur) + 0.13 * lumen * np.clip(1 + 0.2 * fibres, 0, 2)
    pink = ndimage.gaussian_filter(pink, params.blur)
    density = blue[..., None] * HEMATOXYLIN + pink[..., None] * EOSIN
    light = 245 * np.exp(-density)
    # a colour camera has light in plenty: its noise is small
    return drawing.photon_noise(rng, light * params.photons / 4, 2.0) * 4 / params.photons


def _fibres(params: Nuclei, rng: np.random.Generator, grain: float) -> Floats:
    """Draw strands that run along `grain`, waving: noise that is smeared along one direction."""
    shape = params.shape
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    wave = 6 * drawing.smooth_noise(rng, shape, 24.0)
    across = -np.sin(grain) * rows + np.cos(grain) * columns + wave
    along = (np.cos(grain) * rows + np.sin(grain) * columns) / 9
    side = int(np.hypot(*shape)) + 64
    strands = ndimage.gaussian_filter(rng.standard_normal((side, side)), 1.4, mode="wrap")
    strands /= strands.std()
    where = np.stack([along, across])
    return np.asarray(ndimage.map_coordinates(strands, where, order=1, mode="grid-wrap"), np.float64)
