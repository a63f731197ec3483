"""The discriminative loss: worked by hand, against a loop over objects, and what must not matter."""

import numpy as np
import pytest
import torch

from napari_instseg.losses import discriminative_loss
from napari_instseg.losses.params import DiscriminativeLoss

# one image of four pixels: two objects of two pixels each in a plane
PAIR = torch.tensor([[[1, 1, 2, 2]]])
POINTS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0], [2.0, 2.0]])


def as_embedding(points):
    return points.T.reshape(1, 2, 1, -1)


def random_case(shape, batch=3, dims=4, ids=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(-1, ids + 1, (batch, *shape)))
    labels[1] = 0
    embedding = torch.from_numpy(rng.normal(size=(batch, dims, *shape)))
    return embedding, labels


def gap(a, b):
    """Largest gap along an axis between two masks' boxes."""
    gaps = []
    for axis in range(a.ndim):
        first, second = np.nonzero(a)[axis], np.nonzero(b)[axis]
        gaps.append(max(first.min() - second.max(), second.min() - first.max(), 0))
    return max(gaps)


def slow(embedding, labels, params, classes=None):
    """Equations 1 to 3, object by object, averaged over an image's classes, then over images that have objects."""
    order = 1 if params.norm == "l1" else 2
    images = []

    def norm(v):
        return np.linalg.norm(v, ord=order, axis=0)

    for b, image in enumerate(labels.numpy()):
        masks = [image == i for i in np.unique(image[image > 0])]
        x = embedding[b].numpy()
        kinds = np.array([1 if classes is None else classes[b].numpy()[mask].max() for mask in masks])
        terms = []
        for kind in np.unique(kinds):
            own = [mask for mask, other in zip(masks, kinds, strict=True) if other == kind]
            means = [x[:, mask].mean(1) for mask in own]
            variance = [
                (np.maximum(norm(x[:, mask] - mean[:, None]) - params.delta_v, 0) ** 2).mean()
                for mask, mean in zip(own, means, strict=True)
            ]
            push = [
                max(2 * params.delta_d - norm(means[i] - means[j]), 0) ** 2
                for i in range(len(own))
                for j in range(len(own))
                if i != j and (not params.reach or gap(own[i], own[j]) < params.reach)
            ]
            terms.append((np.mean(variance), np.mean(push) if push else 0, np.mean([norm(mean) for mean in means])))
        if terms:
            images.append(np.mean(terms, axis=0))
    weights = (params.alpha, params.beta, params.gamma)
    return [weight * term for weight, term in zip(weights, np.mean(images, axis=0), strict=True)]


def test_worked_by_hand():
    """Means (2, 0) and (2, 2): pixels of the first 2 away, means 2 apart, norms 2 and sqrt 8."""
    terms = discriminative_loss(as_embedding(POINTS), PAIR, DiscriminativeLoss(gamma=1.0))
    assert terms["variance"].item() == pytest.approx(0.5 * (2 - 0.5) ** 2)
    assert terms["distance"].item() == pytest.approx((3 - 2) ** 2)
    assert terms["regularization"].item() == pytest.approx((2 + 8**0.5) / 2)


def test_worked_by_hand_in_the_city_block_norm():
    points = torch.tensor([[0.0, 0.0], [2.0, 2.0], [2.0, 1.0], [2.0, 1.0]])
    terms = discriminative_loss(as_embedding(points), PAIR, DiscriminativeLoss(norm="l1", gamma=1.0))
    assert terms["variance"].item() == pytest.approx(0.5 * (2 - 0.5) ** 2)
    assert terms["distance"].item() == pytest.approx((3 - 1) ** 2)
    assert terms["regularization"].item() == pytest.approx((2 + 3) / 2)


def test_inside_the_margins_nothing_pulls_or_pushes():
    points = torch.tensor([[0.0, 0.4], [0.0, -0.4], [3.1, 0.0], [3.1, 0.0]])
    embedding = as_embedding(points).requires_grad_()
    terms = discriminative_loss(embedding, PAIR, DiscriminativeLoss(gamma=0.0))
    (gradient,) = torch.autograd.grad(sum(terms.values()), embedding)
    assert sum(terms.values()) == 0
    assert not gradient.any()


@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 5)])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("reach", [0, 3])
@pytest.mark.parametrize("with_classes", [False, True])
def test_terms_equal_a_loop_over_objects(shape, norm, reach, with_classes):
    embedding, labels = random_case(shape)
    if reach:
        # objects that are small and scattered, so that some pairs are out of reach
        labels = torch.where(torch.rand(labels.shape, generator=torch.Generator().manual_seed(3)) < 0.85, 0, labels)
    classes = torch.where(labels > 0, 1 + labels % 2, 0) if with_classes else None
    params = DiscriminativeLoss(norm=norm, reach=reach, alpha=0.7, beta=2.0, gamma=0.1)
    terms = discriminative_loss(embedding, labels, params, classes)
    assert [term.item() for term in terms.values()] == pytest.approx(slow(embedding, labels, params, classes))


