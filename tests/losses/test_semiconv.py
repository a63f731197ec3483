"""The semi-convolutional loss against closed forms, a slow twin, and what must not matter."""

import math

import pytest
import torch

from napari_instseg.losses import semiconv
from napari_instseg.losses.params import SemiconvLoss
from napari_instseg.losses.semiconv import semiconv_loss

SIGMA = torch.tensor(2.0, dtype=torch.float64)


def random_case(seed=0, side=7, dims=3, ids=(0, 0, 3, 5, 9)):
    rng = torch.Generator().manual_seed(seed)
    embedding = 3 * torch.randn(2, dims, side, side, generator=rng, dtype=torch.float64)
    labels = torch.tensor(ids)[torch.randint(len(ids), (2, side, side), generator=rng)]
    return embedding, labels


def slow_twin(embedding, sigma, labels):
    """Both terms with one loop per image, object and pixel."""
    attraction, kernel = [], []
    for image, truth in zip(embedding, labels, strict=True):
        per_object, per_object_kernel = [], []
        pixels = [(int(truth[y, x]), image[:, y, x]) for y, x in torch.nonzero(truth > 0)]
        for k in sorted({owner for owner, _ in pixels}):
            own = [e for owner, e in pixels if owner == k]
            mean = sum(own) / len(own)
            per_object.append(sum(torch.linalg.norm(e - mean) for e in own) / len(own))
            entropy = 0
            for owner, e in pixels:
                affinity = torch.exp(-torch.linalg.norm(e - mean) / sigma)
                entropy -= torch.log(affinity if owner == k else 1 - affinity)
            per_object_kernel.append(entropy / len(own))
        attraction.append(sum(per_object) / len(per_object))
        kernel.append(sum(per_object_kernel) / len(per_object_kernel))
    return sum(attraction) / len(attraction), sum(kernel) / len(kernel)


def test_agrees_with_a_slow_twin():
    embedding, labels = random_case()
    found = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss())
    attraction, kernel = slow_twin(embedding, SIGMA, labels)
    assert found["attraction"].item() == pytest.approx(attraction.item(), rel=1e-12)
    assert found["kernel"].item() == pytest.approx(kernel.item(), rel=1e-12)


def test_two_pixels_have_a_closed_form():
    """Two objects of two pixels each, 6 and 8 apart from their means: distances by hand."""
    embedding = torch.tensor([[[[0.0, 6.0, 100.0, 108.0]], [[0.0, 0.0, 0.0, 0.0]]]], dtype=torch.float64)
    labels = torch.tensor([[[1, 1, 2, 2]]])
    found = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss())
    assert found["attraction"].item() == pytest.approx((3 + 4) / 2)
    far = [-math.log(1 - math.exp(-d / 2)) / 2 for d in (97, 105, 104, 98)]
    assert found["kernel"].item() == pytest.approx((3 + 4) / 2 / 2 + sum(far) / 2)


def test_attraction_alone_is_the_papers_loss_and_does_not_push():
    embedding, labels = random_case()
    embedding.requires_grad_(True)
    found = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss(kernel_weight=0.0))
    assert set(found) == {"attraction"}
    found["attraction"].backward()
    # an attraction to the mean alone leaves each object where it is
    for k in (3, 5, 9):
        inside = (labels == k)[:, None].expand_as(embedding)
        assert embedding.grad[inside].reshape(-1).sum().abs() < 1e-9


def test_gradients_in_embedding_and_sigma():
    embedding, labels = random_case(side=4)
    sigma = SIGMA.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda e, s: sum(semiconv_loss(e, s, labels, SemiconvLoss()).values()), (embedding.requires_grad_(True), sigma)
    )


def test_moving_all_pixels_changes_nothing():
    embedding, labels = random_case()
    moved = embedding + torch.tensor([40.0, -7.0, 3.0])[:, None, None]
    before, after = (semiconv_loss(e, SIGMA, labels, SemiconvLoss()) for e in (embedding, moved))
    for name in before:
        assert after[name].item() == pytest.approx(before[name].item(), rel=1e-10)


@pytest.mark.parametrize("fill", [0, -1, 4])
def test_no_object_or_all_one_object(fill):
    embedding, labels = random_case()
    embedding.requires_grad_(True)
    found = semiconv_loss(embedding, SIGMA, torch.full_like(labels, fill), SemiconvLoss())
    sum(found.values()).backward()
    assert torch.isfinite(embedding.grad).all()
    if fill <= 0:
        assert sum(found.values()).item() == 0
        assert not embedding.grad.any()
    else:
        # nothing else to be pushed away: the kernel's term is the attraction in units of its scale
        assert found["kernel"].item() == pytest.approx(found["attraction"].item() / 2)


def test_unknown_pixels_teach_nothing():
    embedding, labels = random_case()
    labels[:, :, 4:] = -1
    embedding.requires_grad_(True)
    sum(semiconv_loss(embedding, SIGMA, labels, SemiconvLoss()).values()).backward()
    assert embedding.grad[..., :4].any()
    assert not embedding.grad[..., 4:].any()


def test_objects_of_different_classes_do_not_repel():
    embedding, labels = random_case(ids=(0, 3, 5))
    kernel = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss(), (labels > 0) * (1 + (labels == 5)))["kernel"]
    attraction = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss())["attraction"]
    assert kernel.item() == pytest.approx(attraction.item() / 2)


def test_many_pixels_are_sampled_without_bias(monkeypatch):
    embedding, labels = random_case(side=40)
    exact = semiconv_loss(embedding, SIGMA, labels, SemiconvLoss())["kernel"].item()
    monkeypatch.setattr(semiconv, "OTHERS", 300)
    torch.manual_seed(0)
    sampled = [semiconv_loss(embedding, SIGMA, labels, SemiconvLoss())["kernel"].item() for _ in range(40)]
    assert len(set(sampled)) > 1
    assert sum(sampled) / len(sampled) == pytest.approx(exact, rel=0.03)
