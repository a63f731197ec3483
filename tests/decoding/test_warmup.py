import gc
import threading
from dataclasses import replace

import numpy as np
import pytest
from numba.core import event

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.core.method import Stage
from napari_instseg.decoding import warmup
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.pipeline import Pipeline
from napari_instseg.methods import get_method

COMPILING = "numba:compiler_lock"
"""The event of numba that tells of each kernel compiled, or loaded from disk."""

METHODS = ("discriminative", "coloring", "metric", "semiconv")


@pytest.fixture(scope="module")
def outputs():
    scene = simulate_scene((200, 210), 30, n_colors=9)
    return dict(scene.outputs)


def of_method(outputs, method):
    return {output.name: outputs[output.name] for output in method.outputs if output.name in outputs}


@pytest.mark.parametrize("name", METHODS)
def test_after_it_nothing_is_left_to_compile(name, outputs):
    method = get_method(name)
    warmup.warm_up(method)
    pipeline = Pipeline(of_method(outputs, method), method.stages)
    with event.install_recorder(COMPILING) as recorder:
        found = pipeline.run(method.decode())
        pipeline.run(method.decode(), window=(slice(20, 120), slice(30, 130)))
        keep_ids(found.labels, found.labels)
    assert found.n_objects > 10
    assert recorder.buffer == []


def test_a_thorough_one_also_goes_through_what_a_user_may_choose(outputs):
    method = get_method("coloring")
    warmup.warm_up(method, thorough=True)
    pipeline = Pipeline(of_method(outputs, method), method.stages)
    with event.install_recorder(COMPILING) as recorder:
        for measure in ("hausdorff", "gap"):
            pipeline.run(method.decode(merge_distance=12.0, merge_measure=measure, foreground="threshold"))
    assert recorder.buffer == []


def test_classes_are_decoded_too():
    seen = set()

    def stages(params):
        first = Stage("spy", (), lambda data, _: seen.update(data) or {})
        return (first, *get_method("discriminative").stages(params))

    method = replace(get_method("discriminative"), stages=stages)
    warmup.warm_up(method)
    assert "semantic" not in seen
    warmup.warm_up(method, classes=2)
    assert "semantic" in seen


def test_a_method_with_other_outputs_has_nothing_to_warm_up():
    def fail(params):
        raise AssertionError("stages of a method whose outputs are not known were asked for")

    warmup.warm_up(replace(get_method("semiconv_rcnn"), stages=fail))


def test_it_stops_when_asked_to():
    ran = []

    def stages(params):
        return tuple(Stage(str(k), (), lambda data, _: ran.append(1) or {"labels": np.zeros((3, 3))}) for k in range(5))

    method = replace(get_method("coloring"), stages=stages)
    warmup.warm_up(method, thorough=True, should_stop=lambda: len(ran) >= 2)
    assert len(ran) == 2


def test_aside_it_runs_in_one_thread_for_the_same_arguments_and_collects_no_garbage():
    collecting = []
    method = get_method("coloring")
    spy = Stage("spy", (), lambda data, _: collecting.append(gc.isenabled()) or {})
    method = replace(method, stages=lambda params, stages=method.stages: (spy, *stages(params)))
    thread = warmup.warm_up_aside(method, method.decode())
    assert thread is warmup.warm_up_aside(method, method.decode())
    assert thread is not threading.current_thread()
    thread.join(120)
    assert not thread.is_alive()
    assert collecting == [False]
    assert gc.isenabled()
