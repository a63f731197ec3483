"""Identical dots on a regular grid: what a convolution cannot tell apart (Novotny et al. 2018, figure 3)."""

from __future__ import annotations

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import tunable
from napari_instseg.data.simulate.scene import Field, Simulated


class Dots(Field):
    """Dots that differ in nothing but their place."""

    spacing: int = tunable(
        32, 4, 512, unit="px", title="Spacing", help="Distance of neighbouring dots' centres, in rows and in columns."
    )
    diameter: int = tunable(16, 4, 256, unit="px", title="Diameter", help="Size of a dot; less than the spacing.")
    noise: float = tunable(
        0.0, 0.0, 60.0, step=1, unit="grey values", title="Noise", help="0 keeps the dots identical to the last bit."
    )


def simulate(params: Dots, rng: np.random.Generator) -> Simulated:
    """Draw as many whole dots as fit, the grid shifted at random.

    Parameters
    ----------
    params : Dots
        Size of the field and of the dots.
    rng : numpy.random.Generator
        Source of the shift and of the noise.

    Returns
    -------
    Simulated
        uint8 image (Y, X); labels row by row.

    Raises
    ------
    InputError
        If the dots would touch, or not one fits into the field.
    """
    size, spacing = params.diameter, params.spacing
    if size >= spacing:
        raise InputError(f"Dots of {size} px at a spacing of {spacing} px would touch; make the spacing larger.")
    if size > min(params.shape):
        raise InputError(
            f"A dot of {size} px does not fit into {params.height} x {params.width} px; enlarge the field."
        )
    # within the shifts that lose no dot
    starts = [int(rng.integers(0, (length - size) % spacing + 1)) for length in params.shape]
    rows, columns = (
        np.arange(start, length - size + 1, spacing) for start, length in zip(starts, params.shape, strict=True)
    )
    centred = np.arange(size) - (size - 1) / 2
    edge = np.hypot(centred[:, None], centred[None, :]) - size / 2
    image = np.zeros(params.shape)
    labels = np.zeros(params.shape, np.int32)
    inside = edge <= 0
    for index, (row, column) in enumerate((row, column) for row in rows for column in columns):
        window = slice(row, row + size), slice(column, column + size)
        image[window] = 220 * np.clip(0.5 - edge, 0, 1)
        labels[window][inside] = index + 1
    image += 20 + params.noise * rng.standard_normal(params.shape)
    return Simulated(np.clip(np.rint(image), 0, 255).astype(np.uint8), labels)
