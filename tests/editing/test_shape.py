"""Edits of whole objects."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import object_box
from napari_instseg.editing.pieces import far_pieces, separate
from napari_instseg.editing.shape import delete, draw, fill, merge, smooth

RNG = np.random.default_rng(2)


@pytest.fixture
def labels():
    image = np.zeros((60, 80), np.int32)
    image[10:30, 10:30] = 3
    image[10:30, 32:50] = 5  # a gap of two pixels
    image[40:50, 60:70] = 9
    return image


def test_delete_takes_one_object_and_leaves_the_rest(labels):
    after = delete(labels, 5).apply(labels)
    np.testing.assert_array_equal(after, np.where(labels == 5, 0, labels))


def test_merge_gives_the_id_of_the_largest_and_fills_the_gap(labels):
    change = merge(labels, [5, 3, 0])
    after = change.apply(labels)
    assert change.objects == (3,)
    expected = labels.copy()
    expected[10:30, 10:50] = 3
    np.testing.assert_array_equal(after == 3, expected == 3)
    assert change.words == ""


def test_merging_what_is_far_apart_says_so_and_one_object_alone_cannot_be_merged(labels):
    labels[:8, :8] = 1
    assert "2 places that are far apart" in merge(labels, [1, 9]).words
    for ids in ([5], [5, 77], [], [0, 5]):
        with pytest.raises(InputError, match="two objects or more"):
            merge(labels, ids)


def test_smooth_rounds_corners_and_fills_bays_but_takes_nothing_from_neighbours(labels):
    labels[10:30, 30:32] = 3  # they touch now
    labels[18:20, 10:14] = 0  # a bay
    labels[5:10, 20] = 3  # a spike
    after = smooth(labels, 3).apply(labels)
    assert (after[18:20, 12:14] == 3).all()
    assert not after[5:9, 20].any()
    assert after[10, 10] == 0
    np.testing.assert_array_equal(after == 5, labels == 5)
    np.testing.assert_array_equal(after == 9, labels == 9)
    assert abs(int((after == 3).sum()) - int((labels == 3).sum())) < 0.1 * (labels == 3).sum()


def test_an_object_at_the_image_border_is_not_rounded_there():
    labels = np.zeros((40, 40), np.int32)
    labels[:, :20] = 1
    np.testing.assert_array_equal(smooth(labels, 1).apply(labels), labels)


def test_fill_fills_holes_and_leaves_objects_inside(labels):
    labels[15:20, 15:20] = 0
    labels[25, 25] = 7
    after = fill(labels, 3).apply(labels)
    assert (after[15:20, 15:20] == 3).all()
    assert after[25, 25] == 7
    with pytest.raises(InputError, match="no holes"):
        fill(after, 9)


def test_draw_fills_the_outline_and_spares_kept_objects(labels):
    outline = [(5, 20), (5, 40), (35, 40), (35, 20)]
    after = draw(labels, outline, 11, keep={3}).apply(labels)
    inside = np.zeros(labels.shape, bool)
    inside[5:35, 20:40] = True
    np.testing.assert_array_equal((after == 11)[5:35, 20:40], (labels != 3)[5:35, 20:40])
    assert not (after == 11)[~np.pad(inside[4:-4, 4:-4], 4)].sum() > 80  # but for the outline's own pixels
    np.testing.assert_array_equal(after == 3, labels == 3)
    for bad, words in (([(1, 1), (2, 2)], "three points"), ([(100, 100), (100, 120), (120, 120)], "no pixel")):
        with pytest.raises(InputError, match=words):
            draw(labels, bad, 11)


def test_a_kept_object_that_is_drawn_around_again_gets_the_new_outline(labels):
    wider = draw(labels, [(8, 8), (8, 31), (31, 31), (31, 8)], 11, keep={3, 5}).apply(labels)
    assert 11 not in wider
    assert (wider[9:31, 9:31] == 3).all()
    np.testing.assert_array_equal(wider == 5, labels == 5)
    part = draw(labels, [(12, 12), (12, 16), (28, 16), (28, 12)], 11, keep={5}).apply(labels)
    assert (part[13:28, 13:16] == 11).all()
    with pytest.raises(InputError, match="accepted objects"):  # a small part of one is not drawn anew
        draw(labels, [(12, 12), (12, 16), (28, 16), (28, 12)], 11, keep={3})


def test_draw_in_a_volume_is_in_one_slice_of_it(labels):
    volume = np.repeat(labels[None], 4, 0)
    after = draw(volume, [(2, 52, 5), (2, 52, 20), (2, 58, 20), (2, 58, 5)], 11).apply(volume)
    assert set(np.nonzero(after == 11)[0]) == {2}
    with pytest.raises(InputError, match="Slice 7"):
        draw(volume, [(7, 52, 5), (7, 52, 20), (7, 58, 20)], 11)


def test_an_object_of_one_pixel_can_be_edited_or_says_why_not():
    labels = np.zeros((9, 9), np.int32)
    labels[4, 4], labels[4, 5] = 1, 2
    assert not delete(labels, 1).apply(labels)[4, 4]
    assert (merge(labels, [1, 2]).apply(labels)[4, 4:6] == 1).all()
    with pytest.raises(InputError, match="too small to be smoothed"):
        smooth(labels, 1)
    with pytest.raises(InputError, match="no holes"):
        fill(labels, 1)


@pytest.mark.parametrize("edit", [delete, smooth, fill])
def test_background_is_no_object(labels, edit):
    with pytest.raises(InputError, match="no object"):
        edit(labels, 0)
    with pytest.raises(InputError, match="no object"):
        edit(labels, 777)


def test_deleting_an_object_in_two_places_says_so():
    labels = np.zeros((50, 200), np.int32)
    labels[10:20, 10:20] = labels[10:20, 150:160] = 4
    assert "2 places that are far apart" in delete(labels, 4).words


def test_near_pieces_are_one_object_and_far_ones_are_told_apart():
    inside = np.zeros((50, 200), bool)
    inside[10:20, 10:20] = inside[10:20, 24:34] = True  # crossed by another object
    assert far_pieces(inside).max() == 1
    inside[10:20, 150:160] = True
    groups = far_pieces(inside)
    assert groups.max() == 2
    assert groups[15, 15] == groups[15, 30] != groups[15, 155]
    labels = np.where(inside, 6, 0).astype(np.int32)
    labels[40:45, 40:45] = 8
    apart = separate(labels)
    assert set(np.unique(apart)) == {0, 6, 8, 9}
    np.testing.assert_array_equal(apart == 9, inside & (np.arange(200) > 100))
    np.testing.assert_array_equal(separate(apart), apart)


def test_edits_are_local(labels):
    """Pixels outside the box are the same, wherever the object lies: an edit commutes with moving the image."""
    for edit in (lambda image: delete(image, 3), lambda image: smooth(image, 3), lambda image: merge(image, [3, 5])):
        moved = np.zeros((200, 300), np.int32)
        moved[100:160, 150:230] = labels
        np.testing.assert_array_equal(edit(moved).apply(moved)[100:160, 150:230], edit(labels).apply(labels))


def test_box_is_tight(labels):
    assert object_box(labels, 9) == np.s_[40:50, 60:70]
    assert object_box(labels, 9, 15) == np.s_[25:60, 45:80]
