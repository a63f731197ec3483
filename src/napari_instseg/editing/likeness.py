"""How alike pixels are to those under a click, from what the network said: an embedding or colour probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import Box, Mask, Point

Outputs = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clues:
    """What tells objects apart in one image.

    Parameters
    ----------
    features : float array (D, Y, X) or (D, Z, Y, X)
        Embedding, or probabilities of the colours without the background's.
    foreground : float array (Y, X) or (Z, Y, X), optional
        Probability of lying in any object.
    scale : float
        Unit of distances between features, beside one of which between pixels.
    spread : float
        Distance from an object's mean, in `scale`, at which a pixel is half like the object.
    """

    features: npt.NDArray[Any]
    foreground: npt.NDArray[Any] | None
    scale: float
    spread: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """The image grid."""
        return tuple(self.features.shape[1:])

    def mean(self, box: Box, inside: Mask) -> Floats:
        """Average the features of some pixels of a box."""
        average: Floats = self.features[(slice(None), *box)][:, inside].mean(axis=1, dtype=np.float32)
        return average

    def around(self, point: Point, reach: int = 1) -> Floats:
        """Average the features of the pixels at most `reach` from a point."""
        box = tuple(
            slice(max(place - reach, 0), min(place + reach + 1, length))
            for place, length in zip(point, self.shape, strict=True)
        )
        return self.mean(box, np.ones(tuple(part.stop - part.start for part in box), bool))

    def squared_distance(self, box: Box, features: Floats) -> Floats:
        """Return the squared distance of each pixel of a box to some features, in units of the scale."""
        apart = self.features[(slice(None), *box)].astype(np.float32, copy=False) - features.reshape(
            -1, *(1,) * len(box)
        )
        squared: Floats = np.einsum("i...,i...->...", apart, apart) / np.float32(self.scale**2)
        return squared

    def in_foreground(self, box: Box) -> Floats:
        """Return the foreground's probability in a box, 1 where the network says nothing of it."""
        if self.foreground is None:
            return np.ones(tuple(part.stop - part.start for part in box), np.float32)
        return self.foreground[box].astype(np.float32, copy=False)


SCALE_OF_BANDWIDTH = 0.5
"""Unit of distances in an embedding, as a share of the bandwidth that it is decoded with."""
SPREAD = 3.5
"""Of objects in an embedding: trained networks leave about half the bandwidth between an object's pixels and its mean,
its ends beyond that, and neighbours twice the spread away; chosen on clicks into the held-out nuclei."""
BANDWIDTH = 1.0
"""Of an embedding whose decoder has none."""
COLOR_SCALE = 0.5
"""Distance between colour probabilities at which these are half alike; other colours are up to 1.4 apart."""


def clues_in(outputs: Outputs, bandwidth: float | None = None) -> Clues:
    """Take from a prediction what tells objects apart.

    Parameters
    ----------
    outputs : mapping of str to array
        Of any method: an ``embedding`` with or without ``foreground``, or ``colors``, the first background.
    bandwidth : float, optional
        That an embedding is decoded with.

    Raises
    ------
    InputError
        If there is neither.
    """
    if outputs.get("embedding") is not None:
        scale = SCALE_OF_BANDWIDTH * (bandwidth or BANDWIDTH)
        return Clues(outputs["embedding"], outputs.get("foreground"), scale, SPREAD)
    if outputs.get("colors") is not None:
        colors = outputs["colors"]
        return Clues(colors[1:], 1 - colors[0], COLOR_SCALE)
    raise InputError(
        f"This edit needs an embedding or colours; the model gives {', '.join(sorted(outputs)) or 'nothing'}. "
        "Use the brush, or draw an outline."
    )
