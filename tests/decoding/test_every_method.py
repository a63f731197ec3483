"""What holds for the decoding of every method and each of its parameters."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.pipeline import Pipeline
from napari_instseg.methods import methods

SHAPE = (56, 64)
METHODS = tuple(methods())


def detections(labels, embedding):
    """A region for each object, and one of them twice."""
    rng = np.random.default_rng(0)
    rows = []
    for k in np.unique(labels)[1:]:
        inside = np.argwhere(labels == k)
        seed = embedding[(slice(None), *inside[len(inside) // 2])]
        head = [*inside.min(axis=0), *(inside.max(axis=0) + 1), rng.uniform(0.3, 1), 1]
        rows.append(np.concatenate([head, seed, [1.0], rng.normal(2, 1, MASK_SIDE**2)]))
    return np.stack([*rows, rows[0]]).astype(np.float32)


def draw(embedding, means, windows):
    """In place of ClusterNet: how near pixels are to the mean."""
    return [
        np.exp(-np.square(embedding[(slice(None), *window)] - mean[:, None, None]).sum(axis=0))
        for mean, window in zip(means, windows, strict=True)
    ]


@pytest.fixture(scope="module")
def known():
    scene = simulate_scene(SHAPE, 9, 4, n_colors=5, noise=0.06)
    outputs = dict(scene.outputs)
    outputs["tau"] = np.where(outputs["foreground"] > 0.7, 0.5, 0.25).astype(np.float32)
    outputs["seed_class"] = np.where(np.arange(SHAPE[1]) < 30, 1, 2)[None].repeat(SHAPE[0], 0).astype(np.float32)
    outputs["objectness"] = outputs["foreground"]
    outputs["detections"] = detections(scene.labels, outputs["embedding"])
    return outputs


def new_pipeline(name, known):
    method = methods()[name]
    outputs = {output.name: known[output.name] for output in method.outputs if output.name in known}
    assert {output.name for output in method.outputs if not output.optional} <= outputs.keys()
    rows = [output.name for output in method.outputs if output.layout == "rows"]
    return Pipeline(outputs, method.stages, rows=rows, helpers={"clusternet": draw})


def same(one, other):
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.score, other.score)
    np.testing.assert_array_equal(one.class_id, other.class_id)


def values_of(parameter):
    """Values around the default that make a difference on a small image."""
    if parameter.kind == "choice":
        return parameter.choices
    if parameter.kind == "bool":
        return (True, False)
    low, default = parameter.minimum, parameter.default
    high = min(parameter.maximum, 2 * default if default else low + 5 * parameter.step)
    return tuple(type(default)(value) for value in ((low + default) / 2, default, high))


@st.composite
def changes(draw_from, name):
    """A walk through the parameters, a few of them at a time."""
    parameters = methods()[name].decode.parameters()
    walk = []
    for _ in range(draw_from(st.integers(2, 5))):
        chosen = draw_from(st.lists(st.sampled_from(parameters), min_size=1, max_size=3))
        walk.append({parameter.name: draw_from(st.sampled_from(values_of(parameter))) for parameter in chosen})
    return walk


@pytest.mark.parametrize("name", METHODS)
def test_a_decode_from_memory_equals_a_cold_one(name, known):
    pipeline = new_pipeline(name, known)

    @given(walk=changes(name))
    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def check(walk):
        params = methods()[name].decode()
        for change in walk:
            params = params.changed(**change)
            same(pipeline.run(params), new_pipeline(name, known).run(params))

    check()


@pytest.mark.parametrize("name", METHODS)
def test_each_parameter_alone_is_decoded_from_memory_as_cold(name, known):
    method = methods()[name]
    pipeline = new_pipeline(name, known)
    for parameter in method.decode.parameters():
        for value in values_of(parameter):
            params = method.decode(**{parameter.name: value})
            same(pipeline.run(params), new_pipeline(name, known).run(params))


@pytest.mark.parametrize("name", METHODS)
def test_what_is_in_view_first_then_all_equals_all(name, known):
    params = methods()[name].decode(min_size=5)
    pipeline = new_pipeline(name, known)
    pipeline.run(params, window=(slice(10, 40), slice(20, 60)))
    same(pipeline.run(params), new_pipeline(name, known).run(params))


@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_that_drops_one_object_leaves_the_ids_of_the_others(name, known):
    method = methods()[name]
    pipeline = new_pipeline(name, known)
    least = method.decode.model_fields["min_score"].metadata[0].ge
    params = method.decode(min_score=least, min_size=5)
    before = pipeline.run(params)
    assert before.n_objects > 2
    shuffled = np.random.default_rng(1).permutation(before.n_objects) + 5
    shown = np.concatenate([[0], shuffled])[before.labels].astype(np.int32)
    second = float(np.sort(np.unique(before.score))[1])
    after = pipeline.run(params.changed(min_score=min(second, 1.0)))
    labels, _ = keep_ids(shown, after.labels)
    kept = labels > 0
    assert 0 < after.n_objects < before.n_objects
    np.testing.assert_array_equal(labels[kept], shown[kept])
