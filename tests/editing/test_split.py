"""Splitting by clicks and by a line."""

from itertools import count

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.editing.likeness import Clues
from napari_instseg.editing.split import cut, split, stroke


def disks(shape=(40, 70), centers=((20, 20), (20, 48)), radius=16):
    """Two disks that overlap, as one object."""
    grid = np.indices(shape)
    inside = [sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2 for center in centers]
    return np.where(inside[0] | inside[1], 3, 0).astype(np.int32)


def test_without_a_prediction_pixels_go_to_the_nearer_click():
    labels = disks()
    change = split(labels, [(20, 18), (20, 50)], count(10))
    after = change.apply(labels)
    y, x = np.nonzero(labels)
    nearer = (x - 18) ** 2 + (y - 20) ** 2 <= (x - 50) ** 2 + (y - 20) ** 2
    assert sorted(change.objects) == [3, 10]
    parts = after[y, x]
    assert len(np.unique(parts[nearer])) == 1
    assert len(np.unique(parts[~nearer])) == 1
    assert parts[nearer][0] != parts[~nearer][0]
    np.testing.assert_array_equal(after > 0, labels > 0)


def test_what_the_network_said_moves_the_border_to_where_the_objects_meet():
    labels = disks()
    meet = 30  # not in the middle between the clicks
    features = np.where(np.arange(70) < meet, 0.0, 6.0)[None, None].repeat(40, 1).astype(np.float32)
    after = split(labels, [(20, 10), (20, 60)], count(10), Clues(features, None, 1.0)).apply(labels)
    left = after[20, 10]
    np.testing.assert_array_equal(after == left, (labels > 0) & (np.arange(70) < meet))


def test_the_largest_part_keeps_the_id_and_three_clicks_give_three_parts():
    labels = np.full((20, 90), 5, np.int32)
    after = split(labels, [(10, 5), (10, 25), (10, 75)], count(10)).apply(labels)
    sizes = {label: int((after == label).sum()) for label in np.unique(after)}
    assert set(sizes) == {5, 10, 11}
    assert max(sizes, key=sizes.get) == 5


def test_a_volume_is_split_as_an_image_is():
    labels = np.repeat(disks()[None], 5, 0)
    after = split(labels, [(2, 20, 18), (2, 20, 50)], count(10)).apply(labels)
    flat = split(labels[2], [(20, 18), (20, 50)], count(10)).apply(labels[2])
    np.testing.assert_array_equal(after, np.repeat(flat[None], 5, 0))


@pytest.mark.parametrize("line", [[(0, 34), (39, 34)], [(39, 38), (0, 30)], [(0, 30), (20, 40), (39, 28)]])
def test_a_line_divides_along_itself(line):
    labels = disks()
    after = cut(labels, line, count(10)).apply(labels)
    assert set(np.unique(after)) == {0, 3, 10}
    np.testing.assert_array_equal(after > 0, labels > 0)
    track = {tuple(point) for point in stroke(line, labels.shape)}
    # where parts touch, the line is
    for axis in (0, 1):
        first, second = after[:-1] if axis == 0 else after[:, :-1], after[1:] if axis == 0 else after[:, 1:]
        for y, x in np.argwhere((first != second) & (first > 0) & (second > 0)):
            step = (1, 0) if axis == 0 else (0, 1)
            assert (y, x) in track or (y + step[0], x + step[1]) in track


def test_a_line_that_divides_nothing_is_refused():
    labels = disks()
    with pytest.raises(InputError, match="does not divide object 3"):
        cut(labels, [(20, 0), (20, 20)], count(10))
    with pytest.raises(InputError, match="crosses no object"):
        cut(labels, [(0, 0), (0, 69)], count(10))
    with pytest.raises(InputError, match="outside the image"):
        cut(labels, [(100, 0), (100, 69)], count(10))


def test_clicks_that_are_not_two_in_one_object_are_refused():
    labels = disks()
    labels[35:, 60:] = 8
    for points, found in (
        ([(20, 20), (0, 0)], "background and object 3"),
        ([(20, 20), (38, 65)], "object 3 and object 8"),
        ([(20, 20), (20, 20)], "object 3"),
    ):
        with pytest.raises(InputError, match=found):
            split(labels, points, count(10))
    with pytest.raises(InputError, match="outside"):
        split(labels, [(20, 20), (20, 200)], count(10))
    tiny = np.zeros((9, 9), np.int32)
    tiny[4, 4] = 1
    with pytest.raises(InputError, match="two clicks at different places"):
        split(tiny, [(4, 4), (4.3, 4.2)], count(10))


def test_a_stroke_is_connected_by_sides():
    from scipy import ndimage

    track = stroke([(1, 1), (17, 9), (3, 18)], (20, 20))
    image = np.zeros((20, 20), np.uint8)
    image[tuple(track.T)] = 1
    assert ndimage.label(image)[1] == 1
