"""A stack is remembered plane by plane: what was given away stays as it was, and what did not change is not copied."""

import numpy as np
import pytest

from napari_instseg.session.plane_memory import PlaneMemory


@pytest.mark.parametrize(("shape", "ndim"), [((9, 8), 2), ((4, 9, 8), 2), ((2, 3, 9, 8), 2), ((5, 9, 8), 3)])
def test_random_changes_against_whole_copies(shape, ndim):
    rng = np.random.default_rng(0)
    array = np.zeros(shape, np.int32)
    array[..., :3, :3] = 7
    planes, twin = PlaneMemory(array, ndim), array.copy()
    given = []
    for step in range(60):
        low = [rng.integers(0, side) for side in shape]
        box = tuple(slice(at, rng.integers(at + 1, side + 1)) for at, side in zip(low, shape, strict=True))
        array[box] = rng.integers(0, 3)
        if step % 3:
            planes.take(array, box)
            twin[box] = array[box]
        else:
            array[...] = twin  # a change that nobody takes is not remembered
        np.testing.assert_array_equal(planes.read(box), twin[box])
        for index in np.ndindex(shape[: len(shape) - ndim]):
            np.testing.assert_array_equal(planes[index], twin[index])
        if step % 5 == 0:
            given.append((planes.give(), twin.copy()))
    for mapping, then in given:
        np.testing.assert_array_equal(planes.whole(mapping), then)


def test_only_what_changed_is_copied():
    array = np.ones((6, 20, 30), np.int32)
    planes = PlaneMemory(array, 2)
    before = planes.give()
    array[2, 4, 5] = 9
    planes.take(array, np.s_[2:3, 4:5, 5:6])
    after = planes.give()
    assert [index for index in before if not np.shares_memory(before[index], after[index])] == [(2,)]
    assert (before[2,] == 1).all()
    assert not PlaneMemory(np.zeros((3, 4, 5), bool), 2).give(), "what is empty takes no memory"
    assert list(planes.within(())) == [(index,) for index in range(6)]
    assert list(planes.within((3,))) == [(3,)]
