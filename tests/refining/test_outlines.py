import numpy as np
from scipy import ndimage

from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.pipeline import Pipeline
from napari_instseg.refining.outlines import OutlineParams, outline_stages


class Both(OutlineParams, EmbeddingDecode):
    """Clustering, then outlines."""


def stages(params):
    return embedding_stages(params, outline_stages(params))


def test_outlines_are_refined_before_objects_are_scored_and_numbered():
    scene = simulate_scene((140, 151), 20, seed=2)
    outputs = {name: scene.outputs[name].copy() for name in ("embedding", "foreground")}
    rng = np.random.default_rng(0)
    outputs["foreground"][(scene.labels > 0) & (rng.uniform(size=scene.labels.shape) < 0.02)] = 0
    pipeline = Pipeline(outputs, stages)
    rough = pipeline.run(Both(fill_holes=0))
    filled = pipeline.run(Both(fill_holes=20))
    smooth = pipeline.run(Both(fill_holes=20, smoothing=0.6))
    assert (filled.labels > 0).sum() > (rough.labels > 0).sum() + 50
    np.testing.assert_array_equal(filled.labels[rough.labels > 0], rough.labels[rough.labels > 0])

    def outline(segmentation):
        return np.count_nonzero(segmentation.labels != ndimage.grey_erosion(segmentation.labels, (3, 3)))

    assert outline(smooth) < outline(filled) < outline(rough)
    for segmentation in (rough, filled, smooth):
        assert np.unique(segmentation.labels).tolist() == list(range(segmentation.n_objects + 1))
        assert len(segmentation.score) == segmentation.n_objects


def test_objects_that_smoothing_removes_leave_no_gap_in_the_numbers():
    embedding = np.zeros((1, 40, 60), np.float32)
    foreground = np.zeros((40, 60), np.float32)
    foreground[2:8, 2:8], foreground[10:35, 10:50] = 1, 0.9
    outputs = {"embedding": embedding, "foreground": foreground}
    found = Pipeline(outputs, stages).run(Both(smoothing=2.0))
    assert found.n_objects == 1
    assert set(np.unique(found.labels)) == {0, 1}
    np.testing.assert_allclose(found.score, 0.9, rtol=1e-2)
