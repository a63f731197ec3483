"""What is held out is a fixed part of the world: more examples do not turn what judged into what teaches."""

import numpy as np

from napari_instseg.training.material import Plane, hold_out


def plane(name, count):
    """One object of 6 by 6 in each square of 64."""
    labels = np.zeros((512, 512), np.int32)
    for number in range(count):
        y, x = divmod(number, 8)
        labels[64 * y + 20 : 64 * y + 26, 64 * x + 20 : 64 * x + 26] = number + 1
    return Plane(name, labels[None].astype(np.uint8), labels, np.full_like(labels, -1))


def judges(planes):
    return {(p.name, int(id_)) for p in planes for id_ in np.unique(p.judge[p.judge > 0])}


def test_what_judged_one_version_mostly_judges_the_next():
    few = hold_out([plane("b", 32), plane("c", 20)], 0.2, 7.0, 0)
    more = hold_out([plane("a", 64), plane("b", 64), plane("c", 64)], 0.2, 8.0, 0)
    assert len(judges(few)) == 10  # a fifth of 52
    assert len(judges(more)) == 38
    assert len(judges(few) & judges(more)) >= 8  # 2 would be chance
    assert judges(hold_out([plane("b", 32), plane("c", 20)], 0.2, 7.0, 1)) != judges(few)


def test_what_is_held_out_does_not_teach():
    for one in hold_out([plane("b", 32)], 0.2, 7.0, 0):
        assert not ((one.learn >= 0) & (one.judge >= 0)).any()
        assert ((one.learn > 0) | (one.judge > 0)).sum() == 32 * 36
