"""The simulated user corrects the worst objects first, and the benchmark scores what a model learns from them."""

import numpy as np
import pytest

from napari_instseg.benchmarks.finetune import GO, User, benchmark_finetune, rank_objects
from napari_instseg.core.errors import ParameterError
from napari_instseg.core.events import Progress, Result
from napari_instseg.data.pairs import Example
from napari_instseg.inference.model import Model
from napari_instseg.io.models import ModelSpec
from napari_instseg.io.pairs import pairs_from_arrays
from napari_instseg.session.annotation import RING

RING_ROWS = [*range(20 - RING, 20), *range(24, 24 + RING)]


def scene():
    labels = np.zeros((60, 80), np.int32)
    for number, (y, x) in enumerate([(5, 5), (5, 40), (40, 5), (40, 60)], 1):
        labels[y : y + 10, x : x + 10] = number
    labels[5:15, 15:20] = 9  # touches object 1
    return Example((labels > 0).astype(np.uint8) * 200, "YX", labels)


class Finds:
    """A model that finds some objects exactly and others not at all."""

    def __init__(self, *ids):
        self.ids = ids

    def segment(self, image, **how):
        from napari_instseg.decoding.segmentation import Segmentation

        return Segmentation(np.where(np.isin(scene().labels, self.ids), scene().labels, 0))


def last(events):
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value


def test_the_worst_objects_are_first():
    order = last(rank_objects(Finds(2, 4), [scene()], None, 0, "cpu"))
    assert set(order[:3]) == {(0, 1), (0, 3), (0, 9)}
    assert set(order[3:]) == {(0, 2), (0, 4)}


def correct(examples, order, count):
    user = User(examples)
    user.correct(order, count)
    return list(user.examples.values())


def test_corrected_is_what_a_square_touches_and_nothing_else_is_known():
    example = scene()
    (found,) = correct([example], [(0, 1), (0, 4)], 2)
    known = found.labels >= 0
    assert set(np.unique(found.labels)) == {-1, 0, 1, 9}  # 9 is touched and counts, so 4 is not corrected any more
    np.testing.assert_array_equal(found.labels[known], example.labels[known])
    assert (found.labels == 9).sum() == (example.labels == 9).sum()
    (more,) = correct([example], [(0, 1), (0, 4)], 3)
    assert set(np.unique(more.labels)) == {-1, 0, 1, 9, 4}
    assert (more.labels[known] == found.labels[known]).all()


def test_a_second_go_leaves_what_is_right():
    example = scene()
    user = User([example])
    user.correct([(0, 1), (0, 4)], 1)
    user.correct([(0, 9), (0, 2), (0, 3)], 3)  # 9 was touched by 1
    (found,) = user.examples.values()
    (other,) = correct([example], [(0, 1), (0, 2)], 3)
    np.testing.assert_array_equal(found.labels, other.labels)


def test_around_what_was_corrected_is_the_ring_that_a_user_would_have():
    example = scene()
    example.labels[20:24, 20:76] = 5  # longer than its square
    (found,) = correct([example], [(0, 5)], 1)
    assert (found.labels[RING_ROWS, 20:76] == 0).all()
    assert (found.labels[18 - RING, 20:22] == -1).all()


@pytest.mark.timeout(900)
def test_the_table(tmp_path):
    spec = ModelSpec(name="m", method="coloring", diameter=10, network={"width": 8, "levels": 2})
    model = str(Model(spec).save(tmp_path / "m"))
    pairs = pairs_from_arrays([scene().image] * 3, [scene().labels] * 3)
    run = benchmark_finetune(
        [model], pairs[:2], pairs[2:], objects=(3,), minutes=(1e-6, 2e-6), remembered=((), ()), device="cpu"
    )
    (rows,) = [event.value for event in run if isinstance(event, Result)]
    assert [(row.start, row.objects, row.minutes) for row in rows] == [
        ("the model", 0, 0.0),
        ("the model", 3, 1e-6),
        ("the model", 3, 2e-6),
        ("nothing", 3, 1e-6),
        ("nothing", 3, 2e-6),
    ]
    assert all(0 <= row.mean_ap <= 1 for row in rows)
    assert all(row.steps == 1 for row in rows[1:])


@pytest.mark.timeout(900)
def test_in_two_goes_the_second_learns_from_the_first(tmp_path):
    spec = ModelSpec(name="m", method="coloring", diameter=10, network={"width": 8, "levels": 2})
    model = str(Model(spec).save(tmp_path / "m"))
    pairs = pairs_from_arrays([scene().image] * 3, [scene().labels] * 3)
    options = {"objects": (4,), "starts": ["the model"], "remembered": ((), ()), "seconds_per_step": 60.0, "goes": 2}
    run = benchmark_finetune([model], pairs[:2], pairs[2:], minutes=(GO + 1,), device="cpu", **options)
    events = list(run)
    (rows,) = [event.value for event in events if isinstance(event, Result)]
    assert [(row.objects, row.minutes, row.goes) for row in rows] == [(0, 0.0, 1), (4, GO + 1, 2)]
    steps = [event.total for event in events if isinstance(event, Progress) and event.what == "steps"]
    assert steps == [2, 2, 1]  # two minutes at first, then one
    with pytest.raises(ParameterError, match=r"2 goes take 2 minutes .* and 2 are asked for"):
        list(benchmark_finetune([model], pairs[:2], pairs[2:], minutes=(GO,), device="cpu", **options))
