"""What two models find otherwise than each other, on label images whose differences are known."""

from types import SimpleNamespace

import numpy as np

from napari_instseg.projects.comparison import find_changes

ORDER = SimpleNamespace(source=None, reading=None, index=())


def test_changed_objects_are_marked_whole_and_counted_by_what_became_of_them():
    before = np.zeros((40, 60), np.int32)
    before[2:10, 2:10] = 1  # stays, but for a row
    before[2:10, 20:30] = 2  # is gone
    before[20:30, 2:10] = 3  # two halves of what is one object after
    before[20:30, 10:18] = 4
    before[20:30, 40:50] = 5  # grows to twice its size
    after = np.zeros_like(before)
    after[2:11, 2:10] = 7
    after[20:30, 2:18] = 5
    after[20:30, 40:60] = 2
    after[34:38, 30:40] = 1  # is new
    found = find_changes(ORDER, before, after)
    assert (found.lost, found.gained, found.reshaped) == (1, 1, 2)
    expected = np.zeros_like(before)
    expected[2:10, 20:30] = 1
    expected[34:38, 30:40] = 2
    expected[20:30, 2:18] = expected[20:30, 40:60] = 3
    np.testing.assert_array_equal(found.changed, expected)
    assert (found.after[2:11, 2:10] == 1).all(), "the same object has the same id"
    assert not np.isin(found.after[after != 7], [1, 2, 3, 4, 5]).any(), "others have ids of their own"
    np.testing.assert_array_equal(found.before, before)


def test_the_same_objects_under_other_ids_are_no_change():
    before = np.zeros((20, 20), np.int32)
    before[2:8, 2:8], before[10:18, 10:18] = 1, 2
    found = find_changes(ORDER, before, np.array([0, 9, 4])[before])
    assert found.words == "Both models find the same objects here."
    assert not found.changed.any()
    np.testing.assert_array_equal(found.after, before)
