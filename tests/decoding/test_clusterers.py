from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import adjusted_rand_score

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.decoding.blocks import condense
from napari_instseg.decoding.clusters import cluster_spread, compactness
from napari_instseg.decoding.density import cut_tree, single_linkage_tree
from napari_instseg.decoding.kmeans import k_means
from napari_instseg.decoding.meanshift import cluster_points, mean_shift, mean_shift_exact
from napari_instseg.decoding.sample import draw_sample, spread_labels
from napari_instseg.decoding.seeds import find_seeds, grow_seeds, similarity

twins = run_path(str(Path(__file__).parent / "slow_twins.py"))
SHAPES = [(150, 131), (9, 48, 53)]


def seeds_in(embedding, mask, seediness, n_seeds, diversity):
    return find_seeds(embedding, mask, condense(embedding, mask), seediness, n_seeds, diversity)


def scene(shape, n=25, **options):
    made = simulate_scene(shape, n, **options)
    return made.labels, made.outputs["embedding"], made.labels > 0


def fast(embedding, mask, bandwidth):
    return mean_shift(embedding, mask, condense(embedding, mask), bandwidth)


def agreement(a, b, mask):
    return adjusted_rand_score(a[mask], b[mask])


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_are_summed_up_as_their_pixels_say(shape):
    _, embedding, mask = scene(shape, noise=0.3)
    blocks = condense(embedding, mask)
    depth, height, width = (1, *shape)[-3:]
    e, m = embedding.reshape(-1, depth, height, width), mask.reshape(depth, height, width)
    rows = -(-height // 4)
    for z in range(depth):
        for by in range(rows):
            for bx in range(-(-width // 4)):
                window = (z, slice(4 * by, 4 * by + 4), slice(4 * bx, 4 * bx + 4))
                points = e[(slice(None), *window)][:, m[window]].T
                at = (z * rows + by, bx)
                assert blocks.count[at] == len(points)
                if len(points):
                    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
                    np.testing.assert_allclose(blocks.mean[at], points.mean(axis=0), atol=1e-5)
                    assert blocks.reach[at] == pytest.approx(distance.max(), abs=1e-5)
                    assert blocks.spread[at] == pytest.approx(np.sqrt((distance**2).mean()), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dims", [1, 2, 8, 32])
def test_separate_objects_are_found_whole(shape, dims):
    labels, embedding, mask = scene(shape, dims=dims, noise=0.03, blur=0.0)
    for found in (fast(embedding, mask, 0.5), mean_shift_exact(embedding, mask, 0.5)):
        assert agreement(labels, found.map, mask) == 1
        assert not found.map[~mask].any()
        assert len(found.centres) == found.map.max() == len(np.unique(labels)) - 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.05, 0.08])
def test_mean_shift_agrees_with_the_papers_loop_where_objects_run_into_each_other(seed, noise):
    _, embedding, mask = scene((200, 220), n=40, noise=noise, seed=seed)
    paper = twins["mean_shift_loop"](embedding, mask, 0.5)
    assert agreement(paper, fast(embedding, mask, 0.5).map, mask) >= 0.999
    assert agreement(paper, mean_shift_exact(embedding, mask, 0.5).map, mask) >= 0.9995


@pytest.mark.parametrize("seed", range(3))
def test_borders_between_objects_are_not_drawn_along_blocks(seed):
    """Embeddings that go over into each other slowly, as of a network that does not tell neighbours apart well."""
    rng = np.random.default_rng(seed)
    embedding = ndimage.gaussian_filter(rng.standard_normal((4, 200, 210), np.float32), (0, 9, 9))
    embedding /= embedding.std()
    mask = np.ones((200, 210), bool)
    exact, quick = mean_shift_exact(embedding, mask, 0.8), mean_shift(embedding, mask, condense(embedding, mask), 0.8)
    steps = [on_blocks(clusters.map) for clusters in (exact, quick)]
    assert 0.2 < steps[0] < 0.3
    assert steps[1] < 0.3


def on_blocks(labels):
    """Share of the faces between objects that lie on the border of a block of 4 x 4; a quarter by chance."""
    faces = [np.diff(np.moveaxis(labels, axis, 0), axis=0) != 0 for axis in (0, 1)]
    return sum(face[3::4].sum() for face in faces) / sum(face.sum() for face in faces)


def test_pixels_between_objects_join_the_nearer_one_if_asked_to():
    embedding = np.zeros((2, 40, 60), np.float32)
    embedding[0, :, 30:] = 4
    embedding[0, :, 29], embedding[0, :, 30] = 1.2, 2.9
    embedding[1, 10:15, 5:9] = 9
    mask = np.ones((40, 60), bool)
    blocks = condense(embedding, mask)
    apart = mean_shift(embedding, mask, blocks, 0.5)
    assert len(np.unique(apart.map[:, 29:31])) > 1
    assert not np.isin(apart.map[:, 29:31], apart.map[0, [0, 59]]).any()
    claimed = mean_shift(embedding, mask, blocks, 0.5, claim=True)
    expected = np.where(np.arange(60) < 30, claimed.map[0, 0], claimed.map[0, 59])[None].repeat(40, 0)
    expected[10:15, 5:9] = claimed.map[12, 7]
    assert claimed.map[12, 7] not in claimed.map[0]
    # lines along the border long enough to be objects stay clusters; the stage after this knows them as seams
    free = np.ones((40, 60), bool)
    free[:, 29:31] = False
    np.testing.assert_array_equal(claimed.map[free], expected[free])


def test_pixels_of_one_embedding_are_one_cluster_wherever_they_lie():
    embedding = np.zeros((4, 60, 90), np.float32)
    embedding[0, :, 45:] = 3
    mask = np.zeros((60, 90), bool)
    mask[5:20, 5:20] = mask[40:55, 20:30] = mask[10:40, 60:80] = True
    found = fast(embedding, mask, 0.5)
    assert len(found.centres) == 2
    assert found.map[10, 10] == found.map[50, 25] != found.map[20, 70]


@pytest.mark.parametrize("touching", [True, False])
def test_objects_of_twenty_pixels_are_not_lost(touching):
    rng = np.random.default_rng(5)
    embedding = np.zeros((8, 80, 80), np.float32)
    truth = np.ones((80, 80), np.int32) if touching else np.zeros((80, 80), np.int32)
    for k, corner in enumerate(rng.permutation(64)[:30], start=2):
        y, x = 10 * (corner // 8) + rng.integers(0, 5), 10 * (corner % 8) + rng.integers(0, 5)
        truth[y : y + 4, x : x + 5] = k
    means = rng.uniform(-6, 6, (32, 8))
    embedding[:] = means[truth].transpose(2, 0, 1)
    embedding += 0.05 * rng.standard_normal(embedding.shape, np.float32)
    assert agreement(truth, fast(embedding, truth > 0, 0.5).map, truth > 0) == 1


def test_points_are_shifted_to_their_densest_place():
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.05, (200, 3))
    tail = np.array([[0.4, 0, 0], [0.45, 0, 0]])
    points = np.concatenate([tail, dense]).astype(np.float32)
    labels, centres = cluster_points(points, np.ones(202, np.int32), 0.5)
    assert (labels == 1).all()
    np.testing.assert_allclose(centres, points.mean(axis=0, keepdims=True), atol=1e-4)


def test_weights_count_as_so_many_points():
    points = np.array([[0.0], [0.4], [5.0]], np.float32)
    _, centres = cluster_points(points, np.array([3, 1, 1], np.int32), 0.5)
    np.testing.assert_allclose(centres.ravel(), [0.1, 5.0], atol=1e-6)


def test_nothing_in_the_foreground_gives_no_cluster():
    embedding, mask = np.ones((3, 20, 20), np.float32), np.zeros((20, 20), bool)
    sample = draw_sample(embedding, mask, 100)
    seeds = seeds_in(embedding, mask, None, 10, 0.3)
    empty = [
        fast(embedding, mask, 0.5),
        mean_shift_exact(embedding, mask, 0.5),
        k_means(embedding, mask, sample, 3),
        spread_labels(embedding, mask, condense(embedding, mask), sample, np.zeros(0, np.int32)),
        grow_seeds(seeds, 0.5, "logistic", 1.0)[0],
    ]
    for clusters in empty:
        assert not clusters.map.any()
        assert clusters.centres.shape == (0, 3)


def test_a_sample_is_even_and_drawn_from_the_foreground():
    _, embedding, mask = scene((150, 131))
    sample = draw_sample(embedding, mask, 500)
    assert mask.ravel()[sample.pixels].all()
    assert len(np.unique(sample.pixels)) == len(sample.pixels)
    assert sample.share == pytest.approx(len(sample.pixels) / mask.sum())
    assert len(sample.pixels) == 500
    np.testing.assert_array_equal(sample.points, embedding.reshape(8, -1)[:, sample.pixels].T)
    everything = draw_sample(embedding, mask, mask.sum())
    np.testing.assert_array_equal(everything.pixels, np.flatnonzero(mask))


@pytest.mark.parametrize("min_cluster_size", [4, 10, 25, 60])
def test_a_cut_tree_equals_hdbscan_fitted_anew(min_cluster_size):
    from hdbscan import HDBSCAN

    _, embedding, mask = scene((150, 131), noise=0.15)
    points = draw_sample(embedding, mask, 900).points
    found = cut_tree(single_linkage_tree(points, 5), min_cluster_size)
    fitted = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=5, algorithm="prims_kdtree", core_dist_n_jobs=1
    ).fit(points.astype(float))
    np.testing.assert_array_equal(found == 0, fitted.labels_ == -1)
    assert adjusted_rand_score(found, fitted.labels_) == 1
    assert len(np.unique(fitted.labels_)) > 3


def test_a_tree_with_equal_points_is_cut_as_by_hdbscan():
    from hdbscan import HDBSCAN

    rng = np.random.default_rng(3)
    points = np.concatenate([np.repeat(rng.integers(0, 9, (12, 2)), 7, axis=0), rng.normal(4, 3, (60, 2))])
    points = points.astype(np.float32)
    fitted = HDBSCAN(min_cluster_size=5, min_samples=3, algorithm="prims_kdtree", core_dist_n_jobs=1).fit(points)
    found = cut_tree(single_linkage_tree(points, 3), 5)
    np.testing.assert_array_equal(found == 0, fitted.labels_ == -1)
    assert adjusted_rand_score(found, fitted.labels_) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_has_a_pixel_of_every_full_cell(shape):
    embedding, mask = np.zeros((1, *shape), np.float32), np.ones(shape, bool)
    pixels = np.zeros(shape, bool)
    sample = draw_sample(embedding, mask, mask.size // 40, seed=3)
    pixels.ravel()[sample.pixels] = True
    # no window of three cells' side is left out
    side = int(np.ceil(3 * 40 ** (1 / mask.ndim)))
    assert ndimage.maximum_filter(pixels, side, mode="nearest").all()
    other = draw_sample(embedding, mask, mask.size // 40, seed=4)
    assert len(np.intersect1d(sample.pixels, other.pixels)) < len(sample.pixels) / 4


def test_clusters_of_a_sample_are_carried_over_to_all_pixels():
    labels, embedding, mask = scene((150, 131), blur=0.0)
    sample = draw_sample(embedding, mask, 1500)
    own = labels.ravel()[sample.pixels]
    found = spread_labels(embedding, mask, condense(embedding, mask), sample, own)
    np.testing.assert_array_equal(found.map[mask], labels[mask])


def test_k_means_equals_scikit_learn_on_the_same_pixels():
    from sklearn.cluster import KMeans

    labels, embedding, mask = scene((60, 70), n=8, noise=0.02, blur=0.0)
    n = len(np.unique(labels)) - 1
    found = k_means(embedding, mask, draw_sample(embedding, mask, 10**6), n)
    reference = KMeans(n, n_init=4, random_state=0).fit_predict(embedding[:, mask].T)
    assert adjusted_rand_score(found.map[mask], reference) == 1
    assert found.map[~mask].max() == 0


def test_similarities_are_the_papers_kernels():
    squared = np.array([0.0, 0.5, 4.0], np.float32)
    np.testing.assert_allclose(similarity(squared, "logistic", 1.0), 2 / (1 + np.exp(squared)), rtol=1e-5)
    np.testing.assert_allclose(similarity(squared, "gaussian", 1.0), np.exp(-squared / 2), rtol=1e-5)
    np.testing.assert_allclose(similarity(squared, "laplacian", 2.0), np.exp(-np.sqrt(squared) / 2), rtol=1e-5)
    assert similarity(np.array([1e6], np.float32), "logistic", 1.0)[0] == 0


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(40, 51), (5, 17, 21)])
def test_seeds_equal_the_greedy_choice_by_brute_force(shape, alpha):
    _, embedding, mask = scene(shape, n=12, dims=16)
    seediness = np.random.default_rng(1).uniform(0.05, 1, shape).astype(np.float32)
    seeds = seeds_in(embedding, mask, seediness, 20, alpha)
    points = embedding[:, mask].T.astype(np.float64)
    expected = twins["greedy_seeds"](points, seediness[mask].astype(np.float64), 20, alpha)
    np.testing.assert_array_equal(seeds.pixels, np.flatnonzero(mask)[expected])
    distance = ((points[:, None] - points[expected][None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(seeds.nearest[mask], distance.argmin(axis=1) + 1)
    np.testing.assert_allclose(seeds.squared[mask], distance.min(axis=1), atol=1e-4)


@pytest.mark.parametrize("kernel", ["logistic", "gaussian", "laplacian"])
def test_pixels_join_the_nearest_seed_when_similar_enough(kernel):
    _, embedding, mask = scene((60, 61), n=12, dims=16, noise=0.2)
    seeds = seeds_in(embedding, mask, None, 30, 0.3)
    clusters, leader = grow_seeds(seeds, 0.4, kernel, 1.5)
    between = ((seeds.points[:, None] - seeds.points[None]) ** 2).sum(axis=2)
    holds = similarity(between, kernel, 1.5) >= 0.4
    leads = []
    own = np.zeros(len(seeds.points), int)
    for k in range(len(seeds.points)):
        by = [lead for lead in leads if holds[lead, k]]
        if not by:
            leads.append(k)
        own[k] = by[0] if by else k
    assert leader.tolist() == leads
    expected = np.where(
        similarity(seeds.squared, kernel, 1.5) >= 0.4, np.searchsorted(leads, own[seeds.nearest - 1]) + 1, 0
    )
    np.testing.assert_array_equal(clusters.map[mask], expected[mask])
    assert not clusters.map[~mask].any()


def test_a_threshold_for_each_seed_holds_for_its_pixels_only():
    embedding = np.array([[[0.0, 0.8, 9.8, 9.0]]], np.float32)
    seeds = seeds_in(embedding, np.ones((1, 4), bool), np.array([[1, 0.1, 0.1, 0.9]], np.float32), 2, 0.3)
    clusters, _ = grow_seeds(seeds, np.array([0.9, 0.2], np.float32), "logistic", 1.0)
    assert clusters.map.tolist() == [[1, 0, 2, 2]]


def test_far_embeddings_are_told_apart_to_a_fraction():
    """Semi-convolutional embeddings hold positions of thousands of pixels, whose squares swamp single precision."""
    embedding = np.full((2, 3, 40), 4000.0, np.float32)
    embedding[0] += np.linspace(0, 3, 40, dtype=np.float32)
    seeds = seeds_in(embedding, np.ones((3, 40), bool), None, 2, 1.0)
    expected = (embedding.reshape(2, -1, 1) - seeds.points.T[:, None].astype(np.float64)) ** 2
    np.testing.assert_allclose(seeds.squared.ravel(), expected.sum(axis=0).min(axis=1), atol=1e-3)


def test_compactness_compares_the_spread_with_the_room():
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 10.0]], np.float32)
    np.testing.assert_allclose(compactness(centres, np.array([0.0, 2.0, 5.0])), [1, 0.5, 0.5])
    np.testing.assert_array_equal(compactness(centres[:1], np.array([3.0])), [1])


@pytest.mark.parametrize("claim", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_shift_knows_the_spread_of_its_clusters(shape, claim):
    _, embedding, mask = scene(shape, noise=0.1)
    clusters = mean_shift(embedding, mask, condense(embedding, mask), 0.5, claim)
    np.testing.assert_allclose(clusters.spread, cluster_spread(embedding, clusters), atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_spread_is_that_of_each_clusters_pixels(shape):
    _, embedding, mask = scene(shape, noise=0.2)
    clusters = mean_shift_exact(embedding, mask, 1.0)
    for k, spread in enumerate(cluster_spread(embedding, clusters), start=1):
        points = embedding[:, clusters.map == k].T
        expected = np.sqrt(((points - clusters.centres[k - 1]) ** 2).sum(axis=1).mean())
        assert spread == pytest.approx(expected, abs=1e-4)


def test_a_third_of_the_rows_tells_the_spread_nearly_as_well():
    _, embedding, mask = scene((150, 131), noise=0.2, blur=0.0)
    clusters = fast(embedding, mask, 2.0)
    np.testing.assert_allclose(cluster_spread(embedding, clusters, 3), cluster_spread(embedding, clusters), rtol=0.15)
