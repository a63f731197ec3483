"""From annotated images to seeded random batches: a batch is a function of the seed and the step alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array, Target
from napari_instseg.data.augment import Augmentation, augment
from napari_instseg.data.normalize import Normalization, normalize
from napari_instseg.inference.rescale import resize
from napari_instseg.training.annotations import Annotated, Labels, all_unknown
from napari_instseg.training.held_out import find_centres

Crop = tuple[Array, Array, Array | None]
"""Image (C, *patch), labels (*patch) with ids counted from 1, and classes (*patch) where known."""
Site = tuple[int, tuple[float, ...]]
"""Number of an image, and a place in it in pixels."""

JITTER = 0.25
"""How far from the middle of the crop its site may lie, as a part of the side."""


def prepare(one: Annotated, channels: int, normalization: Normalization, scale: float) -> Annotated:
    """Normalise and enlarge an image with its labels, as the network will see it; only what teaches is kept.

    Parameters
    ----------
    one : Annotated
    channels : int
        That the network takes.
    normalization : Normalization
    scale : float
        Factor by which the image is enlarged linearly, and the labels to the nearest pixel.
    """
    image, labels = normalize(match_channels(one.image, channels), normalization), one.learn
    if scale != 1.0:
        shape = tuple(max(round(side * scale), 1) for side in labels.shape)
        centers = [
            np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
            for new, old in zip(shape, labels.shape, strict=True)
        ]
        image, labels = resize(image, shape), labels[np.ix_(*centers)]
    return replace(one, image=image, learn=labels, judge=all_unknown(labels.shape))


def match_channels(image: Array, channels: int) -> Array:
    """Bring an image (C, *S) to as many channels as a network takes, as `Model.predict` does.

    Raises
    ------
    InputError
        If it is not grey, nor a colour image for a network of one channel, and has another number of them.
    """
    if len(image) == channels:
        return image
    if len(image) == 1:
        return np.repeat(image, channels, axis=0)
    if len(image) == 3 and channels == 1:
        return np.asarray(image.mean(axis=0, keepdims=True, dtype=np.float32))
    raise InputError(
        f"One image has {len(image)} channels, another {channels}; expected the same number, or 1. "
        "Save the images with the same channels."
    )


class Crops(Dataset[Crop]):
    """Random augmented crops, numbered: crop n is the same whenever and wherever it is asked for.

    Parameters
    ----------
    images : sequence of Annotated
        As `prepare` gives them.
    patch : tuple of int
        Shape of the crops, in pixels.
    augmentation : Augmentation
    seed : int
    """

    def __init__(self, images: Sequence[Annotated], patch: tuple[int, ...], augmentation: Augmentation, seed: int):
        self.images, self.patch, self.augmentation, self.seed = images, patch, augmentation, seed
        self._classes_known = any(one.class_of is not None for one in images)

    def __getitem__(self, number: int) -> Crop:
        """Return crop `number`."""
        rng = np.random.default_rng((self.seed, 1, number))
        one = self.choose(number, rng)
        image, labels = augment(one.image, one.learn.astype(np.int64), self.augmentation, self.patch, rng)
        return image, count_from_one(labels), self._classes(one, labels)

    @abstractmethod
    def choose(self, number: int, rng: np.random.Generator) -> Annotated:
        """Choose the image, or the part of one, that crop `number` is taken from."""

    def _classes(self, one: Annotated, labels: Array) -> Array | None:
        """Return each pixel's class, -1 where it is not known; None if no image has classes."""
        if not self._classes_known:
            return None
        known = np.zeros(int(labels.max(initial=0)) + 1, np.int64) if one.class_of is None else one.class_of
        of = known[np.maximum(labels, 0)]
        return np.where(labels > 0, np.where(of > 0, of, -1), np.minimum(labels, 0))


class CropsOfAll(Crops):
    """Crops from anywhere in images of which all is known.

    In each round an image is taken as often as its side is a multiple of the smallest image's, so that large images,
    which hold more objects, are not forgotten; images of one size are each taken once before any is taken again.
    """

    def __init__(self, images: Sequence[Annotated], patch: tuple[int, ...], augmentation: Augmentation, seed: int):
        super().__init__(images, patch, augmentation, seed)
        sides = np.array([one.learn.size ** (1 / one.learn.ndim) for one in images])
        self._turns = np.repeat(np.arange(len(images)), np.rint(sides / sides.min()).astype(int))

    def choose(self, number: int, rng: np.random.Generator) -> Annotated:
        """Choose an image."""
        epoch, position = divmod(number, len(self._turns))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(self._turns)
        return self.images[int(order[position])]


