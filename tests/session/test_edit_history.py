"""The history against a slow twin that keeps whole copies; its size and its speed."""

import time

import numpy as np
import pytest

from napari_instseg.session import edit_history
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.edit_history import Edit, EditHistory, Patch


class Twin:
    """Undo and redo by copies of everything."""

    def __init__(self, state):
        self.past, self.future = [state], []

    def add(self, state):
        if not all(np.array_equal(a, b) for a, b in zip(state, self.past[-1], strict=True)):
            self.past.append(state)
            self.future.clear()

    def undo(self):
        if len(self.past) > 1:
            self.future.append(self.past.pop())
        return self.past[-1]

    def redo(self):
        if self.future:
            self.past.append(self.future.pop())
        return self.past[-1]


def state(corrections):
    arrays = corrections.snapshot()()
    return [arrays[name] for name in ("labels", "accepted", "complete", "emptied")]


def random_step(rng, corrections):
    """Do something to the corrections that a user may do."""
    shape = corrections.labels.shape
    low = [int(rng.integers(0, length - 1)) for length in shape]
    box = tuple(
        slice(a, int(rng.integers(a + 1, min(a + 9, length) + 1))) for a, length in zip(low, shape, strict=True)
    )
    what = rng.integers(5)
    if what == 0:
        corrections.labels[box] = rng.integers(0, 6)
        corrections.painted("paint")
    elif what == 1:
        corrections.accept(*rng.integers(0, 8, size=2).tolist())
    elif what == 2:
        corrections.reject(*rng.integers(0, 8, size=3).tolist())
    elif what == 3:
        inside = rng.random(corrections.labels[box].shape) < 0.7
        corrections.mark(box, inside, complete=bool(rng.integers(2)))
    else:
        from napari_instseg.editing.change import Change

        index, inner = tuple(part.start for part in box[:-2]), box[-2:]
        new = rng.integers(0, 6, size=tuple(part.stop - part.start for part in inner)).astype(np.int32)
        corrections.edit("edit", Change(inner, new, (int(rng.integers(1, 6)),)), index)


@pytest.mark.parametrize("shape", [(20, 24), (3, 12, 14)])
def test_random_edits_undos_and_redos_are_as_those_of_a_slow_twin(shape):
    rng = np.random.default_rng(11)
    for _ in range(12):
        corrections = Annotation(rng.integers(0, 4, size=shape).astype(np.int32))
        twin = Twin(state(corrections))
        for _ in range(60):
            what = rng.integers(5)
            if what == 0:
                corrections.undo()
                twin.undo()
            elif what == 1:
                corrections.redo()
                twin.redo()
            else:
                random_step(rng, corrections)
                twin.add(state(corrections))
            for mine, theirs in zip(state(corrections), twin.past[-1], strict=True):
                np.testing.assert_array_equal(mine, theirs)
            assert bool(corrections.history.undo_title) == (len(twin.past) > 1)
            assert bool(corrections.history.redo_title) == bool(twin.future)


def test_every_edit_is_undone_exactly_and_all_of_them_in_a_row_too():
    rng = np.random.default_rng(3)
    corrections = Annotation(rng.integers(0, 4, size=(30, 30)).astype(np.int32))
    states = [state(corrections)]
    for _ in range(200):
        before = len(corrections.history)
        random_step(rng, corrections)
        if len(corrections.history) > before:
            states.append(state(corrections))
    for expected in reversed(states[:-1]):
        assert corrections.undo() is not None
        for mine, theirs in zip(state(corrections), expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert corrections.undo() is None
    while corrections.redo() is not None:
        pass
    for mine, theirs in zip(state(corrections), states[-1], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_thousand_edits_grow_neither_slower_nor_large(monkeypatch):
    monkeypatch.setattr(edit_history, "IN_MEMORY_BYTES", 20_000)  # so that most of them lie on disk
    rng = np.random.default_rng(0)
    labels = np.zeros((1024, 1024), np.int32)
    start = labels.copy()
    corrections = Annotation(labels)
    times = []
    for number in range(1000):
        y, x = rng.integers(0, 980, size=2)
        labels[y : y + 40, x : x + 40][rng.random((40, 40)) < 0.9] = number % 50 + 1
        begin = time.thread_time()
        corrections.painted("paint")
        times.append(time.thread_time() - begin)
    first, last = np.median(times[50:250]), np.median(times[-200:])
    assert last < 2 * first
    assert last < 0.05
    assert len(corrections.history) == 1000
    # a tenth of what copies of the patches' pixels before and after would take
    assert corrections.history.nbytes < 1000 * 2 * 40 * 40 * 4
    end = labels.copy()
    for _ in range(1000):
        corrections.undo()
    np.testing.assert_array_equal(labels, start)
    for _ in range(1000):
        corrections.redo()
    np.testing.assert_array_equal(labels, end)


def test_edits_that_were_undone_are_cut_off_the_file():
    history, array = EditHistory(), np.zeros((50, 50), np.int32)

    def step(value):
        before = array.copy()
        array[:] = np.random.default_rng(value).integers(0, 9999, array.shape)
        history.add(Edit("step", [Patch.between("a", np.s_[0:50, 0:50], before, array)]))

    for value in range(5):
        step(value)
    size = history.nbytes
    for _ in range(4):
        history.undo({"a": array}, set())
    for value in range(1, 5):
        step(value)
    assert history.nbytes == size
    for _ in range(9):
        history.undo({"a": array}, set())
    assert not array.any()


def test_an_edit_knows_where_it_was():
    array = np.zeros((4, 20, 20), np.int32)
    corrections = Annotation(array)
    array[2, 5:9, 11:15] = 1
    corrections.painted("paint")
    assert corrections.undo().place == (2, 7, 13)
    assert corrections.redo().place == (2, 7, 13)
