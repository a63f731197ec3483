"""ClusterNet's step of refining: what is laid over what, with a drawing function that says what it was asked."""

import numpy as np
import pytest
import torch

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.pipeline import Pipeline
from napari_instseg.methods import get_method
from napari_instseg.networks.clusternet import ClusterNetwork, likeness
from napari_instseg.refining.clusternet import MARGIN, RefinementParams, draw_segments, refinement_stages


def by_nearness(radius):
    """Draw what is nearer to the mean than the radius."""

    def draw(embedding, means, windows):
        parts = [embedding[(slice(None), *window)] for window in windows]
        apart = [np.linalg.norm(part - mean[:, None, None], axis=0) for part, mean in zip(parts, means, strict=True)]
        return [(distance < radius).astype(np.float32) for distance in apart]

    return draw


def scene():
    """Two squares far apart in the embedding, the second with a hole that clustering left."""
    truth = np.zeros((90, 100), np.int32)
    truth[10:30, 10:30], truth[50:80, 40:80] = 1, 2
    embedding = np.stack([10.0 * truth, np.zeros(truth.shape)]).astype(np.float32)
    labels = truth.copy()
    labels[60:64, 50:60] = 0
    return truth, embedding, labels


def test_a_hole_is_drawn_back_and_a_ghost_goes_to_the_background():
    truth, embedding, labels = scene()
    labels[0:4, 60:90] = 3
    found = draw_segments(labels, embedding, by_nearness(5.0))
    np.testing.assert_array_equal(found, truth)


def test_larger_segments_are_laid_over_smaller_ones():
    embedding = np.zeros((1, 40, 40), np.float32)
    labels = np.zeros((40, 40), np.int32)
    labels[5:10, 5:10], labels[20:35, 20:35] = 1, 2

    def draw(_embedding, means, windows):
        sizes = {0: 12, 1: 20}
        masks = []
        for rank, window in enumerate(windows):
            mask = np.zeros(embedding[0][window].shape, np.float32)
            mask[: sizes.get(rank, 0), : sizes.get(rank, 0)] = 1
            masks.append(mask)
        return masks

    found = draw_segments(labels, embedding, draw)
    assert (found == 2).sum() == 400
    assert not (found == 1).any()


def test_segments_are_drawn_within_their_surroundings_and_the_background_everywhere():
    _, embedding, labels = scene()
    asked = []

    def draw(embedding, means, windows):
        asked.extend(zip(means.tolist(), windows, strict=True))
        return [np.zeros(embedding[0][window].shape, np.float32) for window in windows]

    assert not draw_segments(labels, embedding, draw).any()
    (first, near), (second, _), (ground, whole) = asked
    assert (first, second) == ([10, 0], [20, 0])
    assert near == (slice(0, 30 + MARGIN), slice(0, 30 + MARGIN))
    assert whole == (slice(0, 90), slice(0, 100))
    assert ground[0] == pytest.approx(20 * 40 / (labels == 0).sum())


@pytest.mark.parametrize(
    ("refinement", "names"),
    [
        ("none", ["holes"]),
        ("clusternet, random field", ["1. clusternet", "2. random field", "holes"]),
        (
            "random field, clusternet, random field",
            ["1. random field", "2. clusternet", "3. random field", "holes"],
        ),
    ],
)
def test_steps_are_in_the_order_that_is_asked_for(refinement, names):
    assert [stage.name for stage in refinement_stages(RefinementParams(refinement=refinement))] == names


def test_without_its_model_a_prediction_says_what_to_do():
    truth, embedding, _ = scene()
    method = get_method("clusternet")
    outputs = {"embedding": embedding, "foreground": (truth > 0).astype(np.float32)}
    pipeline = Pipeline(outputs, method.stages)
    with pytest.raises(InputError, match=r"without its model.*choose the refinement 'none'"):
        pipeline.run(method.decode(clusterer="mean-shift"))
    assert pipeline.run(method.decode(clusterer="mean-shift", refinement="none")).n_objects == 2
    drawn = Pipeline(outputs, method.stages, helpers={"clusternet": by_nearness(5.0)})
    found = drawn.run(method.decode(clusterer="mean-shift"))
    assert found.n_objects == len(found.score) == 2
    window = drawn.run(method.decode(clusterer="mean-shift"), window=(slice(0, 40), slice(0, 40)))
    assert window.n_objects == 1


def test_likeness_is_one_at_the_mean_and_zero_at_the_farthest_pixel():
    embedding = torch.tensor([[[0.0, 1.0, 4.0]], [[0.0, 0.0, 0.0]]])
    found = likeness(embedding, torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    torch.testing.assert_close(found[:, 0], torch.tensor([[1.0, 0.75, 0.0], [2 / 3, 1.0, 0.0]]))
    assert torch.isfinite(likeness(torch.zeros(2, 3, 3), torch.zeros(1, 2))).all()


def test_masks_are_learnt_from_the_true_means_and_do_not_teach_the_embedding():
    class Fixed(torch.nn.Module):
        stride, halo, coordinates, encoder_parts = 1, 0, "none", ()

        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, image, coordinates=None):
            return {"embedding": image * self.scale}

    from napari_instseg.core.method import Target

    truth, embedding, _ = scene()
    labels = torch.from_numpy(truth[None, :88, :88].astype(np.int64))
    labels[0, 80:] = -1
    image = torch.from_numpy(embedding[None, :, :88, :88])
    torch.manual_seed(0)
    network = ClusterNetwork(Fixed(), 2, 4)
    assert set(network(image)) == {"embedding"}
    raw = network(image, None, Target(labels))
    assert raw["mask"].shape == (2, 1, 88, 88)
    assert sorted(int((mask == 1).sum()) for mask in raw["mask_truth"]) == [400, 1200]
    assert (raw["mask_truth"][:, 80:] == -1).all()
    raw["mask"].sum().backward()
    assert network.network.scale.grad is None
    assert any(weight.grad is not None for weight in network.clusternet.parameters())


def test_drawing_does_not_depend_on_the_windows_size():
    torch.manual_seed(0)
    network = get_method("clusternet").build(get_method("clusternet").network(width=4, levels=1), 1, 2, 0).eval()
    _, embedding, _ = scene()
    means = np.array([[10, 0], [10, 0]], np.float32)
    halo = network.clusternet.halo
    start = 8
    whole, part = network.draw(embedding, means, [(slice(0, 90), slice(0, 100)), (slice(start, 90), slice(start, 100))])
    assert part.shape == (82, 92)
    inner = whole[start + halo : 90 - 8, start + halo : 100 - 8]
    np.testing.assert_allclose(part[halo : 82 - 8, halo : 92 - 8], inner, atol=1e-5)
