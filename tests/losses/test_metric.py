"""The metric-learning losses against closed forms, slow twins, and what must not matter."""

import math

import pytest
import torch

from napari_instseg.losses.metric import (
    THRESHOLDS,
    log_dissimilarity,
    log_similarity,
    seediness_loss,
    similarity_loss,
    squared_distances,
    squared_radius,
)
from napari_instseg.losses.objects import index_objects
from napari_instseg.losses.params import MetricLoss
from napari_instseg.losses.sampling import gather_pixels, sample_pixels

ALL = MetricLoss(samples=100)
"""More pixels per object than there are: nothing is left to chance."""


def random_case(seed=0, side=6, dims=3, ids=(0, 3, 5, 9)):
    rng = torch.Generator().manual_seed(seed)
    embedding = 0.7 * torch.randn(2, dims, side, side, generator=rng, dtype=torch.float64)
    labels = torch.tensor(ids)[torch.randint(len(ids), (2, side, side), generator=rng)]
    return embedding, labels


def sigma(p, q):
    """Equation 1."""
    return 2 / (1 + torch.exp((p - q).square().sum()))


def slow_similarity(embedding, labels):
    per_image = []
    for image, truth in zip(embedding, labels, strict=True):
        pixels = [(int(truth[y, x]), image[:, y, x]) for y, x in torch.nonzero(truth >= 0)]
        size = {k: sum(owner == k for owner, _ in pixels) for k, _ in pixels}
        total = weights = 0
        for j, p in pixels:
            for k, q in pixels:
                weight = 1 / (size[j] * size[k])
                total -= weight * torch.log(sigma(p, q) if j == k else 1 - sigma(p, q))
                weights += weight
        per_image.append(total / weights)
    return sum(per_image) / len(per_image)


def test_similarity_agrees_with_a_slow_twin():
    embedding, labels = random_case()
    labels[0, 0] = -1
    found = similarity_loss(embedding, labels, ALL)["similarity"]
    assert found.item() == pytest.approx(slow_similarity(embedding, labels).item(), rel=1e-9)


def test_logarithms_are_those_of_equation_1():
    squared = torch.linspace(0.01, 6, 50, dtype=torch.float64)
    similarity = 2 / (1 + squared.exp())
    torch.testing.assert_close(log_similarity(squared), similarity.log())
    torch.testing.assert_close(log_dissimilarity(squared), (1 - similarity).log())
    assert log_similarity(torch.tensor(500.0)).item() == pytest.approx(math.log(2) - 500)
    for threshold in THRESHOLDS:
        radius = torch.tensor([squared_radius(threshold)])
        assert log_similarity(radius).exp().item() == pytest.approx(threshold, rel=1e-6)


def test_distances_as_one_product():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 8, generator=rng), torch.randn(7, 8, generator=rng)
    torch.testing.assert_close(squared_distances(a, b), (a[:, None] - b[None]).square().sum(-1), rtol=1e-4, atol=1e-5)


def test_gradient_of_the_similarity():
    embedding, labels = random_case(side=3)
    assert torch.autograd.gradcheck(
        lambda e: similarity_loss(e, labels, ALL)["similarity"], embedding.requires_grad_(True)
    )


def test_weighting_by_object_counts_every_sampled_pixel_alike():
    """One pixel against three, all far from each other: by hand."""
    embedding = torch.tensor([[[[0.0, 9.0, 9.0, 9.0]]]], dtype=torch.float64)
    labels = torch.tensor([[[1, 2, 2, 2]]])
    far = -math.log(1 - 2 / (1 + math.exp(81)))
    for weighting, share in (("object", 6 / 16), ("size", 1 / 2)):
        found = similarity_loss(embedding, labels, MetricLoss(weighting=weighting))["similarity"]
        assert found.item() == pytest.approx(share * far, abs=1e-12)
    near = torch.zeros_like(embedding)
    found = [similarity_loss(near, labels, MetricLoss(weighting=w))["similarity"].item() for w in ("object", "size")]
    assert found[1] / found[0] == pytest.approx((1 / 2) / (6 / 16))


def slow_mask_class(seed, threshold, image, truth, classes, good_iou):
    """Grow one mask and compare it with all objects."""
    grown = {
        (y, x)
        for y in range(truth.shape[0])
        for x in range(truth.shape[1])
        if truth[y, x] >= 0 and sigma(seed, image[:, y, x]) >= threshold
    }
    best = (0, 0)
    for k in torch.unique(truth[truth > 0]).tolist():
        member = {tuple(place) for place in torch.nonzero(truth == k).tolist()}
        best = max(best, (len(grown & member) / len(grown | member), int(classes[truth == k].max())))
    return best[1] if best[0] >= good_iou else 0