def test_out_of_reach_objects_do_not_repel_and_near_ones_do():
    labels = torch.zeros(1, 1, 40, dtype=torch.int64)
    labels[0, 0, :3], labels[0, 0, 10:13], labels[0, 0, 37:] = 1, 2, 3
    embedding = torch.zeros(1, 2, 1, 40)
    embedding[0, 0, 0, 10:13] = 3.0
    near_only = discriminative_loss(embedding, labels, DiscriminativeLoss(reach=20))["distance"]
    all_pairs = discriminative_loss(embedding, labels, DiscriminativeLoss())["distance"]
    assert near_only.item() == 0
    assert all_pairs.item() == pytest.approx(2 * 9 / 6)


def test_objects_of_different_classes_share_space_freely():
    embedding = as_embedding(torch.zeros(4, 2))
    kinds = torch.tensor([[[1, 1, 2, 2]]])
    assert discriminative_loss(embedding, PAIR, DiscriminativeLoss(), kinds)["distance"].item() == 0
    assert discriminative_loss(embedding, PAIR, DiscriminativeLoss())["distance"].item() == pytest.approx(9)


def test_a_class_of_one_object_counts_as_much_as_one_of_many():
    """Nine objects of a class that is learnt and one of another that is not: half of the loss is the latter's."""
    labels = torch.arange(1, 11).repeat_interleave(2).reshape(1, 1, 20)
    embedding = torch.zeros(1, 1, 1, 20)
    embedding[..., -2], embedding[..., -1] = -2.5, 2.5
    classes = torch.where(labels == 10, 2, 1)
    terms = discriminative_loss(embedding, labels, DiscriminativeLoss(delta_v=0.5), classes)
    assert terms["variance"].item() == pytest.approx(2.0**2 / 2)


def test_ids_do_not_matter_and_unknown_and_background_pixels_teach_nothing():
    embedding, labels = random_case((6, 7))
    embedding.requires_grad_()
    loss = sum(discriminative_loss(embedding, labels, DiscriminativeLoss()).values())
    (gradient,) = torch.autograd.grad(loss, embedding)
    outside = (labels <= 0).unsqueeze(1).expand_as(gradient)
    assert (labels < 0).any()
    assert not gradient[outside].any()
    assert (gradient[~outside] != 0).all()
    elsewhere = torch.where(outside, 1e6, embedding.detach())
    other_ids = torch.where(labels > 0, 65000 - 11 * labels, labels)
    assert torch.allclose(sum(discriminative_loss(elsewhere, other_ids, DiscriminativeLoss()).values()), loss)


def test_one_object_has_no_distance_term():
    embedding, _ = random_case((6, 7))
    terms = discriminative_loss(embedding, torch.ones(3, 6, 7, dtype=torch.int64), DiscriminativeLoss())
    assert terms["distance"].item() == 0
    assert terms["variance"].item() > 0


@pytest.mark.parametrize("fill", [-1, 0, 5])
@pytest.mark.parametrize("constant", [False, True])
def test_images_of_one_label_are_finite_with_a_gradient(fill, constant):
    embedding = torch.zeros(2, 3, 5, 5) if constant else torch.randn(2, 3, 5, 5)
    embedding.requires_grad_()
    terms = discriminative_loss(embedding, torch.full((2, 5, 5), fill), DiscriminativeLoss())
    (gradient,) = torch.autograd.grad(sum(terms.values()), embedding)
    assert all(torch.isfinite(term) for term in terms.values())
    assert torch.isfinite(gradient).all()
    assert gradient.any() == (fill > 0 and not constant)


def test_objects_that_start_on_one_point_are_torn_apart():
    embedding = (1e-3 * torch.randn(1, 2, 1, 4, generator=torch.Generator().manual_seed(0))).requires_grad_()
    optimizer = torch.optim.SGD([embedding], lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        sum(discriminative_loss(embedding, PAIR, DiscriminativeLoss()).values()).backward()
        optimizer.step()
    points = embedding.detach()[0, :, 0].T
    assert torch.dist(points[:2].mean(0), points[2:].mean(0)) > 2.9
    assert torch.dist(points[0], points[1]) < 1.1
    assert torch.dist(points[2], points[3]) < 1.1


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_gradient_is_the_numerical_one(norm):
    embedding, labels = random_case((3, 4), batch=2, dims=2)
    params = DiscriminativeLoss(norm=norm, gamma=0.5, delta_v=0.1)

    def total(x):
        return sum(discriminative_loss(x, labels, params).values())

    assert torch.autograd.gradcheck(total, (embedding.requires_grad_(),))
