import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.decoding.coloring import ColoringDecode, coloring_stages
from napari_instseg.decoding.colors import winning_colors
from napari_instseg.decoding.pipeline import Pipeline


def probabilities(colors, n_colors=4, certainty=0.7):
    """One-hot of a colour map, softened."""
    rest = (1 - certainty) / (n_colors - 1)
    return np.stack([np.where(colors == c, certainty, rest) for c in range(n_colors)]).astype(np.float32)


def decode(outputs, **changes):
    return Pipeline(outputs, coloring_stages).run(ColoringDecode(**changes))


@pytest.mark.parametrize("shape", [(33, 45), (5, 16, 21)])
def test_the_winning_color_is_numpys_argmax(shape):
    colors = np.random.default_rng(0).dirichlet(np.ones(6), shape).astype(np.float32)
    colors = np.moveaxis(colors, -1, 0)
    color = winning_colors(colors)
    np.testing.assert_array_equal(color, colors.argmax(axis=0))
    color = winning_colors(colors, 0.8)
    np.testing.assert_array_equal(color, np.where(1 - colors[0] >= 0.8, colors[1:].argmax(axis=0) + 1, 0))


def test_objects_are_the_components_of_each_color():
    colors = np.zeros((40, 60), int)
    colors[2:12, 2:12], colors[2:12, 12:22], colors[20:30, 2:12], colors[35:38, 50:53] = 1, 2, 1, 3
    found = decode({"colors": probabilities(colors)}, min_size=10)
    assert found.n_objects == 3
    np.testing.assert_array_equal(found.labels > 0, (colors > 0) & (colors < 3))
    np.testing.assert_allclose(found.score, 0.7, rtol=1e-6)
    assert found.class_id is None


def test_a_threshold_instead_of_argmax_decides_what_is_foreground():
    # the background wins against each single colour, but not against all of them
    colors = np.full((4, 10, 10), 0.2, np.float32)
    colors[0], colors[2] = 0.35, 0.25
    assert decode({"colors": colors}, min_size=1).n_objects == 0
    found = decode({"colors": colors}, min_size=1, foreground="threshold", foreground_threshold=0.6)
    assert found.n_objects == 1
    assert (found.labels == 1).all()


def test_a_speck_of_another_color_inside_an_object_joins_it_or_becomes_background():
    colors = np.zeros((30, 30), int)
    colors[5:25, 5:25] = 1
    colors[10, 10], colors[15:17, 15:17] = 2, 3
    outputs = {"colors": probabilities(colors)}
    np.testing.assert_array_equal(decode(outputs, min_size=20).labels > 0, colors > 0)
    np.testing.assert_array_equal(decode(outputs, min_size=20, absorb=False).labels > 0, colors == 1)


def test_pieces_of_one_color_merge_below_the_distance_only():
    colors = np.zeros((20, 60), int)
    colors[5:15, 0:10], colors[5:15, 14:24], colors[5:15, 50:60] = 1, 1, 1
    colors[5:15, 10:14] = 2
    outputs = {"colors": probabilities(colors)}
    # the farthest pixel of either is 14 from the other, the nearest two are 5 apart
    assert decode(outputs, merge_distance=14.0).n_objects == 4
    merged = decode(outputs, merge_distance=14.5)
    assert merged.n_objects == 3
    assert merged.labels[10, 5] == merged.labels[10, 20] != merged.labels[10, 55]
    assert decode(outputs, merge_distance=5.0, merge_measure="gap").n_objects == 4
    assert decode(outputs, merge_distance=5.5, merge_measure="gap").n_objects == 3


def test_pieces_below_the_smallest_size_do_not_carry_a_merge():
    colors = np.zeros((10, 60), int)
    colors[2:8, 0:10], colors[5, 14:16], colors[2:8, 20:30] = 1, 1, 1
    outputs = {"colors": probabilities(colors)}
    assert decode(outputs, merge_distance=6.0, merge_measure="gap").n_objects == 2