def clustered_case():
    """Objects that are partly separated in the embedding, so that masks are good at some thresholds only."""
    rng = torch.Generator().manual_seed(3)
    labels = torch.tensor([0, 3, 5])[torch.arange(64).reshape(8, 8) // 22]
    labels = torch.stack([labels, labels.T.contiguous()])
    labels[1, 0] = -1
    place = torch.tensor([[0.0, 0.0], [1.1, 0.0], [1.1, 0.6]], dtype=torch.float64)[labels.clamp(min=0) // 2]
    noise = 0.25 * torch.randn(2, 8, 8, 2, generator=rng, dtype=torch.float64)
    embedding = (place + noise).movedim(-1, 1)
    classes = (labels == 3) * 1 + (labels == 5) * 2
    return embedding, labels, classes


@pytest.mark.parametrize("step", [1, 2])
def test_seediness_agrees_with_a_slow_twin(step):
    embedding, labels, classes = clustered_case()
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(2, len(THRESHOLDS) * 3, 8, 8, generator=rng, dtype=torch.float64)
    entropies, truths = [], []
    for b in range(2):
        for y, x in torch.nonzero(labels[b] >= 0).tolist():
            for rank, threshold in enumerate(THRESHOLDS):
                coarse = [part[..., ::step, ::step] for part in (embedding[b], labels[b], classes[b])]
                kind = slow_mask_class(embedding[b, :, y, x], threshold, *coarse, 0.5)
                scores = logits[b, 3 * rank : 3 * rank + 3, y, x]
                entropies.append(-scores.log_softmax(0)[kind])
                truths.append(kind)
    assert min(truths.count(kind) for kind in (0, 1, 2)) > 20
    found = seediness_loss(embedding, logits, labels, ALL.changed(mask_step=step), classes)["seediness"]
    assert found.item() == pytest.approx(ALL.seed_weight * torch.stack(entropies).mean().item(), rel=1e-9)


def test_seediness_does_not_teach_the_embedding():
    embedding, labels, classes = clustered_case()
    embedding.requires_grad_(True)
    logits = torch.zeros(2, len(THRESHOLDS) * 3, 8, 8, dtype=torch.float64, requires_grad=True)
    seediness_loss(embedding, logits, labels, ALL, classes)["seediness"].backward()
    assert embedding.grad is None
    assert logits.grad[1, :, 1:].any()
    assert not logits.grad[1, :, 0].any(), "unknown pixels teach nothing"


def test_ids_may_be_permuted():
    embedding, labels = random_case()
    logits = torch.ones(2, len(THRESHOLDS) * 2, 6, 6, dtype=torch.float64)
    other = torch.where(labels == 3, 20, torch.where(labels == 9, 1, labels))
    few = MetricLoss(samples=3)
    found = []
    for these in (labels, other):
        torch.manual_seed(0)
        found.append(similarity_loss(embedding, these, ALL)["similarity"].item())
        found.append(seediness_loss(embedding, logits, these, few)["seediness"].item())
    assert found[:2] == pytest.approx(found[2:], rel=1e-12)


def test_unknown_pixels_teach_nothing():
    embedding, labels = random_case()
    labels[..., 3:] = -1
    embedding.requires_grad_(True)
    similarity_loss(embedding, labels, ALL)["similarity"].backward()
    assert embedding.grad[..., :3].any()
    assert not embedding.grad[..., 3:].any()


@pytest.mark.parametrize("left_out", [False, True])
def test_a_good_mask_of_unknown_class_teaches_nothing_of_classes(left_out):
    """It teaches that the mask is good, and no class more than another."""
    labels = torch.zeros(1, 6, 6, dtype=torch.int64)
    labels[0, 1:4, 1:5] = 1
    embedding = (9.0 * labels)[:, None].double()
    logits = torch.zeros(1, len(THRESHOLDS) * 4, 6, 6, dtype=torch.float64, requires_grad=True)
    classes = None if left_out else torch.where(labels > 0, -1, 0)
    seediness_loss(embedding, logits, labels, ALL, classes)["seediness"].backward()
    inside = logits.grad.reshape(len(THRESHOLDS), 4, 6, 6)[:, :, 1:4, 1:5]
    assert (inside[:, 0] > 0).all()
    assert (inside[:, 1:] < 0).all()
    torch.testing.assert_close(inside[:, 1], inside[:, 3])


@pytest.mark.parametrize("fill", [0, -1, 4])
def test_no_object_or_all_one_object(fill):
    embedding, labels = random_case()
    embedding.requires_grad_(True)
    logits = torch.zeros(2, len(THRESHOLDS) * 2, 6, 6, dtype=torch.float64, requires_grad=True)
    full = torch.full_like(labels, fill)
    terms = {**similarity_loss(embedding, full, ALL), **seediness_loss(embedding, logits, full, ALL)}
    sum(terms.values()).backward()
    assert torch.isfinite(embedding.grad).all()
    assert torch.isfinite(logits.grad).all()
    if fill == -1:
        assert sum(terms.values()).item() == 0


def test_sampling_takes_so_many_of_each_object_and_each_pixel_at_most_once():
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[0, :2] = 4
    labels[1, :, :3] = 2
    labels[1, 7, 7] = 9
    objects = index_objects(labels)
    torch.manual_seed(0)
    chosen = sample_pixels(objects, 5)
    assert torch.bincount(objects.owner[chosen]).tolist() == [5, 5, 1]
    assert len(torch.unique(chosen)) == len(chosen)
    assert not torch.equal(chosen, sample_pixels(objects, 5))
    torch.manual_seed(0)
    assert torch.equal(chosen, sample_pixels(objects, 5))
    counts = sum(torch.bincount(sample_pixels(objects, 4), minlength=len(objects.pixels)) for _ in range(400))
    # 16 pixels, 4 drawn at a time: each about 100 times
    assert counts[:16].min() > 60
    assert counts[:16].max() < 140


def test_gathering_gives_the_pixels_own_values():
    embedding, labels = random_case()
    objects = index_objects(labels)
    chosen = torch.arange(0, len(objects.pixels), 3)
    torch.testing.assert_close(gather_pixels(embedding, objects, chosen), objects.rows(embedding)[chosen])
