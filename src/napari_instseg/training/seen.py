"""Examples as the network will see them: normalised, rescaled, in as many channels as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_instseg.data.normalize import normalize
from napari_instseg.inference.model import Model
from napari_instseg.inference.rescale import rescale_factor
from napari_instseg.training.material import Plane
from napari_instseg.training.samples import Sample, find_classes, match_channels, rescaled

NEAR = 4
"""Pixels from an object: known background that is nearer may be no more than a ring around what was accepted."""


def enlargement(model: Model, planes: Sequence[Plane]) -> float:
    """Give the factor by which the examples are enlarged, the middle one of all."""
    factors = [rescale_factor(model.spec, plane.diameter) for plane in planes]
    return float(np.median(factors))


def as_seen(model: Model, planes: Sequence[Plane]) -> list[Sample]:
    """Normalise and rescale as prediction will."""
    found = []
    for plane in planes:
        image = normalize(_channels(plane, model.spec.in_channels), model.normalization)
        kinds = None if plane.classes is None else find_classes(plane.learn, plane.classes)
        sample = Sample(image, plane.learn.astype(np.int64), kinds)
        found.append(rescaled(sample, rescale_factor(model.spec, plane.diameter)))
    return found


def _channels(plane: Plane, wanted: int) -> Any:
    """Bring an image to as many channels as the model takes, as `Model.predict` does."""
    if len(plane.image) == 3 and wanted == 1:
        return plane.image.mean(axis=0, keepdims=True, dtype=np.float32)
    return match_channels(plane.image, wanted)


def background_is_known(samples: Sequence[Sample]) -> bool:
    """Tell whether more background is known than rings around objects."""
    from scipy import ndimage

    objects = [sample.labels > 0 for sample in samples]
    near = [ndimage.binary_dilation(inside, np.ones((3,) * inside.ndim), iterations=NEAR) for inside in objects]
    far = sum(int(((s.labels == 0) & ~close).sum()) for s, close in zip(samples, near, strict=True))
    return far > 0.5 * sum(int(inside.sum()) for inside in objects)
