"""Clusternet's additions to the discriminative loss, and the masks' loss, against closed forms and slow twins."""

import math
from itertools import permutations

import pytest
import torch

from napari_instseg.losses.boundary import boundary_loss, boundary_pixels, key_point_weights
from napari_instseg.losses.discriminative import discriminative_loss
from napari_instseg.losses.mask import mask_loss
from napari_instseg.losses.params import BoundaryLoss, DiscriminativeLoss, MaskLoss
from napari_instseg.losses.sampling import background_as_object

ON = BoundaryLoss(boundary_weight=1.0, boundary_samples=2000)


def scene(seed=0):
    """Three objects, two of which touch, in two images; the last row is unknown."""
    labels = torch.zeros(2, 9, 9, dtype=torch.int64)
    labels[:, 1:4, 1:5], labels[:, 1:4, 5:8], labels[0, 5:7, 2:7] = 3, 8, 5
    labels[:, 8] = -1
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 9, 9, generator=rng, dtype=torch.float64), labels


def slow_boundary(embedding, labels, delta_e):
    per_image = []
    for image, truth in zip(embedding, labels, strict=True):
        edges = {}
        for y in range(9):
            for x in range(9):
                k = int(truth[y, x])
                around = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
                inside = [int(truth[a, b]) for a, b in around if 0 <= a < 9 and 0 <= b < 9]
                if k > 0 and any(n not in (k, -1) for n in inside):
                    edges.setdefault(k, []).append(image[:, y, x])
        pairs = list(permutations(edges, 2))
        total = 0
        for a, b in pairs:
            pushes = [max(0, 2 * delta_e - float(torch.dist(p, q))) ** 2 for p in edges[a] for q in edges[b]]
            total += sum(pushes) / len(pushes)
        per_image.append(total / len(pairs))
    return sum(per_image) / len(per_image)


def test_boundary_agrees_with_a_slow_twin():
    embedding, labels = scene()
    found = boundary_loss(embedding, labels, ON, 1.2)["boundary"]
    assert found.item() == pytest.approx(slow_boundary(embedding, labels, 1.2), rel=1e-9)


def test_boundary_pixels_are_found_in_any_dimension():
    cube = torch.zeros(1, 5, 5, 5, dtype=torch.int64)
    cube[0, 1:4, 1:4, 1:4] = 2
    edge = boundary_pixels(cube)[0]
    assert not edge[2, 2, 2], "the core"
    assert (edge & (cube[0] == 2)).sum() == 26
    cube[0, 0] = -1
    assert not boundary_pixels(cube)[0, 1, 2, 2], "next to the unknown only"


def test_boundary_samples_at_most_so_many():
    embedding, labels = scene()
    torch.manual_seed(0)
    few = [boundary_loss(embedding, labels, ON.changed(boundary_samples=3), 1.2)["boundary"].item() for _ in range(200)]
    assert len(set(few)) > 1
    assert sum(few) / len(few) == pytest.approx(slow_boundary(embedding, labels, 1.2), rel=0.06)


@pytest.mark.parametrize("fill", [0, -1, 4])
def test_boundary_of_no_or_one_object(fill):
    embedding, labels = scene()
    embedding.requires_grad_(True)
    for these in (torch.full_like(labels, fill), (labels == 3).long() * 3):
        loss = boundary_loss(embedding, these, ON, 1.2)["boundary"]
        loss.backward()
        assert loss.item() == 0
        assert not embedding.grad.any()


def test_boundary_gradient_ids_and_unknown():
    embedding, labels = scene()
    assert torch.autograd.gradcheck(
        lambda e: boundary_loss(e, labels, ON, 1.2)["boundary"], embedding.requires_grad_(True)
    )
    loss = boundary_loss(embedding, labels, ON, 1.2)["boundary"]
    loss.backward()
    assert not embedding.grad[:, :, 8].any()
    other = torch.where(labels == 3, 30, labels)
    assert boundary_loss(embedding, other, ON, 1.2)["boundary"].item() == pytest.approx(loss.item())


def test_key_points_are_the_corners_and_the_centre():
    labels = torch.zeros(1, 7, 9, dtype=torch.int64)
    labels[0, 1:6, 1:8] = 4
    weights = key_point_weights(labels, 10.0)[0]
    assert {tuple(place) for place in torch.nonzero(weights == 10).tolist()} == {(1, 1), (1, 7), (5, 1), (5, 7), (3, 4)}
    assert (weights == 1).sum() == 7 * 9 - 5


def test_weighted_mean_by_hand():
    """Three pixels in a row at 0, 3 and 9, of which the ends and the middle are key points; a fourth is not."""
    embedding = torch.tensor([[[[0.0, 3.0, 9.0, 40.0]]]], dtype=torch.float64)
    labels = torch.tensor([[[1, 1, 1, 1]]])
    weights = torch.tensor([[[2.0, 1.0, 1.0, 0.5]]])
    mean = (2 * 0 + 3 + 9 + 20) / 4.5
    params = DiscriminativeLoss(delta_v=0.01)
    found = discriminative_loss(embedding, labels, params, weights=weights)["variance"]
    assert found.item() == pytest.approx(sum((abs(x - mean) - 0.01) ** 2 for x in (0, 3, 9, 40)) / 4)
    plain = discriminative_loss(embedding, labels, params)
    ones = discriminative_loss(embedding, labels, params, weights=torch.ones(1, 1, 4))
    for name, value in plain.items():
        assert ones[name].item() == pytest.approx(value.item())


def test_background_is_one_more_object():
    labels = torch.tensor([[0, 4, -1, 9]])
    assert background_as_object(labels).tolist() == [[1, 5, -1, 10]]


def test_mask_loss_by_hand():
    logits = torch.tensor([[[[0.0, 2.0, -3.0, 50.0]]]])
    truth = torch.tensor([[[1, 0, 0, -1]]])
    found = mask_loss(logits, truth, MaskLoss(inside_weight=5.0, mask_weight=2.0))["mask"].item()
    expected = 5 * math.log(2) + math.log(1 + math.exp(2)) + math.log(1 + math.exp(-3))
    assert found == pytest.approx(2 * expected / 3, rel=1e-5)
