"""Crops of many sources: each image brought to one size of objects, then varied in size, place and light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch.utils.data import Dataset

from napari_instseg.data.normalize import Normalization
from napari_instseg.data.pairs import Pair
from napari_instseg.training.annotations import Annotated, all_unknown, typical_diameter
from napari_instseg.training.crops import count_from_one, prepare

from . import light
from .crowd import Stamp, cut_stamps, draw_crowd

LARGEST = 2.0
"""Images are kept with objects of at most so many target diameters."""
USUAL, WIDE = 0.25, (0.4, 2.5)
"""Sizes of objects about the target: mostly log-normal, a quarter of the crops all over a range."""
CROWD = "crowd"
STAMPS_PER_IMAGE = 40


@dataclass(frozen=True)
class Source:
    """Images of one kind.

    Parameters
    ----------
    pairs : sequence of Pair
    share : float
        Of the crops.
    fluorescent : bool
        Nuclei may be cut out of them, and brightness varied object by object.
    invert : float
        Chance that dark and bright are swapped.
    """

    pairs: Sequence[Pair]
    share: float
    fluorescent: bool = False
    invert: float = 0.03


@dataclass(frozen=True)
class Kept:
    """An image ready to be cut, its objects' diameter in its pixels, and its source."""

    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    diameter: float
    source: Source


class WideCrops(Dataset[tuple[Any, Any, None]]):
    """Random crops, numbered: crop n is the same whenever it is asked for.

    Parameters
    ----------
    sources : mapping of str to Source
    target : float
        Diameter of typical objects in the crops, in pixels.
    side : int
        Of the crops, in pixels.
    crowd : float
        Share of the crops that show simulated tissue.
    seed : int
    """

    def __init__(self, sources: Mapping[str, Source], target: float, side: int, crowd: float, seed: int) -> None:
        self.target, self.side, self.seed = target, side, seed
        self.kept: dict[str, list[Kept]] = {}
        self.stamps: list[Stamp] = []
        for name, source in sources.items():
            self.kept[name] = [kept for pair in source.pairs if (kept := self._keep(pair, source)) is not None]
            if source.fluorescent and crowd:
                for kept in self.kept[name]:
                    self.stamps += cut_stamps(kept.image, kept.labels, kept.diameter, target, STAMPS_PER_IMAGE)
        self.names = [*sources, CROWD]
        shares = np.array([*(source.share for source in sources.values()), crowd])
        self.shares = shares / shares.sum()
        self.weights = {
            name: np.sqrt([one.labels.size / one.diameter**2 for one in all_kept])
            for name, all_kept in self.kept.items()
        }

    def _keep(self, pair: Pair, source: Source) -> Kept | None:
        example = pair.read()
        image = example.image[..., :3] if example.image.ndim == 3 else example.image
        channels = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
        if not (example.labels > 0).any():
            return None
        # one common object size has to be known: of large objects, since crumbs at the border are many
        diameter = typical_diameter([example.labels])
        scale = min(1.0, LARGEST * self.target / diameter)
        if len(channels) == 3 and (np.ptp(channels, axis=0) == 0).all():
            channels = channels[:1]
        known = example.labels.astype(np.int32)
        one = Annotated(pair.name, channels, known, all_unknown(known.shape))
        ready = prepare(one, len(channels), Normalization(), scale)
        return Kept(ready.image, count_from_one(ready.learn).astype(np.int32), diameter * scale, source)

    def __getitem__(self, number: int) -> tuple[Any, Any, None]:
        """Give crop (3, side, side) and labels (side, side), -1 beyond the image's border."""
        rng = np.random.default_rng((self.seed, number))
        name = self.names[rng.choice(len(self.names), p=self.shares)]
        zoom = float(np.exp(rng.normal(0, USUAL)))
        if rng.random() < 0.25:
            zoom = float(np.exp(rng.uniform(*np.log(WIDE))))
        if name == CROWD:
            image, labels = draw_crowd(self.stamps, self.side, min(zoom, 1.6), rng)
            return light.vary_color(light.vary_light(image, rng, 0.03), rng), count_from_one(labels), None
        weights = self.weights[name]
        kept = self.kept[name][rng.choice(len(weights), p=weights / weights.sum())]
        image, labels = self._cut(kept, zoom, rng)
        if kept.source.fluorescent and rng.random() < 0.3:
            image = light.vary_objects(image, labels, rng)
        if len(image) == 3 and rng.random() < 0.5:
            image = light.vary_stain(image, rng)
        image = light.vary_light(image, rng, kept.source.invert)
        return light.vary_color(image, rng).astype(np.float32), count_from_one(labels), None

    def _cut(self, kept: Kept, zoom: float, rng: np.random.Generator) -> tuple[Any, Any]:
        """Turn, stretch and mirror, and look each pixel up once."""
        factor = kept.diameter / (self.target * zoom)
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else rng.integers(4) * np.pi / 2
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = factor * turn * np.exp(rng.normal(0, 0.08, 2)) * rng.choice((-1, 1), 2)
        height, width = kept.labels.shape
        reach = self.side * factor / 2
        middle = [
            rng.uniform(min(reach, size / 2), max(size - reach, size / 2)) if size > 0 else 0.0
            for size in (height, width)
        ]
        if rng.random() < 0.7:  # where there is something to see
            inside = kept.labels[::4, ::4] > 0
            spots = np.argwhere(inside)
            if len(spots):
                spot = 4 * spots[rng.integers(len(spots))] + rng.uniform(-0.3, 0.3, 2) * self.side * factor
                middle = [
                    float(np.clip(at, min(reach, size / 2), max(size - reach, size / 2)))
                    for at, size in zip(spot, (height, width), strict=True)
                ]
        low = [max(int(at - 1.5 * reach) - 2, 0) for at in middle]
        high = [min(int(at + 1.5 * reach) + 3, size) for at, size in zip(middle, (height, width), strict=True)]
        window = (slice(low[0], high[0]), slice(low[1], high[1]))
        image, labels = kept.image[(slice(None), *window)], kept.labels[window]
        if factor > 1.2:
            image = ndimage.gaussian_filter(image, (0, 0.35 * factor, 0.35 * factor))
        offset = np.array(middle) - low - matrix @ np.full(2, (self.side - 1) / 2)
        shape = (self.side, self.side)
        moved = [ndimage.affine_transform(channel, matrix, offset, shape, order=1, mode="mirror") for channel in image]
        found = ndimage.affine_transform(labels, matrix, offset, shape, order=0, mode="constant", cval=-1)
        return np.stack(moved), found.astype(np.int64)
