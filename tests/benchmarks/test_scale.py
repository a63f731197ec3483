"""What images of any size cost is measured, and joining by faces makes the errors that it is known for."""

import numpy as np

from napari_instseg.benchmarks.faces import compare_at_faces, join_by_faces
from napari_instseg.core.events import Result
from napari_instseg.inference.stitch import Blocks


def two_blocks():
    return Blocks.split((40, 100), (40, 70), 20)


def test_joining_by_faces_joins_neighbours_that_touch_and_ours_does_not():
    blocks = two_blocks()
    (cut,) = {core[1].start for core in blocks.cores} - {0}
    truth = np.zeros((40, 100), np.int32)
    truth[5:20, cut - 8 : cut], truth[5:20, cut : cut + 8] = 1, 2  # touch along the face
    truth[25:35, cut - 5 : cut + 5] = 3  # lies across it
    found = compare_at_faces(truth, blocks)
    assert (found.across, found.ours, found.by_faces) == (3, 0, 2)
    joined = join_by_faces(blocks, [truth[window] for window in blocks.windows])
    assert len(np.unique(joined[truth == 3])) == 1
    assert np.array_equal(joined > 0, truth > 0)


def test_no_axis_is_read_much_more_than_once():
    """Whatever the length, windows are no longer than needed."""
    from napari_instseg.inference.tiles import split_axis

    for length in range(400, 9000, 61):
        spans = split_axis(length, 512, 48, 16)
        assert sum(span.stop - span.start for span in spans) <= length + (len(spans) - 1) * 2 * 48 + len(spans) * 16


def test_events_end_with_both_lists(tmp_path):
    from napari_instseg.benchmarks.scale import benchmark_scale

    *_, last = benchmark_scale("discriminative-nuclei", tmp_path, sides=(), only=("sides",))
    assert isinstance(last, Result)
    assert last.value == ([], [])
