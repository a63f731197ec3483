"""From pairs of images and labels to seeded random batches: a batch is a function of the seed and the step alone."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Message, Progress
from napari_instseg.core.method import Array, Target
from napari_instseg.data.augment import Augmentation, augment
from napari_instseg.data.axes import to_channels
from napari_instseg.data.normalize import Normalization, normalize
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.inference.rescale import resize
from napari_instseg.io.labels import doubt_masks

SPATIAL = {2: "YX", 3: "ZYX"}


@dataclass(frozen=True)
class Sample:
    """One image to learn from.

    Parameters
    ----------
    image : array (C, *S), float32
        Normalised.
    labels : array (*S), int64
        0 background, positive object ids, -1 unknown.
    class_of : array (largest id + 1,), int64, optional
        Class of each object by its id, from 1; 0 for ids that are not there.
    """

    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    class_of: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class DataSet:
    """What was found in the training images."""

    samples: tuple[Sample, ...]
    ndim: int
    channels: int
    classes: int
    """Number of classes; 0 where objects have none."""
    diameter: float
    """Typical object diameter in the images as they were, in pixels."""
    scale: float
    """Factor by which the samples were enlarged."""
    digest: str
    """Of images and labels as they were read."""


def read_samples(
    pairs: Sequence[Pair], normalization: Normalization, dimensions: str = "auto", diameter: float = 0.0
) -> Generator[Event, None, DataSet]:
    """Read all pairs into memory, normalised and brought to one object size.

    Parameters
    ----------
    pairs : sequence of Pair
    normalization : Normalization
    dimensions : {"auto", "2", "3"}
        Learn from slices or from volumes; ``"auto"`` takes volumes if any image has a Z axis.
    diameter : float
        Typical object diameter that the images are rescaled to, in pixels; 0 leaves them.

    Yields
    ------
    Progress, Message

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If there are no pairs or no objects, the numbers of channels cannot be made one, or a file cannot be read.
    """
    examples = []
    for done, pair in enumerate(pairs):
        yield Progress(done, len(pairs), "images")
        examples.append(pair.read())
    yield Progress(len(pairs), len(pairs), "images")
    if not examples:
        raise InputError("There are no images to learn from; expected at least one image with its labels.")
    doubt = doubt_masks({pair.name: example.labels for pair, example in zip(pairs, examples, strict=True)})
    if doubt:
        yield Message(doubt, warning=True)
    ndim = 3 if dimensions == "3" or (dimensions == "auto" and any("Z" in example.axes for example in examples)) else 2
    raw = [sample for example in examples for sample in _as_samples(example, ndim)]
    channels = max(len(sample.image) for sample in raw)
    measured = typical_diameter(sample.labels for sample in raw)
    scale = diameter / measured if diameter else 1.0
    samples = tuple(
        rescaled(Sample(normalize(match_channels(s.image, channels), normalization), s.labels, s.class_of), scale)
        for s in raw
    )
    classes = max((int(s.class_of.max()) for s in samples if s.class_of is not None), default=0)
    return DataSet(samples, ndim, channels, classes, measured, scale, _digest(examples))


def _digest(examples: Iterable[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        for array in (example.image, example.labels, *([] if example.classes is None else [example.classes])):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def typical_diameter(labels: Iterable[Array]) -> float:
    """Give the median diameter of objects, each taken for a disk or ball of its area or volume, in pixels.

    Parameters
    ----------
    labels : iterable of int arrays, all (Y, X) or all (Z, Y, X)
        0 background and negative unknown are no objects.

    Raises
    ------
    InputError
        If there is no object at all.
    """
    diameters = []
    for image in labels:
        sizes = np.unique(image[image > 0], return_counts=True)[1]
        diameters.append(2 * np.sqrt(sizes / np.pi) if image.ndim == 2 else np.cbrt(6 * sizes / np.pi))
    joined = np.concatenate(diameters) if diameters else np.empty(0)
    if not joined.size:
        raise InputError("No label image has any object; expected ids from 1. Check that the labels were saved.")
    return float(np.median(joined))


def match_channels(image: Array, channels: int) -> Array:
    """Repeat a grey image (1, *S) to as many channels as the others have.

    Raises
    ------
    InputError
        If the image has several channels, but not as many.
    """
    if len(image) == channels:
        return image
    if len(image) == 1:
        return np.repeat(image, channels, axis=0)
    raise InputError(
        f"One image has {len(image)} channels, another {channels}; expected the same number, or 1. "
        "Save the images with the same channels."
    )


def _as_samples(example: Example, ndim: int) -> list[Sample]:
    """Split a stack of independent images into samples, not yet normalised."""
    image, _ = to_channels(example.image, example.axes, SPATIAL[ndim])
    grid = image.shape[-ndim:]
    images = image.reshape(-1, *image.shape[-ndim - 1 :])
    labels = example.labels.reshape(-1, *grid)
    classes = [None] * len(images) if example.classes is None else example.classes.reshape(-1, *grid)
    return [
        Sample(image, stack_labels.astype(np.int64), None if of is None else find_classes(stack_labels, of))
        for image, stack_labels, of in zip(images, labels, classes, strict=True)
    ]


def find_classes(labels: Array, classes: Array) -> npt.NDArray[np.int64]:
    """Look up the class of each id: the one that most of its pixels have."""
    table = np.zeros(max(int(labels.max()), 0) + 1, np.int64)
    inside = labels > 0
    pairs, counts = np.unique(np.stack([labels[inside], classes[inside]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    table[pairs[0, order]] = pairs[1, order]
    return table


def rescaled(sample: Sample, scale: float) -> Sample:
    """Enlarge a sample by a factor: the image linearly, the labels to the nearest pixel."""
    if scale == 1.0:
        return sample
    shape = tuple(max(round(side * scale), 1) for side in sample.labels.shape)
    centers = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(shape, sample.labels.shape, strict=True)
    ]
    return Sample(resize(sample.image, shape), sample.labels[np.ix_(*centers)], sample.class_of)


@dataclass(frozen=True)
class Batch:
    """Images (B, C, *S), float32, and what they should become."""

    images: torch.Tensor
    target: Target

    def to(self, device: str) -> Batch:
        """Move to a device; from pinned memory without waiting."""
        classes = self.target.classes
        return Batch(
            self.images.to(device, non_blocking=True),
            Target(
                self.target.labels.to(device, non_blocking=True),
                None if classes is None else classes.to(device, non_blocking=True),
            ),
        )

    def __getitem__(self, which: torch.Tensor) -> Batch:
        """Give some of the images, by a mask (B,)."""
        classes = self.target.classes
        return Batch(self.images[which], Target(self.target.labels[which], None if classes is None else classes[which]))

    def pin_memory(self) -> Batch:
        """Move into memory that a GPU can fetch from without waiting; `DataLoader` calls it."""
        classes = self.target.classes
        return Batch(
            self.images.pin_memory(),
            Target(self.target.labels.pin_memory(), None if classes is None else classes.pin_memory()),
        )


class Crops(Dataset[tuple[Array, Array, Array | None]]):
    """Random augmented crops, numbered: crop n is the same whenever and wherever it is asked for.

    In each round an image is taken as often as its side is a multiple of the smallest image's, so that large images,
    which hold more objects, are not forgotten; images of one size are each taken once before any is taken again.
    """

    def __init__(self, samples: Sequence[Sample], patch: tuple[int, ...], augmentation: Augmentation, seed: int):
        self.samples, self.patch, self.augmentation, self.seed = samples, patch, augmentation, seed
        sides = np.array([sample.labels.size ** (1 / sample.labels.ndim) for sample in samples])
        self.turns = np.repeat(np.arange(len(samples)), np.rint(sides / sides.min()).astype(int))

    def __getitem__(self, number: int) -> tuple[Array, Array, Array | None]:
        """Give crop (C, *patch), labels (*patch) with ids counted from 1, and classes (*patch) where known."""
        epoch, position = divmod(number, len(self.turns))
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(self.turns)
        sample = self.samples[order[position]]
        rng = np.random.default_rng((self.seed, 1, number))
        image, labels = augment(sample.image, sample.labels, self.augmentation, self.patch, rng)
        return image, count_from_one(labels), self._classes(sample, labels)

    def _classes(self, sample: Sample, labels: Array) -> Array | None:
        """Give each pixel's class, -1 where it is not known; None if no sample has classes."""
        if all(other.class_of is None for other in self.samples):
            return None
        known = np.zeros(int(labels.max(initial=0)) + 1, np.int64) if sample.class_of is None else sample.class_of
        of = known[np.maximum(labels, 0)]
        return np.where(labels > 0, np.where(of > 0, of, -1), np.minimum(labels, 0))


def load_batches(crops: Crops, batch_size: int, first: int, last: int, workers: int, device: str) -> Iterable[Batch]:
    """Make the batches of the steps `first` to `last`, both included, counted from 1."""
    return DataLoader(
        crops,
        batch_size=batch_size,
        sampler=range((first - 1) * batch_size, last * batch_size),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device == "cuda",
        # else it would draw from everybody's generator
        generator=torch.Generator(),
    )


def _collate(crops: Sequence[tuple[Array, Array, Array | None]]) -> Batch:
    images, labels, classes = zip(*crops, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        Target(torch.from_numpy(np.stack(labels)), None if classes[0] is None else torch.from_numpy(np.stack(classes))),
    )


def count_from_one(labels: Array) -> Array:
    """Renumber the objects 1 to n, keeping 0 (background) and -1 (unknown)."""
    there = np.bincount(np.maximum(labels, 0).ravel()) > 0
    there[0] = False
    return np.where(labels < 0, labels, np.cumsum(there)[np.maximum(labels, 0)])
