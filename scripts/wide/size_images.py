"""Images whose objects' size is known, to judge how it is found: none of them is learnt from, nor held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.data.pairs import Pair
from napari_instseg.inference.rescale import resize
from napari_instseg.training.annotations import typical_diameter

from .crops import Source, WideCrops
from .crowd import Stamp, draw_crowd

STAMP, CROWD_SIDE = 28.0, 448
"""Diameter of the nuclei that crowds are drawn with, and the side of what is drawn, in pixels."""
SMALLEST_SIDE = 120


@dataclass(frozen=True)
class Sized:
    """An image with its labels and the diameter of its typical object, in pixels."""

    kind: str
    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    diameter: float


def crowds(pairs: Sequence[Pair], number: int, seed: int) -> Iterator[Sized]:
    """Draw tissue of nuclei cut out of fluorescence images, 8 to 28 px across."""
    source = Source(pairs, 1.0, fluorescent=True)
    stamps: list[Stamp] = WideCrops({"nuclei": source}, STAMP, CROWD_SIDE, 0.5, seed).stamps
    for index in range(number):
        rng = np.random.default_rng((seed, index))
        image, labels = draw_crowd(stamps, CROWD_SIDE, float(rng.uniform(0.7, 1.0)), rng)
        yield shrunk("crowd", image, labels.astype(np.int32), float(rng.uniform(0.4, 1.0)))


def shrunk(kind: str, channels: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], factor: float) -> Sized:
    """Return channels (C, Y, X) and labels at `factor` times their size, channels last."""
    shape = tuple(round(side * factor) for side in labels.shape)
    image = resize(channels.astype(np.float32), shape)
    places = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    ]
    small = np.ascontiguousarray(labels[np.ix_(*places)])
    picture = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    return Sized(kind, np.ascontiguousarray(picture), small, typical_diameter([small]))


def real(groups: Mapping[str, Sequence[Pair]], factors: Sequence[float]) -> Iterator[Sized]:
    """Return annotated images at several sizes, where enough of them is left."""
    for name, pairs in groups.items():
        for pair in pairs:
            example = pair.read()
            image = example.image[..., :3] if example.image.ndim == 3 else example.image
            channels = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
            for factor in factors:
                if factor == 1 or min(example.labels.shape) * factor >= SMALLEST_SIDE:
                    yield shrunk(name, channels, example.labels.astype(np.int32), factor)
