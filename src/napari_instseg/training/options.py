"""The options of a fine-tuning that nobody set: learning rate, frozen parts, augmentation, crop size, replay."""

from __future__ import annotations

from dataclasses import dataclass

from napari_instseg.data.augment import Augmentation
from napari_instseg.training.finetune_params import FinetuneParams

FEW, MANY = 10, 100
"""Objects."""
KNOWN_KIND = 0.4
"""AP at IoU 0.5 from which on the old model is taken to know the kind of image."""

CAREFUL, BOLD = 3e-4, 1e-3
"""Learning rates for a kind of image that the model knows, and for another."""

PATCH, SMALLEST_PATCH, LARGEST_PATCH = 5, 96, 192
"""Side of a crop in diameters, and its limits in pixels: around corrected objects little else is known, so that of a
larger crop most would teach nothing."""

LARGER = 1.4
"""Objects of an unknown kind are seen so many times larger: their outlines have still to be learnt."""

GAP = 8
"""Reach of a gap between objects: so many of it are a diameter."""

ALONE = 3.0
"""Weight of the old model's word where nothing else says what is background."""
KEEP = 15.0
"""Weight of the old model's word on images of the old kind."""

AUGMENTATIONS = {
    "none": Augmentation(
        flip=False, rotation=0.0, scale=0.0, shear=0.0, elastic=0.0, intensity=0.0, noise=0.0, blur=0.0
    ),
    "gentle": Augmentation(rotation=0.0, scale=0.0, shear=0.0, elastic=0.0, intensity=0.1, noise=0.0, blur=0.0),
    "strong": Augmentation(scale=0.2, shear=0.05, elastic=0.1, noise=0.05),
}


@dataclass(frozen=True)
class Options:
    """What a fine-tuning does, all options set."""

    learning_rate: float
    loss: dict[str, float]
    """Parameters of the method's loss, of those that it has, in place of the model's own."""
    frozen: str
    augmentation: Augmentation
    patch: tuple[int, ...]
    hold_new: float
    """Weight of the pull to the old outputs on unknown pixels of the new images."""
    hold_old: float
    """The same on images of the old kind."""
    old_per_batch: int
    words: str
    """The options in a sentence."""


def knows(start_score: float) -> bool:
    """Return whether the old model is taken to know the kind of image, by its AP at IoU 0.5 on the examples."""
    return start_score >= KNOWN_KIND


def choose_enlargement(params: FinetuneParams, start_score: float, *, again: bool = False) -> float:
    """Return the factor by which objects are seen larger than those of the model's own kind.

    A model that learns from corrections `again` sees them so already.
    """
    return params.enlarge or (1.0 if again or knows(start_score) else LARGER)


def choose_options(
    params: FinetuneParams,
    *,
    objects: int,
    known_background: bool,
    start_score: float,
    diameter: float,
    old: int,
    stride: int,
    largest: tuple[int, ...],
) -> Options:
    """Set what the parameters leave open.

    Parameters
    ----------
    params : FinetuneParams
    objects : int
        Objects to learn from.
    known_background : bool
        Whether any region is known to be free of objects or complete.
    start_score : float
        AP at IoU 0.5 of the old model on the examples, 0 to 1: how well it knows the kind of image.
    diameter : float
        Typical object diameter in the crops, in pixels.
    old : int
        Number of stored images of the old kind.
    stride : int
        Each side of a crop is a multiple of it.
    largest : tuple of int
        Sides of the largest image, in pixels.
    """
    known, few = knows(start_score), objects < FEW
    rate = params.learning_rate or (CAREFUL if known or few else BOLD)
    frozen = params.frozen
    if frozen == "auto":
        frozen = "encoder" if known and few else "statistics"
    strength = params.augmentation
    if strength == "auto":
        strength = "strong" if objects < MANY else "gentle"
    side = params.patch_size or min(max(PATCH * diameter, SMALLEST_PATCH), LARGEST_PATCH)
    patch = tuple(-(-min(round(side), most) // stride) * stride for most in largest)
    if len(patch) == 3 and not params.patch_size:
        patch = (min(patch[0], -(-32 // stride) * stride), *patch[1:])
    # what the old model says of images that it does not know is worth little; but where only objects and no background
    # is known, something has to keep all the rest from becoming one object
    hold_new = params.hold * (ALONE if not known_background else min(start_score, 1.0))
    old_per_batch = min(round(params.old_share * params.batch_size), params.batch_size - 1) if old else 0
    words = f"Learning rate {rate:g}, frozen: {frozen}, augmentation: {strength}, crops of {patch[-1]} px"
    words += f", {old_per_batch} of {params.batch_size} crops of {old} old images." if old_per_batch else "."
    loss = {"gap_weight": params.gap_weight, "gap": max(round(diameter / GAP), 1)}
    held = (hold_new, KEEP * params.hold, old_per_batch)
    return Options(rate, loss, frozen, AUGMENTATIONS[strength], patch, *held, words)
