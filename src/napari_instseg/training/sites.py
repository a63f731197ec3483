"""Crops around what is known: a few corrected objects in a large image are seen in every batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.data.augment import Augmentation, augment
from napari_instseg.training.material import Labels, find_centres
from napari_instseg.training.samples import Crops, Sample, count_from_one

Site = tuple[int, tuple[float, ...]]
"""Number of a sample, and a place in it in pixels."""

JITTER = 0.25
"""How far from the middle of the crop its site may lie, as a part of the side."""


class SiteCrops(Crops):
    """Random augmented crops of new and of old samples, numbered like `Crops`, in a fixed share of each batch.

    In each round every known object is in the middle of one crop, and so is every cell of known background.

    Parameters
    ----------
    new, old : sequence of Sample
        `old` may be empty.
    patch : tuple of int
        Shape of the crops, in pixels.
    augmentation : Augmentation
    seed : int
    batch_size, old_per_batch : int
        The first so many crops of each batch are of old samples.
    """

    def __init__(
        self,
        new: Sequence[Sample],
        old: Sequence[Sample],
        patch: tuple[int, ...],
        augmentation: Augmentation,
        seed: int,
        *,
        batch_size: int,
        old_per_batch: int,
    ) -> None:
        super().__init__([*old, *new], patch, augmentation, seed)
        self.batch_size, self.old_per_batch = batch_size, old_per_batch
        self._old = find_sites(old, patch)
        self._new = [(number + len(old), at) for number, at in find_sites(new, patch)]

    def __getitem__(self, number: int) -> tuple[Array, Array, Array | None]:
        """Give crop (C, *patch), labels (*patch) with ids counted from 1, and classes (*patch) where known."""
        batch, slot = divmod(number, self.batch_size)
        is_old = slot < self.old_per_batch
        sites, each = (self._old, self.old_per_batch) if is_old else (self._new, self.batch_size - self.old_per_batch)
        turn = batch * each + slot - (0 if is_old else self.old_per_batch)
        epoch, position = divmod(turn, len(sites))
        order = np.random.default_rng((self.seed, 3 + is_old, epoch)).permutation(len(sites))
        which, centre = sites[order[position]]
        rng = np.random.default_rng((self.seed, 1, number))
        sample = self._around(self.samples[which], centre, rng)
        image, labels = augment(sample.image, sample.labels, self.augmentation, self.patch, rng)
        return image, count_from_one(labels), self._classes(sample, labels)

    def _around(self, sample: Sample, centre: tuple[float, ...], rng: np.random.Generator) -> Sample:
        """Cut out what a turned and shrunk crop around a place may need."""
        turned = np.sqrt(2) if self.augmentation.rotation else 1.0
        window = []
        for axis, (side, size, at) in enumerate(zip(self.patch, sample.labels.shape, centre, strict=True)):
            grown = turned if axis >= len(self.patch) - 2 else 1.0
            wanted = min(int(np.ceil(side * grown * (1 + self.augmentation.scale))), size)
            start = round(at + rng.uniform(-JITTER, JITTER) * side - wanted / 2)
            start = min(max(start, 0), size - wanted)
            window.append(slice(start, start + wanted))
        return Sample(sample.image[(slice(None), *window)], sample.labels[tuple(window)], sample.class_of)


def find_sites(samples: Sequence[Sample], patch: tuple[int, ...]) -> list[Site]:
    """List the centres of known objects, and the middles of cells of half a crop that are mostly known background."""
    sites: list[Site] = []
    for number, sample in enumerate(samples):
        centres = [at for _, at in find_centres(sample.labels.astype(np.int32))]
        sites += [(number, at) for at in centres]
        cell = [max(side // 2, 1) for side in patch]
        taken = {tuple(int(v // c) for v, c in zip(at, cell, strict=True)) for at in centres}
        sites += [(number, at) for where, at in _empty_cells(sample.labels, cell) if where not in taken]
    return sites


def _empty_cells(labels: Labels | Array, cell: list[int]) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    grid = [range(-(-size // side)) for size, side in zip(labels.shape, cell, strict=True)]
    found = []
    for where in np.ndindex(*(len(steps) for steps in grid)):
        part = labels[tuple(slice(i * side, (i + 1) * side) for i, side in zip(where, cell, strict=True))]
        if (part == 0).mean() > 0.5:
            found.append((where, tuple((i + 0.5) * side for i, side in zip(where, cell, strict=True))))
    return found
