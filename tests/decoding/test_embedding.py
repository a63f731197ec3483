import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.pipeline import Pipeline

CLUSTERERS = ("mean-shift", "hdbscan", "k-means", "seeded growth")


@pytest.fixture(scope="module")
def scene():
    return simulate_scene((140, 151), 20, noise=0.05)


def outputs_of(scene, *names):
    return {name: scene.outputs[name] for name in names or ("embedding", "foreground", "seediness")}


def decode(outputs, **changes):
    return Pipeline(outputs, embedding_stages).run(EmbeddingDecode(**changes))


def same(a, b):
    np.testing.assert_array_equal(a.labels, b.labels)
    np.testing.assert_array_equal(a.score, b.score)
    assert a.class_id is b.class_id is None or (a.class_id == b.class_id).all()


@pytest.mark.parametrize("shape", [(140, 151), (12, 60, 61)])
@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_every_clusterer_finds_the_objects(clusterer, shape):
    scene = simulate_scene(shape, 20, noise=0.05)
    n = len(np.unique(scene.labels)) - 1
    found = decode(outputs_of(scene), clusterer=clusterer, n_clusters=n, n_seeds=60, similarity=0.4, sample_size=2500)
    inside = scene.labels > 0
    assert adjusted_rand_score(scene.labels[inside], found.labels[inside]) > 0.9
    assert n - 2 <= found.n_objects <= n + 4
    assert found.labels.dtype == np.int32
    assert np.unique(found.labels).tolist() == list(range(found.n_objects + 1))
    assert found.score.dtype == np.float32
    assert ((found.score > 0) & (found.score <= 1)).all()


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_half_precision_and_other_memory_orders_change_nothing_that_counts(scene, clusterer):
    changes = {"clusterer": clusterer, "similarity": 0.4, "n_clusters": 20, "sample_size": 1500}
    whole = decode(outputs_of(scene), **changes)
    half = decode({name: array.astype(np.float16) for name, array in outputs_of(scene).items()}, **changes)
    other = decode({name: np.asfortranarray(array) for name, array in outputs_of(scene).items()}, **changes)
    same(whole, other)
    assert adjusted_rand_score(whole.labels.ravel(), half.labels.ravel()) > 0.97


changes = st.fixed_dictionaries(
    {},
    optional={
        "clusterer": st.sampled_from(CLUSTERERS),
        "foreground_threshold": st.sampled_from([0.3, 0.5, 0.8]),
        "bandwidth": st.sampled_from([0.3, 0.5, 1.2]),
        "exact": st.booleans(),
        "min_cluster_size": st.sampled_from([20, 60, 300]),
        "min_samples": st.sampled_from([3, 8]),
        "sample_size": st.sampled_from([600, 1500]),
        "n_clusters": st.sampled_from([3, 20]),
        "n_seeds": st.sampled_from([5, 40]),
        "diversity": st.sampled_from([0.0, 0.3]),
        "similarity": st.sampled_from([0.2, 0.6]),
        "own_threshold": st.booleans(),
        "kernel": st.sampled_from(["logistic", "gaussian", "laplacian"]),
        "kernel_scale": st.sampled_from([0.5, 1.0]),
        "connected": st.booleans(),
        "min_size": st.sampled_from([0, 30, 200]),
        "absorb": st.booleans(),
        "min_score": st.sampled_from([0.0, 0.5, 0.8]),
    },
)


@pytest.fixture(scope="module")
def small():
    scene = simulate_scene((64, 72), 9, noise=0.06)
    tau = np.where(scene.outputs["foreground"] > 0.7, 0.5, 0.25).astype(np.float32)
    return {**outputs_of(scene), "tau": tau}


@given(sequence=st.lists(changes, min_size=2, max_size=5))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_decode_from_memory_equals_a_cold_one(small, sequence):
    pipeline = Pipeline(small, embedding_stages)
    params = EmbeddingDecode()
    for change in sequence:
        params = params.changed(**change)
        same(pipeline.run(params), Pipeline(small, embedding_stages).run(params))


def test_every_parameter_but_the_clusterer_is_read_by_a_stage():
    read = {
        name for c in CLUSTERERS for stage in embedding_stages(EmbeddingDecode(clusterer=c)) for name in stage.reads
    }
    assert read == set(EmbeddingDecode.model_fields) - {"clusterer"}


def test_what_is_shown_for_a_clusterer_is_what_its_stages_read():
    for clusterer in CLUSTERERS:
        params = EmbeddingDecode(clusterer=clusterer)
        read = {name for stage in embedding_stages(params) for name in stage.reads}
        assert read == {parameter.name for parameter in params.visible()} - {"clusterer"}


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_what_is_in_view_first_then_all_equals_all(scene, clusterer):
    params = EmbeddingDecode(clusterer=clusterer, n_clusters=20, sample_size=1500)
    pipeline = Pipeline(outputs_of(scene), embedding_stages)
    pipeline.run(params, window=(slice(20, 80), slice(30, 90)))
    same(pipeline.run(params), Pipeline(outputs_of(scene), embedding_stages).run(params))


