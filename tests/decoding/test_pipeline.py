import threading

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Stage
from napari_instseg.core.params import Params, tunable
from napari_instseg.decoding.pipeline import DecodingStopped, Pipeline


class Two(Params):
    low: float = tunable(1.0, 0.0, 9.0, title="Low", help="First stage.")
    high: float = tunable(1.0, 0.0, 9.0, title="High", help="Second stage.")


class Counted:
    """Two stages that count how often they run: add `low`, then multiply by `high`."""

    def __init__(self):
        self.runs = {"add": 0, "multiply": 0}

    def add(self, data, params):
        self.runs["add"] += 1
        return {"sum": data["map"] + params.low}

    def multiply(self, data, params):
        self.runs["multiply"] += 1
        return {"labels": (data["sum"] * params.high).astype(np.int32)}

    def stages(self):
        # bound methods compare equal, so the plan may be made anew for every run
        return (Stage("add", ("low",), self.add), Stage("multiply", ("high",), self.multiply))


@pytest.fixture
def counted():
    return Counted()


def outputs():
    return {"map": np.arange(12, dtype=np.float32).reshape(3, 4)}


def test_a_changed_parameter_runs_its_stage_and_those_after_it(counted):
    pipeline = Pipeline(outputs(), counted.stages())
    pipeline.run(Two())
    pipeline.run(Two(high=2.0))
    assert counted.runs == {"add": 1, "multiply": 2}
    segmentation = pipeline.run(Two(low=3.0, high=2.0))
    assert counted.runs == {"add": 2, "multiply": 3}
    np.testing.assert_array_equal(segmentation.labels, ((outputs()["map"] + 3) * 2).astype(np.int32))


def test_an_earlier_value_is_remembered_with_all_that_followed_from_it(counted):
    pipeline = Pipeline(outputs(), counted.stages())
    first = pipeline.run(Two())
    pipeline.run(Two(low=5.0))
    again = pipeline.run(Two())
    assert counted.runs == {"add": 2, "multiply": 2}
    np.testing.assert_array_equal(first.labels, again.labels)
    assert again.timings == {"add": 0.0, "multiply": 0.0}


def test_a_later_stage_is_not_taken_from_another_earlier_result(counted):
    pipeline = Pipeline(outputs(), counted.stages())
    pipeline.run(Two(low=1.0, high=2.0))
    changed = pipeline.run(Two(low=2.0, high=2.0))
    np.testing.assert_array_equal(changed.labels, ((outputs()["map"] + 2) * 2).astype(np.int32))


def test_without_room_everything_runs_and_the_result_is_the_same(counted):
    pipeline = Pipeline(outputs(), counted.stages(), cache_bytes=0)
    first, second = pipeline.run(Two()), pipeline.run(Two())
    assert counted.runs == {"add": 2, "multiply": 2}
    assert pipeline.cached_bytes == 0
    np.testing.assert_array_equal(first.labels, second.labels)


def test_the_memory_stays_within_its_limit_and_forgets_the_oldest(counted):
    one_run = outputs()["map"].nbytes * 2
    pipeline = Pipeline(outputs(), counted.stages(), cache_bytes=2 * one_run)
    for value in range(6):
        pipeline.run(Two(low=float(value)))
        assert 0 < pipeline.cached_bytes <= 2 * one_run
    pipeline.run(Two(low=5.0))
    assert counted.runs["add"] == 6
    pipeline.run(Two(low=0.0))
    assert counted.runs["add"] == 7


def test_a_stage_that_reads_an_undeclared_parameter_is_told_so(counted):
    sly = Stage("sly", ("low",), lambda data, params: {"labels": data["map"] * params.high})
    with pytest.raises(AttributeError, match="Stage 'sly' uses parameter 'high'.*declares: low"):
        Pipeline(outputs(), (sly,)).run(Two())


def test_two_stages_of_one_name_are_an_error(counted):
    add, _ = counted.stages()
    with pytest.raises(ValueError, match="found twice: add"):
        Pipeline(outputs(), (add, add)).run(Two())


def test_stopping_is_asked_before_each_stage(counted):
    answers = iter([False, True])
    with pytest.raises(DecodingStopped):
        Pipeline(outputs(), counted.stages()).run(Two(), should_stop=lambda: next(answers))
    assert counted.runs == {"add": 1, "multiply": 0}


def test_the_plan_may_change_with_the_parameters(counted):
    add, multiply = counted.stages()
    copy = Stage("copy", (), lambda data, params: {"labels": data["map"].astype(np.int32)})
    pipeline = Pipeline(outputs(), lambda params: (add, multiply) if params.low else (copy,))
    assert pipeline.run(Two(low=0.0)).labels.max() == 11
    assert pipeline.run(Two(low=1.0)).labels.max() == 12


def test_runs_from_several_threads_give_each_its_own_answer(counted):
    pipeline = Pipeline(outputs(), counted.stages())
    results = {}

    def work(value):
        results[value] = pipeline.run(Two(low=float(value))).labels.copy()

    threads = [threading.Thread(target=work, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for value, labels in results.items():
        np.testing.assert_array_equal(labels, (outputs()["map"] + value).astype(np.int32))


def test_a_window_outside_the_grid_is_an_error(counted):
    with pytest.raises(InputError, match="holds none of the 4 pixels"):
        Pipeline(outputs(), counted.stages()).run(Two(), window=(slice(0, 3), slice(9, 12)))


def test_the_window_has_its_own_shape_and_leaves_the_whole_alone(counted):
    shape = (300, 280)
    labels = np.zeros(shape, np.float32)
    labels[10:20, 10:20], labels[150:160, 150:170] = 1, 2
    relabel = Stage("relabel", (), lambda data, params: {"labels": data["map"].astype(np.int32)})
    pipeline = Pipeline({"map": labels}, (relabel,))
    part = pipeline.run(Two(), window=(slice(140, 200), slice(100, 160)))
    assert part.labels.shape == (60, 60)
    np.testing.assert_array_equal(part.labels > 0, labels[140:200, 100:160] == 2)
    assert part.n_objects == 1
    np.testing.assert_array_equal(pipeline.run(Two()).labels, labels)
