import itertools

import networkx
import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.refining.random_field import smooth_outlines


def box_of(mask):
    """Where a smooth object may lie."""
    box = np.zeros(mask.shape, bool)
    for part in ndimage.find_objects(mask.astype(int)):
        box[part] = True
    return box


def one_graph_each(labels, strength):
    """All pixels of the image as nodes, one object after the other, cut by NetworkX in fractions."""
    masks = []
    for label in np.unique(labels[labels > 0]):
        mask = labels == label
        graph = networkx.DiGraph()
        for place in np.ndindex(mask.shape):
            for axis in range(mask.ndim):
                behind = (*place[:axis], place[axis] + 1, *place[axis + 1 :])
                if behind[axis] < mask.shape[axis]:
                    graph.add_edge(place, behind, capacity=strength)
                    graph.add_edge(behind, place, capacity=strength)
        for place in zip(*np.nonzero(mask), strict=True):
            graph.add_edge("inside", place, capacity=1.0)
        for place in zip(*np.nonzero(~mask), strict=True):
            graph.add_edge(place, "outside", capacity=1.0 if box_of(mask)[place] else 1e9)
        _, (inside, _) = networkx.minimum_cut(graph, "inside", "outside")
        found = np.zeros(mask.shape, bool)
        found[tuple(np.array([place for place in inside if place != "inside"], int).reshape(-1, mask.ndim).T)] = True
        masks.append((label, found))
    result = np.zeros_like(labels)
    for label, mask in sorted(masks, key=lambda item: (item[1].sum(), item[0])):
        result[mask] = label
    return result


def energy(given, mask, strength):
    faces = sum(np.count_nonzero(np.diff(mask.astype(int), axis=axis)) for axis in range(mask.ndim))
    return np.count_nonzero(given != mask) + strength * faces


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3), (1, 9)])
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.45, 0.7, 1.3])
def test_no_mask_has_less_energy(shape, strength):
    every = [np.array(bits, bool).reshape(shape) for bits in itertools.product([0, 1], repeat=int(np.prod(shape)))]
    for seed in range(3):
        given = np.random.default_rng(seed).uniform(size=shape) < 0.6
        box = box_of(given)
        least = min(energy(given, mask, strength) for mask in every if box[mask].all())
        assert energy(given, smooth_outlines(given.astype(np.int32), strength) == 1, strength) == pytest.approx(least)


def test_a_pixel_that_sticks_out_goes_and_a_notch_is_filled():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 3
    labels[4, 9], labels[14, 9] = 3, 0
    smooth = smooth_outlines(labels, 0.6)
    expected = np.zeros_like(labels)
    expected[5:15, 5:15] = 3
    np.testing.assert_array_equal(smooth, expected)


@pytest.mark.parametrize("strength", [0.0625, 0.375, 0.625, 1.3125, 2.875])  # binary: no rounding decides
@pytest.mark.parametrize("shape", [(24, 26), (6, 10, 12)])
def test_few_pixels_in_one_graph_for_all_give_what_all_pixels_do(shape, strength):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        rough = ndimage.gaussian_filter(rng.normal(size=shape), 1.5) + rng.normal(scale=0.05, size=shape)
        labels = ndimage.label(rough > 0)[0].astype(np.int32)
        labels[rng.uniform(size=shape) < 0.04] = 1
        smooth = smooth_outlines(labels, strength)
        np.testing.assert_array_equal(smooth, one_graph_each(labels, strength))
        assert strength < 0.3 or (smooth != labels).any()


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
