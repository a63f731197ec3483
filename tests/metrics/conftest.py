"""Label images and masks for the metrics' tests: random rectangles, and a second look at them that is partly wrong."""

import numpy as np
import pytest

SHAPES = [(40, 50), (12, 20, 18)]


def draw_boxes(rng, shape, number):
    """Stack of boolean boxes that may overlap."""
    masks = np.zeros((number, *shape), dtype=bool)
    for mask in masks:
        low = [rng.integers(0, size - 6) for size in shape]
        mask[tuple(slice(start, start + rng.integers(4, 10)) for start in low)] = True
    return masks


def disturb(rng, masks):
    """Shift each mask a little, drop some, add some."""
    moved = [
        np.roll(mask, tuple(rng.integers(-2, 3, mask.ndim)), tuple(range(mask.ndim)))
        for mask in masks
        if rng.random() > 0.15
    ]
    return np.concatenate(
        [np.array(moved, dtype=bool).reshape(-1, *masks.shape[1:]), draw_boxes(rng, masks.shape[1:], 2)]
    )


def flatten(masks):
    """Label image in which later masks lie on top."""
    labels = np.zeros(masks.shape[1:], dtype=np.int32)
    for number, mask in enumerate(masks, start=1):
        labels[mask] = number
    return labels


@pytest.fixture(params=[(shape, seed) for shape in SHAPES for seed in range(4)], ids=str)
def pair(request):
    """True and predicted label image, 2-d and 3-d, whose objects agree more or less."""
    shape, seed = request.param
    rng = np.random.default_rng(seed)
    masks = draw_boxes(rng, shape, 12)
    return flatten(masks), flatten(disturb(rng, masks))
