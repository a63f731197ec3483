"""Scattered sticks that cover each other in complex ways (De Brabandere et al. 2017, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from napari_instseg.core.params import choice, tunable
from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.drawing import Tube
from napari_instseg.data.simulate.scene import Field, Floats, Simulated, place, stacked_truth

WOOD = np.array([205.0, 165.0, 112.0])
TABLE = np.array([74.0, 78.0, 86.0])


class Sticks(Field):
    """Straight sticks thrown on a table."""

    count: int = tunable(20, 1, 500, title="Sticks", help="Number of sticks; each shows at least a third of itself.")
    length: float = tunable(
        150.0, 20.0, 1000.0, unit="px", title="Length", help="Mean length; sticks differ by a fifth."
    )
    thickness: float = tunable(
        11.0, 3.0, 100.0, unit="px", title="Thickness", help="Mean thickness; sticks differ by a sixth."
    )
    look: Literal["wood", "plain"] = choice(
        "wood",
        title="Look",
        help="Wood: colour, grain, shading and shadows. Plain: flat grey sticks with a dark outline.",
    )


def simulate(params: Sticks, rng: np.random.Generator) -> Simulated:
    """Throw sticks on a table and look from above.

    Parameters
    ----------
    params : Sticks
        Number, size and look.
    rng : numpy.random.Generator
        Source of everything random.

    Returns
    -------
    Simulated
        uint8 image, (Y, X, 3) for wood and (Y, X) for plain; labels and masks, the last on top.

    Raises
    ------
    InputError
        If the field is too small for that many sticks.
    """

    def propose(_: int, __: Sequence[Tube]) -> Tube | None:
        return _stick(params, rng)

    sticks = place(propose, params.count, params.shape, min_visible=1 / 3)
    labels, masks = stacked_truth(sticks, params.shape)
    image = _wood(sticks, params, rng) if params.look == "wood" else _plain(sticks, params, rng)
    return Simulated(drawing.digitise(image, 8), labels, masks)


def _stick(params: Sticks, rng: np.random.Generator) -> Tube | None:
    length = params.length * rng.uniform(0.8, 1.2)
    radius = params.thickness / 2 * rng.uniform(0.85, 1.15)
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    centre = rng.uniform(0.08, 0.92, 2) * params.shape
    steps = np.linspace(-0.5, 0.5, int(2 * length) + 2)[:, None] * max(length - 2 * radius, 1.0)
    return drawing.tube(centre + steps * direction, np.full(len(steps), radius), params.shape, margin=9.0)


def _wood(sticks: Sequence[Tube], params: Sticks, rng: np.random.Generator) -> Floats:
    weave = 0.6 * drawing.smooth_noise(rng, params.shape, 1.2) + 0.8 * drawing.smooth_noise(rng, params.shape, 40.0)
    canvas = TABLE * (1 + 0.06 * weave[..., None])
    for stick in sticks:
        drawing.cast_shadow(canvas, stick, (2.5, 3.0), 1.8, 0.55)
        lit = stick.across / np.maximum(stick.half_width, 1e-6)
        # a round rod under a lamp a little to one side
        shading = 0.62 + 0.42 * np.sqrt(np.clip(1 - (lit - 0.25) ** 2 / 1.6, 0, 1))
        grain = 0.05 * drawing.stripes(rng, stick, params.length, (14.0, 0.7))
        outline = 1 - 0.3 * np.clip(1 + stick.edge / 1.2, 0, 1)
        tone = WOOD * rng.normal(1, [0.02, 0.03, 0.06]) * rng.uniform(0.78, 1.1)
        drawing.paint(canvas, stick.window, tone * (outline * (shading + grain))[..., None], stick.cover)
    return canvas + 2.5 * rng.standard_normal(canvas.shape)


def _plain(sticks: Sequence[Tube], params: Sticks, rng: np.random.Generator) -> Floats:
    canvas = np.full(params.shape, 25.0)
    for stick in sticks:
        outline = np.clip(1.5 + stick.edge, 0, 1)
        drawing.paint(canvas, stick.window, 200 - 130 * outline, stick.cover)
    return canvas + 2.0 * rng.standard_normal(canvas.shape)