def test_the_semantic_head_says_what_is_foreground_and_of_which_class():
    colors = np.zeros((30, 40), int)
    colors[5:25, 5:15] = colors[5:25, 25:35] = 1
    colors[5:25, 15:25] = 2
    semantic = np.zeros((3, 30, 40), np.float32)
    semantic[0] = 0.9
    semantic[1] = 0.1
    semantic[:, 5:20, 5:25] = np.reshape([0.1, 0.8, 0.1], (3, 1, 1))
    semantic[:, 5:20, 25:35] = np.reshape([0.1, 0.3, 0.6], (3, 1, 1))
    found = decode({"colors": probabilities(colors), "semantic": semantic})
    assert found.n_objects == 3
    np.testing.assert_array_equal(found.labels > 0, semantic[0] < 0.5)
    order = found.labels[10, [10, 20, 30]] - 1
    assert found.class_id[order].tolist() == [1, 1, 2]
    np.testing.assert_allclose(found.score[order], 0.7 * np.array([0.8, 0.8, 0.6]), rtol=1e-5)


def test_the_best_colour_decides_and_the_class_is_its_class():
    """A colour of .30 wins over two of .25 of another class, which together have .50."""
    colors = np.zeros((5, 8, 8), np.float32)
    colors[:, 2:6, 2:6] = np.reshape([0.1, 0.3, 0.1, 0.25, 0.25], (5, 1, 1))
    colors[0, 0] = colors[0, 1] = 1.0
    sums = np.stack([colors[0], colors[1:3].sum(0), colors[3:].sum(0)])
    found = decode({"colors": colors, "class_colors": sums}, min_size=1)
    assert found.class_id.tolist() == [1]
    np.testing.assert_allclose(found.score, [0.3], rtol=1e-6)
    fused = decode({"colors": colors, "class_colors": sums, "semantic": sums}, min_size=1)
    assert fused.class_id.tolist() == [2], "a semantic map of its own decides on the class"
    np.testing.assert_allclose(fused.score, [0.25 * 0.5], rtol=1e-6)


def test_objects_of_two_classes_are_apart_even_in_one_color():
    colors = np.ones((20, 40), int)
    semantic = np.full((3, 20, 40), 0.05, np.float32)
    semantic[1, :, :20] = semantic[2, :, 20:] = 0.9
    found = decode({"colors": probabilities(colors), "semantic": semantic})
    assert sorted(found.class_id) == [1, 2]
    assert found.labels[5, 5] != found.labels[5, 35]


@pytest.mark.parametrize("shape", [(140, 151), (14, 60, 61)])
def test_simulated_objects_are_found(shape):
    scene = simulate_scene(shape, 20, n_colors=9, seed=4)
    found = decode({"colors": scene.outputs["colors"]}, min_size=20)
    inside = scene.labels > 0
    assert adjusted_rand_score(scene.labels[inside], found.labels[inside]) > 0.9
    assert np.unique(found.labels).tolist() == list(range(found.n_objects + 1))


@pytest.fixture(scope="module")
def small():
    scene = simulate_scene((64, 72), 14, n_colors=5)
    return {"colors": scene.outputs["colors"]}


changes = st.fixed_dictionaries(
    {},
    optional={
        "foreground": st.sampled_from(["argmax", "threshold"]),
        "foreground_threshold": st.sampled_from([0.3, 0.6]),
        "min_size": st.sampled_from([0, 30, 90]),
        "absorb": st.booleans(),
        "merge_distance": st.sampled_from([0.0, 4.0, 15.0, 60.0]),
        "merge_measure": st.sampled_from(["hausdorff", "gap"]),
        "min_score": st.sampled_from([0.0, 0.8, 0.9]),
    },
)


@given(sequence=st.lists(changes, min_size=2, max_size=6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_decode_from_memory_equals_a_cold_one(small, sequence):
    pipeline = Pipeline(small, coloring_stages)
    params = ColoringDecode()
    for change in sequence:
        params = params.changed(**change)
        warm, cold = pipeline.run(params), Pipeline(small, coloring_stages).run(params)
        np.testing.assert_array_equal(warm.labels, cold.labels)
        np.testing.assert_array_equal(warm.score, cold.score)


def test_every_parameter_is_read_by_a_stage():
    read = {name for stage in coloring_stages(ColoringDecode()) for name in stage.reads}
    assert read == set(ColoringDecode.model_fields)
