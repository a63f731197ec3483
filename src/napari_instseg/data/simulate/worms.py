"""Worms that cross in a well, as a bright-field picture or as its binary foreground (like C. elegans in BBBC010)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import ndimage

from napari_instseg.core.params import choice, tunable
from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.drawing import Tube
from napari_instseg.data.simulate.scene import Field, Floats, Mask, Simulated, place, stacked_truth

DARK = 90.0
"""Grey value outside the well."""
BRIGHT = 3000.0
"""Grey value where the lamp is brightest."""
STEP = 0.5
"""Distance of the points along a worm in px."""


class Worms(Field):
    """Worms in a well, some stiff, some curled, some across others."""

    count: int = tunable(14, 1, 300, title="Worms", help="Number of worms; each shows at least half of itself.")
    length: float = tunable(
        108.0, 20.0, 1000.0, unit="px", title="Length", help="Mean length; worms differ by a tenth."
    )
    thickness: float = tunable(11.0, 3.0, 100.0, unit="px", title="Thickness", help="Mean thickness at the middle.")
    stiff: float = tunable(
        0.4,
        0.0,
        1.0,
        step=0.05,
        title="Stiff worms",
        help="Share of worms that lie straight; the others bend and curl.",
    )
    crossing: float = tunable(
        0.35,
        0.0,
        1.0,
        step=0.05,
        title="Crossing",
        help="Share of worms that lie across another one; the others lie clear.",
    )
    look: Literal["bright-field", "binary"] = choice(
        "bright-field",
        title="Look",
        help="Bright-field: 12-bit grey picture. Binary: 255 where there is a worm, else 0.",
    )


def simulate(params: Worms, rng: np.random.Generator) -> Simulated:
    """Put worms into a well and take its picture.

    Parameters
    ----------
    params : Worms
        Number, size, behaviour and look.
    rng : numpy.random.Generator
        Source of everything random.

    Returns
    -------
    Simulated
        Image (Y, X), uint16 for bright-field and uint8 for binary; labels and masks, the last on top.

    Raises
    ------
    InputError
        If the well is too small for that many worms.
    """
    wall = _wall(params, rng)
    allowed = wall < -2

    crosses = rng.random(params.count) < params.crossing

    def propose(rank: int, placed: Sequence[Tube]) -> Tube | None:
        if placed and crosses[rank]:
            return _worm(params, rng, allowed, across=placed[int(rng.integers(len(placed)))])
        worm = _worm(params, rng, allowed)
        return worm if worm is not None and _is_clear(worm, placed, params.shape) else None

    worms = place(propose, params.count, params.shape, min_visible=0.5, allowed=allowed)
    labels, masks = stacked_truth(worms, params.shape)
    if params.look == "binary":
        return Simulated(np.where(labels > 0, 255, 0).astype(np.uint8), labels, masks)
    return Simulated(drawing.digitise(_bright_field(worms, wall, params, rng), 12), labels, masks)


def _wall(params: Worms, rng: np.random.Generator) -> Floats:
    """Return the signed distance in px to the well's rounded square, negative inside."""
    margin = 0.02 * min(params.shape)
    half = np.array(params.shape) / 2 - margin - rng.uniform(0, margin, 2)
    corner = 0.36 * half.min()
    rows, columns = np.ogrid[: params.height, : params.width]
    beyond_rows = np.abs(rows - params.height / 2) - (half[0] - corner)
    beyond_columns = np.abs(columns - params.width / 2) - (half[1] - corner)
    outside = np.hypot(np.maximum(beyond_rows, 0), np.maximum(beyond_columns, 0))
    return np.asarray(outside + np.minimum(np.maximum(beyond_rows, beyond_columns), 0) - corner, np.float64)


def _is_clear(worm: Tube, placed: Sequence[Tube], shape: tuple[int, int]) -> bool:
    covered = np.zeros(shape, bool)
    for other in placed:
        covered[other.window] |= other.mask
    return not (covered[worm.window] & worm.mask).any()


def _worm(params: Worms, rng: np.random.Generator, allowed: Mask, across: Tube | None = None) -> Tube | None:
    length = params.length * rng.uniform(0.88, 1.12)
    points = drawing.curve((0, 0), rng.uniform(0, 2 * np.pi), _curvature(params, length, rng), STEP)
    half_width = params.thickness / 2 * rng.uniform(0.9, 1.1) * _profile(len(points))
    if across is not None:
        rows, columns = np.nonzero(across.mask)
        pick = int(rng.integers(len(rows)))
        target = np.array([rows[pick] + across.window[0].start, columns[pick] + across.window[1].start], np.float64)
        on_worm = points[int(len(points) * rng.uniform(0.15, 0.85))]
    else:
        target = rng.uniform(0, 1, 2) * params.shape
        on_worm = points.mean(0)
    points = points + target - on_worm
    pixels = np.rint(points[::8]).astype(int)
    if (pixels < 0).any() or (pixels >= params.shape).any() or not allowed[pixels[:, 0], pixels[:, 1]].all():
        return None
    return drawing.tube(points, half_width, params.shape, margin=6.0)


