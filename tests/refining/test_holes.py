import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.refining.holes import fill_holes


def fill_one_by_one(labels, max_size):
    filled = labels.copy()
    background, n = ndimage.label(labels == 0)
    for k in range(1, n + 1):
        hole = background == k
        at_border = any(np.take(hole, end, axis=axis).any() for axis in range(hole.ndim) for end in (0, -1))
        around = np.unique(labels[ndimage.binary_dilation(hole) & ~hole])
        if not at_border and len(around) == 1 and hole.sum() <= max_size:
            filled[hole] = around[0]
    return filled


@pytest.mark.parametrize("shape", [(40, 50), (9, 20, 21)])
@pytest.mark.parametrize("max_size", [1, 3, 40])
def test_holes_are_filled_as_one_by_one(shape, max_size):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        halves = 1 + (np.indices(shape)[-1] > shape[-1] // 2)
        labels = np.where(rng.uniform(size=shape) < 0.75, halves, 0).astype(np.int32)
        filled = fill_holes(labels, max_size)
        np.testing.assert_array_equal(filled, fill_one_by_one(labels, max_size))
        assert (filled != labels).any()


def test_the_given_labels_are_not_written_to():
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 0
    assert fill_holes(labels, 1)[2, 2] == 1
    assert labels[2, 2] == 0


def test_size_zero_fills_nothing():
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 0
    np.testing.assert_array_equal(fill_holes(labels, 0), labels)
