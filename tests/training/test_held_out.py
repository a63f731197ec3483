"""What is held out is a fixed part of the world: more examples do not turn what judged into what teaches."""

import numpy as np

from napari_instseg.training.annotations import Annotated, all_unknown
from napari_instseg.training.held_out import hold_out


def image(name, count):
    """One object of 6 by 6 in each square of 64."""
    labels = np.zeros((512, 512), np.int32)
    for number in range(count):
        y, x = divmod(number, 8)
        labels[64 * y + 20 : 64 * y + 26, 64 * x + 20 : 64 * x + 26] = number + 1
    return Annotated(name, labels[None].astype(np.uint8), labels, all_unknown(labels.shape))


def judges(images):
    return {(p.name, int(id_)) for p in images for id_ in np.unique(p.judge[p.judge > 0])}


def test_what_judged_one_version_mostly_judges_the_next():
    few = hold_out([image("b", 32), image("c", 20)], 0.2, 7.0, 0)
    more = hold_out([image("a", 64), image("b", 64), image("c", 64)], 0.2, 8.0, 0)
    assert len(judges(few)) == 10  # a fifth of 52
    assert len(judges(more)) == 38
    assert len(judges(few) & judges(more)) >= 8  # 2 would be chance
    assert judges(hold_out([image("b", 32), image("c", 20)], 0.2, 7.0, 1)) != judges(few)


def test_what_is_held_out_does_not_teach():
    for one in hold_out([image("b", 32)], 0.2, 7.0, 0):
        assert not ((one.learn >= 0) & (one.judge >= 0)).any()
        assert ((one.learn > 0) | (one.judge > 0)).sum() == 32 * 36


def test_known_background_is_held_out_with_the_cell_that_it_is_in():
    """Objects that are made up there have to count against the new model."""
    given = image("b", 32)
    (one,) = hold_out([given], 0.2, 7.0, 0)
    cells = {(y // 64, x // 64) for y, x in zip(*np.nonzero(one.judge > 0), strict=True)}
    assert len(cells) == 6  # a fifth of 32
    held = np.zeros(given.learn.shape, bool)
    for y, x in cells:
        held[64 * y : 64 * y + 64, 64 * x : 64 * x + 64] = True
    np.testing.assert_array_equal(one.judge, np.where(held, given.learn, -1))
    np.testing.assert_array_equal(one.learn, np.where(held, -1, given.learn))


def test_an_object_that_is_made_up_on_held_out_background_makes_the_score_lower():
    from napari_instseg.metrics import evaluate_labels, settle_unknown

    (one,) = hold_out([image("b", 32)], 0.2, 7.0, 0)
    right = np.maximum(one.judge, 0)
    y, x = np.argwhere(one.judge == 0)[0]
    wrong = right.copy()
    wrong[y : y + 5, x : x + 5] = 99
    scores = [evaluate_labels([settle_unknown(one.judge, found)])["ap"]["0.5"] for found in (right, wrong)]
    assert scores == [1.0, 6 / 7]


def test_of_objects_in_one_cell_single_ones_are_held_out_and_no_background():
    labels = np.zeros((40, 40), np.int32)
    for number, (y, x) in enumerate([(2, 2), (2, 20), (20, 2), (20, 20)], 1):
        labels[y : y + 5, x : x + 5] = number
    (one,) = hold_out([Annotated("a", labels[None].astype(np.uint8), labels, all_unknown(labels.shape))], 0.25, 5.0, 0)
    assert len(np.unique(one.judge)) == 2  # -1 and one object
    assert (one.judge == 0).sum() == 0
    assert len(np.unique(one.learn)) == 5  # -1, 0 and the three others


def test_one_object_alone_teaches():
    labels = np.zeros((40, 40), np.int32)
    labels[2:8, 2:8] = 1
    (one,) = hold_out([Annotated("a", labels[None].astype(np.uint8), labels, all_unknown(labels.shape))], 0.5, 6.0, 0)
    np.testing.assert_array_equal(one.learn, labels)
    assert (one.judge == -1).all()
