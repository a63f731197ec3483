"""Leaf rosettes on soil, seen from above (like Arabidopsis in CVPPP A1): textured leaves with stalks that overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from napari_instseg.core.params import tunable
from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.drawing import Tube
from napari_instseg.data.simulate.scene import Field, Floats, Simulated, place, stacked_truth

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
"""Radians between one leaf and the next younger one."""
LEAF = np.array([92.0, 138.0, 58.0])
VEIN = np.array([160.0, 188.0, 118.0])
SOIL = np.array([56.0, 47.0, 38.0])


class Rosettes(Field):
    """A plant seen from above."""

    count: int = tunable(15, 2, 60, title="Leaves", help="Number of leaves; each shows at least a seventh of itself.")
    reach: float = tunable(
        0.42,
        0.1,
        0.6,
        step=0.01,
        unit="of the image",
        title="Plant size",
        help="Longest leaf over the image's shorter side.",
    )
    stalk: float = tunable(
        0.42,
        0.1,
        0.7,
        step=0.01,
        unit="of the leaf",
        title="Stalk",
        help="Part of a grown leaf's length that is stalk.",
    )
    breadth: float = tunable(
        0.62,
        0.2,
        1.2,
        step=0.01,
        unit="of its length",
        title="Blade breadth",
        help="Breadth of a blade over its length.",
    )


def simulate(params: Rosettes, rng: np.random.Generator) -> Simulated:
    """Grow a rosette and look at it from above.

    Parameters
    ----------
    params : Rosettes
        Number and form of the leaves.
    rng : numpy.random.Generator
        Source of everything random.

    Returns
    -------
    Simulated
        uint8 image (Y, X, 3); labels and masks, oldest leaf first, the youngest on top.

    Raises
    ------
    InputError
        If the field is too small for that many leaves.
    """
    centre = np.array(params.shape) * rng.normal(0.5, 0.025, 2)
    first = rng.uniform(0, 2 * np.pi)

    def propose(rank: int, _: Sequence[Tube]) -> Tube | None:
        return _leaf(params, centre, first, rank, rng)

    leaves = place(propose, params.count, params.shape, min_visible=1 / 7)
    labels, masks = stacked_truth(leaves, params.shape)
    canvas = _soil(params, rng)
    lamp = rng.uniform(0, 2 * np.pi)
    green = LEAF * rng.normal(1, [0.09, 0.05, 0.12])
    for leaf in leaves:
        drawing.cast_shadow(canvas, leaf, (3 * np.cos(lamp), 3 * np.sin(lamp)), 2.2, 0.5)
        drawing.paint(canvas, leaf.window, _blade(leaf, green, lamp, rng), leaf.cover)
    seen = ndimage.gaussian_filter(canvas, (0.6, 0.6, 0))
    return Simulated(drawing.digitise(seen + 2.0 * rng.standard_normal(seen.shape), 8), labels, masks)


def _leaf(params: Rosettes, centre: Floats, first: float, rank: int, rng: np.random.Generator) -> Tube | None:
    """Propose the leaf that `rank` younger ones lie above: the older, the longer and the more stalk."""
    age = (rank + 0.5) / params.count
    longest = params.reach * min(params.shape)
    # the two oldest are seed leaves, which stay small
    grown = (0.16 + 0.84 * age**0.75) * (0.6 if params.count > 6 and rank >= params.count - 2 else 1.0)
    length = longest * np.clip(grown * rng.normal(1, 0.09), 0.1, 1.15)
    stalk = params.stalk * (0.35 + 0.65 * min(1.0, 1.6 * age)) * rng.uniform(0.85, 1.15)
    angle = first + rank * GOLDEN_ANGLE + rng.normal(0, 0.2)
    steps = max(int(length), 12)
    bend = rng.normal(0, 0.3) / length * np.ones(steps)
    points = drawing.curve(centre + rng.normal(0, 1.5, 2), angle, bend, length / steps)
    place_on_blade = np.clip((np.linspace(0, 1, steps + 1) - stalk) / (1 - stalk), 0, 1)
    blade_length = length * (1 - stalk)
    # spoon-shaped: a wedge at the stalk, broadest beyond the middle, a round tip
    wedge = rng.uniform(0.7, 1.1)
    form = place_on_blade**wedge * np.sqrt(1 - place_on_blade)
    form = form / form.max()
    half = params.breadth * rng.uniform(0.85, 1.15) * blade_length / 2
    waves = [
        1 + 0.02 * np.sin(place_on_blade * rng.uniform(7, 14) + rng.uniform(0, 6)) + rng.normal(0, 0.04) for _ in "lr"
    ]
    stem = max(1.3, 0.018 * longest) * (0.8 + 0.4 * age)
    fade = np.clip((1 - place_on_blade) * 6, 0, 1)
    half_width = np.stack([np.maximum(half * form * wave, stem * fade) for wave in waves])
    return drawing.tube(points, half_width, params.shape, margin=7.0)


def _blade(leaf: Tube, green: Floats, lamp: float, rng: np.random.Generator) -> Floats:
    """Return the colour of each pixel of a leaf, (h, w, 3)."""
    blade = np.clip((leaf.half_width - 4) / 8, 0, 1)
    across = leaf.across / np.maximum(leaf.half_width, 1e-6)
    rows, columns = np.mgrid[leaf.window]
    length = float(np.hypot(np.ptp(rows), np.ptp(columns)))
    shape = leaf.edge.shape
    # the two halves of a blade rise from the midrib and bend down at the margin: one faces the lamp
    tilt = rng.normal(0, 0.11) * np.tanh(leaf.across / 1.5) * np.exp(-np.abs(across)) + 0.10 * np.cos(
        np.pi * np.abs(across) ** 1.5
    )
    cockle = 0.05 * drawing.smooth_noise(rng, shape, 6.0) + 0.035 * drawing.smooth_noise(rng, shape, 1.3)
    slope = (
        0.08 * np.cos(lamp) * (rows - rows.mean()) / length + 0.08 * np.sin(lamp) * (columns - columns.mean()) / length
    )
    light = rng.uniform(0.86, 1.14) * (1 + blade * (tilt + cockle) + slope)
    tone = green * rng.normal(1, [0.05, 0.03, 0.06])
    midrib = np.exp(-((leaf.across / 1.3) ** 2)) * np.clip(1.25 - leaf.along, 0.15, 1)
    phase = (leaf.along * length - 0.75 * np.abs(leaf.across)) / max(7.0, length / 11)
    side_veins = 0.2 * np.exp(-(((phase % 1 - 0.5) / 0.11) ** 2)) * (1 - np.abs(across)) * blade
    pale = np.clip(0.55 * midrib + side_veins + 0.45 * (1 - blade), 0, 1)[..., None]
    rim = 1 - 0.16 * np.clip(1 + leaf.edge / 1.5, 0, 1)
    return np.asarray((tone * (1 - pale) + VEIN * pale) * (light * rim)[..., None], np.float64)


def _soil(params: Rosettes, rng: np.random.Generator) -> Floats:
    """Draw compost: clods and crumbs, fibres of straw, a few bright grains, a green bloom of algae."""
    shape = params.shape
    clods = sum(
        weight * drawing.smooth_noise(rng, shape, sigma)
        for sigma, weight in ((0.8, 0.2), (2.0, 0.24), (5.0, 0.2), (40, 0.12))
    )
    soil: Floats = SOIL * rng.uniform(0.6, 1.1) * np.exp(np.clip(clods, -1.6, 1.2))[..., None]
    algae = 0.35 * rng.random() / (1 + np.exp(-3 * (drawing.smooth_noise(rng, shape, 30.0) - 0.8)))
    soil += algae[..., None] * np.array([6.0, 34.0, 0.0])
    area = params.height * params.width
    for _ in range(int(rng.poisson(area / 2500))):
        size = rng.uniform(2, 14)
        start = rng.uniform(0, 1, 2) * shape
        points = drawing.curve(start, rng.uniform(0, 6.3), rng.normal(0, 0.04) * np.ones(int(size) + 2), 1.0)
        crumb = drawing.tube(points, np.full(len(points), rng.uniform(0.4, 1.4)), shape, margin=1.0)
        if crumb is not None:
            tone = np.array([150.0, 128.0, 98.0]) * rng.uniform(0.35, 1.25)
            drawing.paint(soil, crumb.window, tone, crumb.cover * rng.uniform(0.4, 0.9))
    return soil
