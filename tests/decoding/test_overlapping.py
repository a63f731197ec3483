"""Objects on top of each other: what is covered, as a list, masks and layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.decoding.test_detections import SHAPE, decode, row

from napari_instseg.decoding.instances import Instances
from napari_instseg.decoding.overlapping import (
    crop_covered,
    find_covered,
    from_masks,
    layers_of,
    out_of_sight,
    renumber_covered,
    whole_masks,
)
from napari_instseg.decoding.segmentation import Segmentation

STACKS = arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)))


@settings(deadline=None)
@given(STACKS)
def test_masks_come_back_from_labels_and_what_is_covered(masks):
    labels, covered = from_masks(masks)
    np.testing.assert_array_equal(whole_masks(labels, covered, np.arange(1, len(masks) + 1)), masks)
    layers = layers_of(labels, covered)
    np.testing.assert_array_equal(layers[0], labels)
    assert len(layers) == max(masks.sum(0).max(), 1)
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal((layers == number).sum(0), mask)


@settings(deadline=None)
@given(STACKS, st.data())
def test_a_part_of_the_grid_has_the_masks_of_what_is_seen_in_it(masks, data):
    labels, covered = from_masks(masks)
    top, left = (data.draw(st.integers(0, side - 1)) for side in labels.shape)
    window = (slice(top, labels.shape[0]), slice(left, labels.shape[1]))
    part = Segmentation(labels, np.ones(len(masks), np.float32), covered=covered).crop(window)
    seen = np.unique(labels[window])
    np.testing.assert_array_equal(part.masks, masks[(seen[seen > 0] - 1, *window)])


@settings(deadline=None)
@given(STACKS, st.data())
def test_masks_in_windows_list_what_whole_masks_do(masks, data):
    # those on top have the grid to themselves, and one of them may have no object
    n, height, width = masks.shape
    instances = Instances(
        np.tile([0, 0, height, width], (n, 1)),
        np.arange(n) * height * width,
        masks.ravel(),
        np.ones(n, np.float32),
        np.zeros(n, np.int64),
    )
    group = np.array(data.draw(st.permutations(range(n))))[: data.draw(st.integers(0, n))]
    labels, covered = from_masks(masks[group])
    np.testing.assert_array_equal(find_covered(instances, group, labels), covered)
    np.testing.assert_array_equal(covered, out_of_sight(masks[group], labels))


def test_ids_of_what_is_covered_follow_a_table():
    covered = np.array([[1, 4, 5], [3, 4, 6]], np.int32)
    assert renumber_covered(covered, np.array([0, 7, 8, 0])).tolist() == [[7, 4, 5]]
    assert crop_covered(covered, (slice(4, 9), slice(6, 9))).tolist() == [[3, 0, 0]]


def test_two_crossing_bars_are_found_whole():
    rows = [row((20, 5, 30, 75)), row((5, 35, 55, 45), 0.8)]
    found, _ = decode(rows, min_size=10)
    across, along = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    across[20:30, 5:75] = along[5:55, 35:45] = True
    np.testing.assert_array_equal(found.masks, [across, along])
    np.testing.assert_array_equal(found.layers, [np.where(across, 1, np.where(along, 2, 0)), 2 * (across & along)])
    assert found.table["area"].tolist() == [700, 400]


def test_without_overlaps_masks_are_the_labels():
    labels = np.array([[1, 1, 0, 2]], np.int32)
    found = Segmentation(labels)
    assert found.masks.sum((1, 2)).tolist() == [2, 1]
    np.testing.assert_array_equal(found.layers, labels[None])


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_what_is_covered_never_is_in_sight(smoothing):
    from napari_instseg.decoding.pipeline import Pipeline
    from napari_instseg.methods.semiconv_rcnn import METHOD

    rows = np.stack([row((20, 5, 30, 75)), row((5, 35, 55, 45), 0.8), row((10, 10, 50, 40), 0.7)])
    outputs = {"objectness": np.zeros(SHAPE, np.float32), "detections": rows}
    found = Pipeline(outputs, METHOD.stages, rows=["detections"]).run(METHOD.decode(smoothing=smoothing))
    assert found.n_objects == 3
    assert (found.labels[tuple(found.covered[:, 1:].T)] != found.covered[:, 0]).all()
    assert len(np.unique(found.covered, axis=0)) == len(found.covered) > 0
