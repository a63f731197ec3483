"""Rod bacteria in crowded micro-colonies, dividing in the middle, as seen in bright field or phase contrast."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import choice, tunable
from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.colony import Rods, grow
from napari_instseg.data.simulate.drawing import Tube
from napari_instseg.data.simulate.scene import Field, Floats, Simulated, flat_truth, nearest_outline

SEPTATION = 0.72
"""Age, 0 at birth and 1 at division, from which a waist can be seen."""
GROWING, SEPTATING = 1, 2
"""Classes."""


class Bacteria(Field):
    """Colonies of rods, each grown from a single cell."""

    count: int = tunable(
        150, 1, 3000, title="Cells", help="Cells in all colonies; what is pushed out of the field is not seen."
    )
    colonies: int = tunable(4, 1, 200, title="Colonies", help="1 gives one crowd; as many as cells gives single cells.")
    thickness: float = tunable(9.0, 4.0, 60.0, unit="px", title="Thickness", help="Mean width of a cell.")
    elongation: float = tunable(
        4.4, 2.2, 12.0, step=0.1, unit="widths", title="Length at division", help="A newborn cell is half as long."
    )
    look: Literal["bright-field", "phase-contrast"] = choice(
        "bright-field",
        title="Look",
        help="Bright field: dark cells with a narrow bright rim. Phase contrast: broad halo on grey.",
    )


def simulate(params: Bacteria, rng: np.random.Generator) -> Simulated:
    """Grow colonies and take their picture.

    Parameters
    ----------
    params : Bacteria
        Number and size of the cells, number of colonies, look.
    rng : numpy.random.Generator
        Source of everything random.

    Returns
    -------
    Simulated
        uint16 image (Y, X), labels, and classes: 1 growing, 2 septating. Two cells are two objects from division on.

    Raises
    ------
    InputError
        If there are more colonies than cells.
    """
    if params.colonies > params.count:
        raise InputError(f"{params.colonies} colonies need at least as many cells; found {params.count} cells.")
    rods = grow(_starts(params, rng), params.count, params.thickness, params.thickness * params.elongation, rng)
    cells = [_cell(rods, index, params, rng) for index in range(len(rods.length))]
    seen = [(index, cell) for index, cell in enumerate(cells) if cell is not None]
    windows, edges = [cell.window for _, cell in seen], [cell.edge for _, cell in seen]
    owner, distance = nearest_outline(windows, edges, params.shape)
    labels, kept = flat_truth(owner, distance, len(seen))
    if not len(kept):
        raise InputError("All cells were pushed out of the field; ask for fewer cells or a larger field.")
    absorbed = _absorption([seen[index][1] for index in kept], labels, params, rng)
    ages = rods.age[[seen[index][0] for index in kept]]
    classes = np.where(ages > SEPTATION, SEPTATING, GROWING).astype(np.int32)
    return Simulated(_picture(absorbed, params, rng), labels, classes=classes)


def _starts(params: Bacteria, rng: np.random.Generator) -> Floats:
    """Return the colonies' first places, far from each other: each the best of several tries."""
    size = np.array(params.shape, np.float64)
    middle = (0.45, 0.55) if params.colonies == 1 else (0.08, 0.92)
    chosen = [rng.uniform(*middle, 2) * size]
    while len(chosen) < params.colonies:
        tries = rng.uniform(0.08, 0.92, (12, 2)) * size
        nearest = np.linalg.norm(tries[:, None] - np.array(chosen)[None], axis=2).min(1)
        chosen.append(tries[int(np.argmax(nearest))])
    return np.array(chosen)


def _cell(rods: Rods, index: int, params: Bacteria, rng: np.random.Generator) -> Tube | None:
    radius = params.thickness / 2 * rng.uniform(0.96, 1.06)
    reach = max(rods.length[index] - 2 * radius, 0.5)
    points = np.linspace(-0.5, 0.5, int(2 * reach) + 3)
    bow = rng.normal(0, 0.35) * (1 - 4 * points**2) * reach / params.thickness
    axis = rods.axis[index]
    centreline = rods.centre[index] + points[:, None] * reach * axis + bow[:, None] * axis[::-1] * [1, -1]
    pinch = np.clip((rods.age[index] - SEPTATION) / (1 - SEPTATION), 0, 1)
    waist = 1 - (0.15 * (pinch > 0) + 0.45 * pinch) * np.exp(-((points * reach / (0.28 * params.thickness)) ** 2))
    return drawing.tube(centreline, radius * waist, params.shape, margin=2.0)


def _absorption(cells: list[Tube], labels: np.ndarray, params: Bacteria, rng: np.random.Generator) -> Floats:
    """Return how much light each pixel takes, 1 for a typical cell."""
    absorbed = np.zeros(params.shape)
    for index, cell in enumerate(cells):
        own = labels[cell.window] == index + 1
        # poles are dense, the nucleoid between them is lighter, the septum lighter still
        from_pole = np.minimum(cell.along, 1 - cell.along)
        density = rng.uniform(0.85, 1.05) * (1 - rng.uniform(0.03, 0.2) * np.clip(from_pole / 0.3, 0, 1))
        ridge = rng.uniform(0.0, 0.22) * np.exp(-((cell.across / (0.16 * params.thickness)) ** 2))
        # cells touch with their walls; a film of medium stays between their bodies
        body = np.clip(0.1 - cell.edge, 0, 1)
        absorbed[cell.window] = np.where(own, np.maximum(density - ridge, 0.2) * body, absorbed[cell.window])
    return absorbed


def _picture(absorbed: Floats, params: Bacteria, rng: np.random.Generator) -> np.ndarray:
    width = params.thickness
    near = ndimage.gaussian_filter(absorbed, 0.13 * width)
    if params.look == "bright-field":
        rim, broad = 0.6, ndimage.gaussian_filter(absorbed, 0.34 * width)
        background, depth = 9000.0, 6600.0
    else:
        rim, broad = 0.9, ndimage.gaussian_filter(absorbed, 0.95 * width)
        background, depth = 5200.0, 3300.0
    shade = (1 + rim) * near - rim * broad
    field = 1 + 0.03 * drawing.smooth_noise(rng, params.shape, min(params.shape) / 3)
    field += 0.012 * drawing.smooth_noise(rng, params.shape, 1.6)
    picture = np.maximum(background * field - depth * shade, 120.0)
    return drawing.digitise(100 + drawing.photon_noise(rng, picture, 40.0), 16)