class CropsOfKnown(Crops):
    """Crops around what is known, of new and of replayed images in a fixed share of each batch.

    In each round every known object is in the middle of one crop, and so is every cell of known background: a few
    corrected objects in a large image are seen in every batch.

    Parameters
    ----------
    new, old : sequence of Annotated
        `old`, of the model's own training kind, may be empty.
    patch, augmentation, seed
        As in `Crops`.
    batch_size, old_per_batch : int
        The first so many crops of each batch are of old images.
    """

    def __init__(
        self,
        new: Sequence[Annotated],
        old: Sequence[Annotated],
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

    def choose(self, number: int, rng: np.random.Generator) -> Annotated:
        """Choose the surroundings of a site."""
        batch, slot = divmod(number, self.batch_size)
        is_old = slot < self.old_per_batch
        sites, each = (self._old, self.old_per_batch) if is_old else (self._new, self.batch_size - self.old_per_batch)
        turn = batch * each + slot - (0 if is_old else self.old_per_batch)
        epoch, position = divmod(turn, len(sites))
        order = np.random.default_rng((self.seed, 3 + is_old, epoch)).permutation(len(sites))
        which, centre = sites[int(order[position])]
        return self._around(self.images[which], centre, rng)

    def _around(self, one: Annotated, centre: tuple[float, ...], rng: np.random.Generator) -> Annotated:
        """Cut out what a turned and shrunk crop around a place may need."""
        turned = np.sqrt(2) if self.augmentation.rotation else 1.0
        window = []
        for axis, (side, size, at) in enumerate(zip(self.patch, one.learn.shape, centre, strict=True)):
            grown = turned if axis >= len(self.patch) - 2 else 1.0
            wanted = min(int(np.ceil(side * grown * (1 + self.augmentation.scale))), size)
            start = round(at + rng.uniform(-JITTER, JITTER) * side - wanted / 2)
            start = min(max(start, 0), size - wanted)
            window.append(slice(start, start + wanted))
        return replace(one, image=one.image[(slice(None), *window)], learn=one.learn[tuple(window)])


def find_sites(images: Sequence[Annotated], patch: tuple[int, ...]) -> list[Site]:
    """List the centres of known objects, and the middles of cells of half a crop that are mostly known background."""
    sites: list[Site] = []
    for number, one in enumerate(images):
        centres = [at for _, at in find_centres(one.learn)]
        sites += [(number, at) for at in centres]
        cell = [max(side // 2, 1) for side in patch]
        taken = {tuple(int(v // c) for v, c in zip(at, cell, strict=True)) for at in centres}
        sites += [(number, at) for where, at in _empty_cells(one.learn, cell) if where not in taken]
    return sites


def _empty_cells(labels: Labels, cell: list[int]) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    grid = [range(-(-size // side)) for size, side in zip(labels.shape, cell, strict=True)]
    found = []
    for where in np.ndindex(*(len(steps) for steps in grid)):
        part = labels[tuple(slice(i * side, (i + 1) * side) for i, side in zip(where, cell, strict=True))]
        if (part == 0).mean() > 0.5:
            found.append((where, tuple((i + 0.5) * side for i, side in zip(where, cell, strict=True))))
    return found


def count_from_one(labels: Array) -> Array:
    """Renumber the objects 1 to n, keeping 0 (background) and -1 (unknown)."""
    there = np.bincount(np.maximum(labels, 0).ravel()) > 0
    there[0] = False
    return np.where(labels < 0, labels, np.cumsum(there)[np.maximum(labels, 0)])


@dataclass(frozen=True)
class Batch:
    """Images (B, C, *S), float32, and what they should become."""

    images: torch.Tensor
    target: Target

    def to(self, device: str) -> Batch:
        """Move to a device; from pinned memory without waiting."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, which: torch.Tensor) -> Batch:
        """Return some of the images, by a mask (B,)."""
        return self._each(lambda tensor: tensor[which])

    def pin_memory(self) -> Batch:
        """Move into memory that a GPU can fetch from without waiting; `DataLoader` calls it."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        labels, classes = self.target.labels, self.target.classes
        return Batch(change(self.images), Target(change(labels), None if classes is None else change(classes)))


def load_batches(crops: Crops, batch_size: int, steps: range, workers: int, device: str) -> Iterable[Batch]:
    """Make the batches of steps, counted from 1."""
    return DataLoader(
        crops,
        batch_size=batch_size,
        sampler=range((steps.start - 1) * batch_size, (steps.stop - 1) * batch_size),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device == "cuda",
        # else it would draw from everybody's generator
        generator=torch.Generator(),
    )


def _collate(crops: Sequence[Crop]) -> Batch:
    images, labels, classes = zip(*crops, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        Target(torch.from_numpy(np.stack(labels)), None if classes[0] is None else torch.from_numpy(np.stack(classes))),
    )