def _curvature(params: Worms, length: float, rng: np.random.Generator) -> Floats:
    """Return the bend at each step: a stiff worm hardly any, another one a wave, some of them a curl besides."""
    steps = int(length / STEP)
    place_on_worm = np.linspace(0, 1, steps)
    if rng.random() < params.stiff:
        turn, swing = rng.normal(0, 0.35), rng.normal(0, 0.12)
    else:
        curl = rng.uniform(3, 6.5) if rng.random() < 0.3 else rng.gamma(1.4, 0.9)
        turn, swing = rng.choice([-1, 1]) * curl, rng.uniform(0.2, 1.1)
    waves = rng.uniform(0.7, 1.5)
    wave = 2 * np.pi * waves * swing * np.cos(2 * np.pi * (waves * place_on_worm + rng.random()))
    # heads and tails are stiffer than the rest, and no worm bends tighter than it is thick
    bend = (turn + wave) / length * np.minimum(1, 6 * np.minimum(place_on_worm, 1 - place_on_worm) + 0.15)
    return np.clip(bend, -0.85 / params.thickness, 0.85 / params.thickness)


def _profile(points: int) -> Floats:
    """Return the half width along a worm, 1 at the middle: a blunt head, a long pointed tail."""
    place_on_worm = np.linspace(0, 1, points)
    head = np.clip(place_on_worm / 0.2, 0, 1)
    tail = np.clip((1 - place_on_worm) / 0.42, 0, 1)
    return np.asarray((0.28 + 0.72 * np.sqrt(1 - (1 - head) ** 2)) * (0.12 + 0.88 * np.sin(np.pi / 2 * tail) ** 0.9))


def _bright_field(worms: Sequence[Tube], wall: Floats, params: Worms, rng: np.random.Generator) -> Floats:
    light = np.ones(params.shape)
    for worm in worms:
        # light passes through one worm after the other where they cross
        light[worm.window] *= _transmission(worm, params, rng)
    light *= _debris(params, rng)
    rows, columns = np.ogrid[: params.height, : params.width]
    lamp = np.array(params.shape) * rng.normal(0.5, 0.05, 2)
    reach = min(params.shape) * rng.uniform(0.26, 0.4)
    glow = 0.48 + 0.52 * np.exp(-((rows - lamp[0]) ** 2 + (columns - lamp[1]) ** 2) / (2 * reach**2))
    aperture = 1 / (1 + np.exp(np.clip(wall / 0.9, -60, 60)))
    scattered = 0.012 * np.exp(-np.maximum(wall, 0) / 12)
    picture = BRIGHT * ndimage.gaussian_filter(glow * light * aperture, 0.6) + BRIGHT * scattered
    return DARK + drawing.photon_noise(rng, picture * 4.0, 12.0) / 4.0


def _transmission(worm: Tube, params: Worms, rng: np.random.Generator) -> Floats:
    """Return the light that passes, 0 to 1: dark flanks, mottled gut, pale head and tail, a bright fringe around."""
    across = np.abs(worm.across) / np.maximum(worm.half_width, 1e-6)
    ends = np.clip(np.minimum(worm.along / 0.14, (1 - worm.along) / 0.24), 0, 1)
    mottle = sum(drawing.stripes(rng, worm, params.length, grain) for grain in ((1.3, 0.8), (3.0, 1.2), (9.0, 2.0)))
    lumen = 0.16 * rng.random() * np.exp(-((across / 0.3) ** 2))
    gut = rng.uniform(0.52, 0.7) + rng.uniform(0.06, 0.11) * mottle - lumen
    flank = 0.2 * np.exp(-(((across - 0.78) / 0.22) ** 2))
    absorbed = np.clip((gut + flank) * (0.42 + 0.58 * ends), 0.05, 0.88)
    # the flanks slope: the very edge is thin
    thickness = np.sqrt(np.clip(-worm.edge / 2.2, 0, 1))
    fringe = 0.05 * np.exp(-(((worm.edge - 2.0) / 1.2) ** 2)) * ends
    return np.asarray(1 - absorbed * thickness + fringe, np.float64)


def _debris(params: Worms, rng: np.random.Generator) -> Floats:
    """Return the light that dirt lets pass: sharp grains, and smudges on the glass that are out of focus."""
    dirt = np.zeros(params.shape)
    area = params.height * params.width
    for density, blur, depth in ((1 / 6000, 0.8, 0.9), (1 / 16000, 3.0, 5.0)):
        grains = int(rng.poisson(area * density))
        where = rng.integers(0, params.shape, (grains, 2))
        layer = np.zeros(params.shape)
        np.add.at(layer, (where[:, 0], where[:, 1]), depth * rng.uniform(0.2, 1.6, grains))
        dirt += ndimage.gaussian_filter(layer, blur)
    return np.clip(1 - dirt, 0.25, 1) * (1 + 0.008 * drawing.smooth_noise(rng, params.shape, 1.0))
