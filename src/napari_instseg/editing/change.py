"""What an edit does to a label image: new labels in a box of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError

Labels = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, ...]
Point = tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """New labels in a box of a label image (Y, X) or (Z, Y, X); all else stays.

    Parameters
    ----------
    box : tuple of slice
        Where, in pixels.
    labels : int32 array
        The new labels of the box.
    objects : tuple of int
        Ids of the objects that the user shaped by it.
    words : str
        What there is to know about it; empty if nothing is special.
    """

    box: Box
    labels: Labels
    objects: tuple[int, ...] = ()
    words: str = ""

    def apply(self, labels: Labels) -> Labels:
        """Return a changed copy of the label image."""
        changed = labels.copy()
        changed[self.box] = self.labels
        return changed


def box_of(mask: Mask, margin: int = 0) -> Box:
    """Return the smallest box around all true pixels, wider by `margin` pixels where the image goes on.

    Raises
    ------
    InputError
        If no pixel is true.
    """
    box = []
    for axis, length in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        along = np.flatnonzero(mask.any(axis=others))
        if not along.size:
            raise InputError("There is no object there. Choose a pixel of an object.")
        box.append(slice(max(int(along[0]) - margin, 0), min(int(along[-1]) + 1 + margin, length)))
    return tuple(box)


def object_box(labels: Labels, label: int, margin: int = 0) -> Box:
    """Return the smallest box around an object, wider by `margin` pixels where the image goes on.

    Raises
    ------
    InputError
        If there is no such object.
    """
    if label <= 0:
        raise InputError("There is no object there, only background. Choose a pixel of an object.")
    return box_of(labels == label, margin)


def check_point(point: Sequence[float], shape: tuple[int, ...]) -> Point:
    """Return a pixel's position as whole numbers.

    Raises
    ------
    InputError
        If it lies outside the image.
    """
    place = tuple(round(float(value)) for value in point)
    if len(place) != len(shape):
        raise InputError(f"A position in an image of shape {shape} has {len(shape)} numbers; got {len(place)}.")
    if any(not 0 <= value < length for value, length in zip(place, shape, strict=True)):
        raise InputError(f"The position {place} is outside the image, whose shape is {shape}. Nothing was changed.")
    return place
