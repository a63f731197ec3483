import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_instseg.decoding.regions import measure_regions
from napari_instseg.decoding.runs import connect_runs, find_runs, paint_runs, runs_with_cores

images = st.one_of(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 9)), elements=st.integers(0, 2)),
    arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(0, 2)),
)


@given(image=images)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_runs_are_painted_as_they_were_found_and_connect_as_in_scipy(image):
    runs = find_runs(image)
    np.testing.assert_array_equal(paint_runs(runs, runs.value), image)
    piece, n = connect_runs(runs)
    pieces = paint_runs(runs, piece)
    assert set(np.unique(pieces)) - {0} == set(range(1, n + 1))
    full = np.ones([3] * image.ndim)
    expected = np.zeros(image.shape, int)
    for value in (1, 2):
        own, count = ndimage.label(image == value, full)
        expected[own > 0] = own[own > 0] + expected.max()
        assert count == len(np.unique(pieces[image == value]))
    pairs = {(a, b) for a, b in zip(pieces.ravel().tolist(), expected.ravel().tolist(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@given(image=images)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_core_is_a_pixel_that_erosion_leaves(image):
    faces = ndimage.generate_binary_structure(image.ndim, 1)
    runs = find_runs(image)
    found = runs_with_cores(runs, runs.value, 2)
    for value in (1, 2):
        assert found[value] == ndimage.binary_erosion(image == value, faces).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_runs_hold_any_label_type_and_large_ids(dtype):
    image = np.zeros((3, 5), dtype)
    image[1, 1:4] = np.iinfo(dtype).max
    runs = find_runs(image)
    assert (runs.start.tolist(), runs.stop.tolist(), runs.value.tolist()) == ([1], [4], [np.iinfo(dtype).max])
    assert runs.first.tolist() == [0, 0, 1, 1]


def test_a_spiral_is_one_piece():
    spiral = np.zeros((41, 41), np.uint8)
    y = x = 0
    turns = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    for side, length in enumerate([40, 40, 40, 38, 38, 36, 36, 34, 34, 32]):
        dy, dx = turns[side % 4]
        for _ in range(length):
            spiral[y, x] = 1
            y, x = y + dy, x + dx
    runs = find_runs(spiral)
    piece, n = connect_runs(runs)
    assert n == 1
    assert measure_regions(paint_runs(runs, piece), 1).size.tolist() == [spiral.sum()]
