import itertools

import numpy as np
import pytest

from napari_instseg.refining.random_field import smooth_mask, smooth_outlines


def energy(given, mask, strength):
    faces = sum(np.count_nonzero(np.diff(mask.astype(int), axis=axis)) for axis in range(mask.ndim))
    return np.count_nonzero(given != mask) + strength * faces


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3), (1, 9)])
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.45, 0.7, 1.3])
def test_no_mask_has_less_energy(shape, strength):
    every = [np.array(bits, bool).reshape(shape) for bits in itertools.product([0, 1], repeat=int(np.prod(shape)))]
    for seed in range(3):
        given = np.random.default_rng(seed).uniform(size=shape) < 0.6
        least = min(energy(given, mask, strength) for mask in every)
        assert energy(given, smooth_mask(given, strength), strength) == pytest.approx(least)


def test_a_pixel_that_sticks_out_goes_and_a_notch_is_filled():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 3
    labels[4, 9], labels[14, 9] = 3, 0
    smooth = smooth_outlines(labels, 0.6)
    expected = np.zeros_like(labels)
    expected[5:15, 5:15] = 3
    np.testing.assert_array_equal(smooth, expected)


def test_an_objects_box_is_room_enough():
    rng = np.random.default_rng(0)
    labels = np.zeros((24, 26), np.int32)
    labels[6:18, 7:20] = rng.uniform(size=(12, 13)) < 0.7
    np.testing.assert_array_equal(smooth_outlines(labels, 0.8) == 1, smooth_mask(labels == 1, 0.8))


def test_where_two_objects_claim_a_pixel_the_larger_has_it():
    labels = np.zeros((12, 30), np.int32)
    labels[:, :20], labels[:, 20:] = 2, 1
    labels[6, 19] = 1  # a notch in the larger one, a pixel sticking out of the smaller
    smooth = smooth_outlines(labels, 0.6)
    assert smooth[6, 19] == 2
    labels[6, 19], labels[6, 20] = 2, 2  # the other way round: it falls back to the smaller, and nobody else wants it
    assert smooth_outlines(labels, 0.6)[6, 20] == 1


def test_a_strong_field_does_not_spill_over_the_objects_box():
    labels = np.zeros((40, 60), np.int32)
    labels[2:8, 2:8], labels[10:35, 10:50] = 1, 2
    smooth = smooth_outlines(labels, 2.0)
    # 36 pixels against 24 faces at a price of 2: the first is cheaper to leave out, the second to keep
    np.testing.assert_array_equal(smooth, np.where(labels == 2, 2, 0))


def test_strength_zero_changes_nothing_and_much_of_it_removes_small_objects():
    labels = np.zeros((30, 30), np.int32)
    labels[2:4, 2:4], labels[10:28, 10:28] = 1, 2
    np.testing.assert_array_equal(smooth_outlines(labels, 0.0), labels)
    assert set(np.unique(smooth_outlines(labels, 1.0))) == {0, 2}
