"""Bright disks on dark ground, easy enough to be learnt in seconds."""

import numpy as np
import pytest

from napari_instseg.io.pairs import pairs_from_arrays
from napari_instseg.training.recipe import Recipe


def drain(generator, events=None):
    """Return what a generator returns, and put its events into a list."""
    while True:
        try:
            event = next(generator)
        except StopIteration as end:
            return end.value
        if events is not None:
            events.append(event)


def draw_disks(seed, side=48, volume=False):
    """Return an image and its labels: noisy disks (balls) of 11 px that do not touch."""
    rng = np.random.default_rng(seed)
    shape = (16, side, side) if volume else (side, side)
    grid = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for y in (12, 36):
        for x in (12, 36):
            center = [8] * volume + [y + rng.integers(-3, 4), x + rng.integers(-3, 4)]
            distance = sum((axis - c) ** 2 for axis, c in zip(grid, center, strict=True))
            labels[distance <= 5.5**2] = labels.max() + 1
    image = (labels > 0) * 150 + rng.normal(40, 5, shape)
    return image.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope="session")
def disks():
    """Six pairs to learn from and two to score on."""
    images, labels = zip(*(draw_disks(seed) for seed in range(8)), strict=True)
    pairs = pairs_from_arrays(images, labels)
    return pairs[:6], pairs[6:]


def make_recipe(method="coloring", **training):
    values = {"steps": 4, "batch_size": 2, "patch_size": 48, "validate_every": 4, "save_every": 2, "ema_decay": 0.5}
    augmentation = {"elastic": 0.0, "rotation": 0.0, "scale": 0.0, "shear": 0.0}
    network = {"width": 8, "levels": 2, "stem": 2}
    return Recipe.make(method, {"training": {**values, **training}, "network": network, "augmentation": augmentation})


@pytest.fixture(scope="session")
def recipe():
    """Return a function that makes a small recipe: ``recipe(method, **training)``."""
    return make_recipe


@pytest.fixture(name="draw_disks")
def give_draw_disks():
    """Return the function that draws: ``draw_disks(seed, side=48, volume=False)``."""
    return draw_disks