def test_objects_in_view_are_those_of_the_whole():
    scene = simulate_scene((400, 420), 60, blur=0.0)
    window = (slice(150, 260), slice(140, 250))
    pipeline = Pipeline(outputs_of(scene), embedding_stages)
    part = pipeline.run(EmbeddingDecode(), window=window)
    whole = pipeline.run(EmbeddingDecode())
    assert part.n_objects > 3
    assert adjusted_rand_score(part.labels.ravel(), whole.labels[window].ravel()) == 1


def test_pieces_that_do_not_touch_are_objects_of_their_own_if_asked_for():
    embedding = np.zeros((2, 40, 60), np.float32)
    foreground = np.zeros((40, 60), np.float32)
    foreground[5:15, 5:20] = foreground[20:35, 30:50] = 1
    outputs = {"embedding": embedding, "foreground": foreground}
    assert decode(outputs, connected=True).n_objects == 2
    assert decode(outputs, connected=False).n_objects == 1


def test_without_a_foreground_every_pixel_is_in_an_object_or_the_background_class_decides(scene):
    embedding = scene.outputs["embedding"]
    assert (decode({"embedding": embedding}).labels > 0).mean() > 0.99
    semantic = np.stack([1 - scene.outputs["foreground"], scene.outputs["foreground"]])
    found = decode({"embedding": embedding, "semantic": semantic})
    np.testing.assert_array_equal(found.labels, decode(outputs_of(scene)).labels)
    assert (found.class_id == 1).all()


def test_objects_of_two_classes_may_share_their_embedding():
    embedding = np.zeros((4, 30, 40), np.float32)
    semantic = np.zeros((3, 30, 40), np.float32)
    semantic[0] = 1
    semantic[:, 5:25, 5:20] = np.reshape([0, 0.9, 0.1], (3, 1, 1))
    semantic[:, 5:25, 20:35] = np.reshape([0, 0.2, 0.8], (3, 1, 1))
    found = decode({"embedding": embedding, "semantic": semantic})
    assert found.n_objects == 2
    assert found.labels[10, 10] != found.labels[10, 30]
    by_label = dict(zip(found.table["label"], found.table["class"], strict=True))
    assert [by_label[found.labels[10, x]] for x in (10, 30)] == [1, 2]


def test_the_score_is_the_mean_foreground_times_the_compactness():
    embedding = np.zeros((1, 20, 40), np.float32)
    embedding[0, :, 20:] = 4
    embedding[0, ::2, 20:] += 1
    embedding[0, 1::2, 20:] -= 1
    foreground = np.full((20, 40), 0.8, np.float32)
    found = decode({"embedding": embedding, "foreground": foreground}, bandwidth=2.5)
    # the first object is a point, the second spreads by 1, and 4 lies between them
    np.testing.assert_allclose(np.sort(found.score), [0.8 * 4 / 6, 0.8], rtol=1e-5)


def test_a_seed_gives_its_object_score_and_class(scene):
    outputs = outputs_of(scene)
    outputs["seed_class"] = np.where(np.arange(151) < 75, 1, 2)[None].repeat(140, 0).astype(np.float32)
    found = decode(outputs, clusterer="seeded growth", similarity=0.4)
    assert set(found.class_id) == {1, 2}
    assert found.score.max() <= outputs["seediness"].max()
    # greedy seeds lie where seediness is high, so scores are above the mean of their objects
    means = [outputs["seediness"][found.labels == k].mean() for k in range(1, found.n_objects + 1)]
    assert np.mean(found.score > means) > 0.8


def test_unsure_objects_are_dropped_and_the_rest_renumbered(scene):
    everything = decode(outputs_of(scene))
    level = float(np.median(everything.score))
    sure = decode(outputs_of(scene), min_score=level)
    np.testing.assert_array_equal(sure.score, everything.score[everything.score >= np.float32(level)])
    kept = np.isin(everything.labels, 1 + np.flatnonzero(everything.score >= np.float32(level)))
    np.testing.assert_array_equal(sure.labels > 0, kept)
    assert np.unique(sure.labels).tolist() == list(range(sure.n_objects + 1))


def test_a_larger_smallest_size_never_adds_objects(scene):
    pipeline = Pipeline(outputs_of(scene), embedding_stages)
    counts = [pipeline.run(EmbeddingDecode(min_size=size, absorb=False)).n_objects for size in (0, 20, 100, 400, 5000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0
