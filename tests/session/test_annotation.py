"""What is known of an image: accepted and edited objects, complete regions, and all else unknown."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.editing.change import Change
from napari_instseg.editing.shape import delete
from napari_instseg.session.annotation import RING, Annotation


@pytest.fixture
def corrections():
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 5:15] = 1
    labels[5:15, 15:25] = 2  # touches the first
    labels[25:35, 40:50] = 3
    return Annotation(labels)


def square(low, high, shape=(40, 60)):
    inside = np.zeros(shape, bool)
    inside[low[0] : high[0], low[1] : high[1]] = True
    return np.s_[0 : shape[0], 0 : shape[1]], inside


def test_nothing_is_known_at_first(corrections):
    assert (corrections.training_labels() == -1).all()


def test_an_accepted_object_is_known_and_a_thin_ring_around_it_where_no_object_is(corrections):
    corrections.accept(1)
    known = corrections.training_labels()
    expected = np.full((40, 60), -1)
    expected[5 - RING : 15 + RING, 5 - RING : 15 + RING] = 0
    expected[5:15, 15:25] = -1  # the neighbour is not known, nor background
    expected[5:15, 5:15] = 1
    np.testing.assert_array_equal(known, expected)
    np.testing.assert_array_equal(corrections.training_labels(ring=0), np.where(corrections.labels == 1, 1, -1))
    assert known.dtype == np.int32


def test_in_a_complete_region_all_is_known_and_nothing_beyond(corrections):
    box, inside = square((0, 0), (40, 20))
    corrections.mark(box, inside)
    known = corrections.training_labels()
    np.testing.assert_array_equal(known[:, :20], corrections.labels[:, :20])
    assert (known[:, 20:] == -1).all()
    corrections.mark(box, inside, complete=False)
    assert (corrections.training_labels() == -1).all()


def test_a_deleted_object_leaves_the_unknown(corrections):
    corrections.accept(3)
    corrections.edit("delete", delete(corrections.labels, 3))
    assert (corrections.training_labels() == -1).all()
    assert corrections.accepted == set()
    corrections.undo()
    assert corrections.accepted == {3}


def test_edited_and_painted_objects_are_accepted_and_erased_ones_that_have_something_left(corrections):
    corrections.edit("edit", Change(np.s_[5:7, 5:7], np.full((2, 2), 9, np.int32), (9,)))
    assert corrections.accepted == {9}
    corrections.labels[30:32, 40:50] = 0
    corrections.painted("erase")
    assert corrections.accepted == {3, 9}
    corrections.labels[20:22, 20:22] = 7
    corrections.painted("paint")
    assert corrections.accepted == {3, 7, 9}
    assert not corrections.painted("nothing")


def test_everything_listens_to_every_change(corrections):
    heard = []
    corrections.changed.append(lambda: heard.append(corrections.accepted.copy()))
    corrections.accept(1)
    corrections.accept(1)  # nothing new
    corrections.undo()
    corrections.undo()  # nothing to undo
    corrections.redo()
    assert heard == [{1}, set(), {1}]


def test_decoding_again_replaces_all_but_what_the_user_said(corrections):
    corrections.accept(1)
    corrections.edit("delete", delete(corrections.labels, 3))
    decoded = np.zeros((40, 60), np.int32)
    decoded[4:16, 4:16] = 1  # the accepted one, larger
    decoded[5:20, 16:25] = 2  # a neighbour, of another shape
    decoded[24:36, 39:51] = 3  # the deleted one comes again
    decoded[30:38, 10:20] = 4  # a new one
    corrections.take_decoded(decoded)
    expected = np.zeros((40, 60), np.int32)
    expected[5:20, 16:25] = 2
    expected[30:38, 10:20] = 4
    expected[5:15, 5:15] = 1
    np.testing.assert_array_equal(corrections.labels, expected)


def test_an_object_that_an_accepted_one_cuts_keeps_what_is_left_under_an_id_of_its_own(corrections):
    corrections.accept(1)
    decoded = np.zeros((40, 60), np.int32)
    decoded[5:15, 5:40] = 1  # decoded as one with what lies beside it
    corrections.take_decoded(decoded)
    left = corrections.labels[10, 30]
    assert left not in (0, 1)
    np.testing.assert_array_equal(corrections.labels[5:15, 5:15], 1)
    np.testing.assert_array_equal(corrections.labels[5:15, 15:40], left)


def test_complete_regions_and_the_objects_that_they_cut_stay(corrections):
    corrections.mark(*square((0, 0), (40, 20)))
    before = corrections.labels.copy()
    decoded = np.full((40, 60), 8, np.int32)
    corrections.take_decoded(decoded)
    np.testing.assert_array_equal(corrections.labels[:, :20], before[:, :20])
    np.testing.assert_array_equal(corrections.labels == 2, before == 2)
    assert corrections.labels[39, 59] == 8


def test_a_part_of_a_slice_of_a_stack_is_taken_over_there_and_nowhere_else():
    corrections = Annotation(np.zeros((3, 20, 20), np.int32))
    corrections.take_decoded(np.full((5, 6), 4, np.int32), (1,), np.s_[2:7, 3:9])
    assert (corrections.labels == 4).sum() == 30
    assert (corrections.labels[1, 2:7, 3:9] == 4).all()


def test_undo_after_decoding_again_brings_the_object_back(corrections):
    corrections.edit("delete", delete(corrections.labels, 3))
    corrections.take_decoded(np.zeros((40, 60), np.int32))
    corrections.undo()
    assert (corrections.labels[25:35, 40:50] == 3).all()
    corrections.take_decoded(np.zeros((40, 60), np.int32))  # it was only put back, not accepted
    assert not corrections.labels.any()


def test_new_ids_are_new_even_after_undo(corrections):
    first = corrections.new_id()
    corrections.edit("edit", Change(np.s_[0:1, 0:1], np.full((1, 1), first, np.int32), (first,)))
    corrections.undo()
    assert corrections.new_id() > first > 3


def test_a_stack_is_known_slice_by_slice():
    corrections = Annotation(np.zeros((3, 20, 20), np.int32))
    corrections.labels[1, 5:9, 5:9] = 4
    corrections.accept(4)
    whole = corrections.training_labels()
    np.testing.assert_array_equal(whole[1], corrections.training_labels((1,)))
    assert (whole[0] == -1).all(), "the ring does not go to other slices"
    volume = Annotation(np.array(corrections.labels), ndim=3)
    volume.accept(4)
    assert (volume.training_labels()[0, 5:9, 5:9] == 0).all(), "in a volume it does"


def test_all_is_saved_and_read_again(corrections):
    corrections.accept(1)
    corrections.mark(*square((0, 0), (10, 10)))
    corrections.edit("delete", delete(corrections.labels, 3))
    corrections.new_id()
    arrays = corrections.snapshot()()
    back = Annotation.from_arrays(arrays)
    for name, array in back.snapshot()().items():
        np.testing.assert_array_equal(array, arrays[name])
    np.testing.assert_array_equal(back.training_labels(), corrections.training_labels())
    assert back.new_id() == corrections.new_id()
    assert back.undo() is None
    arrays["labels"][:] = 0
    assert back.labels.any(), "nothing is shared"


def test_a_snapshot_is_of_its_moment(corrections):
    """The autosave writes it in its own thread while the user goes on."""
    then = corrections.labels.copy()
    snapshot = corrections.snapshot()
    corrections.edit("delete", delete(corrections.labels, 3))
    corrections.accept(1)
    corrections.mark(*square((0, 0), (10, 10)))
    arrays = snapshot()
    np.testing.assert_array_equal(arrays["labels"], then)
    assert not any(arrays[name].any() for name in ("accepted", "complete", "emptied"))
    now = corrections.snapshot()()
    np.testing.assert_array_equal(now["labels"], corrections.labels)
    assert (now["accepted"].tolist(), now["complete"].sum()) == ([1], 100)
    corrections.undo()
    assert not corrections.snapshot()()["complete"].any()


def test_strokes_in_several_slices_are_one_step():
    labels = np.zeros((4, 20, 20), np.int32)
    labels[:, 2:6, 2:6] = 3
    corrections = Annotation(labels)
    before = labels.copy()
    corrections.labels[1, 10:14, 10:15] = 8
    corrections.labels[3, 0:4, 1:3] = 0
    assert corrections.painted("paint") == {3, 8}
    after = labels.copy()
    corrections.undo()
    np.testing.assert_array_equal(corrections.labels, before)
    corrections.redo()
    np.testing.assert_array_equal(corrections.labels, after)
    assert corrections.painted("paint") is None


def test_damaged_arrays_and_wrong_labels_are_refused_in_words(corrections):
    arrays = corrections.snapshot()()
    with pytest.raises(InputError, match="lack emptied, highest"):
        Annotation.from_arrays({k: v for k, v in arrays.items() if k not in ("emptied", "highest")})
    with pytest.raises(InputError, match=r"'complete' is bool \(3, 3\)"):
        Annotation.from_arrays({**arrays, "complete": np.zeros((3, 3), bool)})
    with pytest.raises(InputError, match="int32 label image of 2 or more axes; got int64"):
        Annotation(np.zeros((4, 4), np.int64))


def test_an_edit_that_goes_beyond_the_image_changes_nothing(corrections):
    before = corrections.labels.copy()
    with pytest.raises(InputError, match="does not fit"):
        corrections.edit("edit", Change(np.s_[35:45, 0:5], np.ones((10, 5), np.int32), (1,)))
    np.testing.assert_array_equal(corrections.labels, before)
    assert corrections.undo() is None
