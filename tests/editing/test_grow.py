"""Growing an object from a click: closed forms, windows, neighbours, and the errors."""

import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.core.errors import InputError
from napari_instseg.editing.grow import grow, grow_region
from napari_instseg.editing.likeness import Clues, clues_in
from napari_instseg.editing.place import place

from ..work import count_bytes, count_calls

RNG = np.random.default_rng(5)


def scene(shape, boxes, features=4, noise=0.02):
    """Boxes of objects, each with features of its own, in a foreground of 1."""
    labels = np.zeros(shape, np.int32)
    embedding = np.zeros((features, *shape), np.float32)
    for number, box in enumerate(boxes, 1):
        labels[box] = number
        embedding[(slice(None), *box)] = RNG.normal(size=features).reshape(-1, *(1,) * len(shape)) * 4
    embedding += RNG.normal(size=embedding.shape).astype(np.float32) * noise
    return labels, {"embedding": embedding, "foreground": (labels > 0).astype(np.float32)}


def whole(region, shape):
    box, inside = region
    mask = np.zeros(shape, bool)
    mask[box] = inside
    return mask


@pytest.mark.parametrize(
    ("shape", "boxes"),
    [
        ((60, 70), [np.s_[5:20, 5:25], np.s_[20:40, 5:25], np.s_[5:20, 25:60]]),
        ((9, 40, 50), [np.s_[1:6, 5:20, 5:25], np.s_[1:6, 20:35, 5:25]]),
    ],
)
def test_a_click_inside_an_object_gives_all_of_it_and_not_its_neighbours(shape, boxes):
    labels, outputs = scene(shape, boxes)
    for number in range(1, len(boxes) + 1):
        pixels = np.argwhere(ndimage.binary_erosion(labels == number, np.ones((3,) * len(shape))))
        for point in pixels[RNG.integers(len(pixels), size=4)]:
            region = grow_region(clues_in(outputs, 2.0), tuple(point))
            np.testing.assert_array_equal(whole(region, shape), labels == number)


def test_an_object_larger_than_the_first_window_is_found_whole_and_small_ones_are_looked_at_in_a_window_only():
    labels, outputs = scene((600, 900), [np.s_[10:590, 10:700], np.s_[300:310, 800:812]])
    np.testing.assert_array_equal(whole(grow_region(clues_in(outputs, 2.0), (300, 350)), labels.shape), labels == 1)
    _box, inside = grow_region(clues_in(outputs, 2.0), (305, 805))
    assert inside.size < 100 * 100
    assert inside.sum() == 120


def test_pixels_join_up_to_the_distance_at_which_they_are_as_like_as_the_threshold():
    # a ramp in one feature: likeness 2 ** -(d / scale) ** 2 is .5 at d = scale, and higher thresholds take less
    ramp = np.arange(200, dtype=np.float32)[None, None].repeat(3, 1) / 10
    clues = Clues(ramp, None, scale=2.03)
    first = np.ptp(np.flatnonzero(whole(grow_region(clues, (1, 100), 0.5), (3, 200))[1]))
    assert first == 40  # 20 px, which is d = 2.0, on either side of the click, whose mean stays where it is
    widths = [whole(grow_region(clues, (1, 100), t), (3, 200)).sum() for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 5


def test_colours_serve_where_there_is_no_embedding():
    colors = np.zeros((4, 40, 40), np.float32)
    colors[0] = 1
    labels = np.zeros((40, 40), np.int32)
    for number, box in enumerate((np.s_[5:20, 5:20], np.s_[5:20, 20:35], np.s_[20:35, 5:20]), 1):
        colors[(0, *box)], colors[(number, *box)], labels[box] = 0.1, 0.9, number
    clues = clues_in({"colors": colors})
    np.testing.assert_array_equal(whole(grow_region(clues, (10, 30)), labels.shape), labels == 2)


def test_the_object_under_the_click_keeps_its_id_if_it_was_part_of_what_grew():
    labels, outputs = scene((40, 60), [np.s_[5:30, 5:25], np.s_[5:30, 25:50]])
    found = np.where((np.indices(labels.shape)[0] < 15) & (labels == 1), 7, 0).astype(np.int32)  # only its upper part
    change = grow(found, clues_in(outputs, 2.0), (10, 10), new_id=99)
    np.testing.assert_array_equal(change.apply(found) == 7, labels == 1)
    assert change.objects == (7,)


def test_half_of_a_merged_object_becomes_a_new_one_and_the_rest_stays():
    labels, outputs = scene((40, 60), [np.s_[5:30, 5:25], np.s_[5:30, 25:50]])
    merged = np.where(labels > 0, 7, 0).astype(np.int32)
    after = grow(merged, clues_in(outputs, 2.0), (10, 10), new_id=99).apply(merged)
    np.testing.assert_array_equal(after == 99, labels == 1)
    np.testing.assert_array_equal(after == 7, labels == 2)


def test_kept_objects_yield_nothing_and_scraps_of_others_are_dropped():
    labels, outputs = scene((40, 60), [np.s_[5:30, 5:45]])
    others = np.zeros_like(labels)
    others[5:30, 3:14] = 4  # most of it is taken: the strip that is left is no object
    others[5:30, 40:50] = 5  # accepted
    others[31:39, 5:20] = 6  # beside it
    after = grow(others, clues_in(outputs, 2.0), (20, 25), new_id=99, keep={5}).apply(others)
    np.testing.assert_array_equal(after == 99, (labels == 1) & (others != 5))
    np.testing.assert_array_equal(after == 5, others == 5)
    np.testing.assert_array_equal(after == 6, others == 6)
    assert not (after == 4).any()
    with pytest.raises(InputError, match="belongs to accepted objects"):
        place(others, np.s_[5:30, 40:50], np.ones((25, 10), bool), 9, keep={5})


def test_a_click_outside_the_image_and_a_model_without_features_are_told_in_words():
    labels, outputs = scene((40, 60), [np.s_[5:30, 5:45]])
    with pytest.raises(InputError, match=r"\(50, 10\) is outside the image.*Nothing was changed"):
        grow(labels, clues_in(outputs), (50, 10), 9)
    with pytest.raises(InputError, match="needs an embedding or colours; the model gives objectness"):
        clues_in({"objectness": np.zeros((4, 4), np.float32)})


def test_in_a_large_image_features_are_compared_in_the_surroundings_only():
    calls = {}
    for side in (640, 1280):
        labels, outputs = scene((side, side), [np.s_[300:340, 300:360]], features=8)
        clues = clues_in(outputs, 2.0)
        grow(labels, clues, (320, 320), 9)
        calls[side] = count_calls(lambda: grow(labels, clues, (320, 320), 9))  # noqa: B023
        # masks of the whole image are made, but not the 32 bytes a pixel that its features are
        assert count_bytes(lambda: grow(labels, clues, (320, 320), 9)) < 4 * side**2  # noqa: B023
    assert calls[1280] == calls[640]
