"""Foreground and classes: closed forms, a reference of torch, unknown pixels, empty images."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_instseg.losses import foreground_loss, semantic_loss
from napari_instseg.losses.foreground import gap_weights, soft_dice
from napari_instseg.losses.params import ForegroundLoss


def classified(logits, labels, params):
    """Each object is of a class of its own."""
    return semantic_loss(logits, labels, labels, params)


LABELS = torch.tensor([[[0, 1, 1, -1], [0, 0, 2, 2]]])


def test_entropy_of_an_undecided_network_is_log_two():
    loss = foreground_loss(torch.zeros(1, 1, 2, 4), LABELS, ForegroundLoss(dice=0.0))["foreground"]
    assert loss.item() == pytest.approx(math.log(2))


def test_dice_worked_by_hand():
    """Seven known pixels at one half, four of them objects: overlap 2, total 3.5 + 4."""
    loss = foreground_loss(torch.zeros(1, 1, 2, 4), LABELS, ForegroundLoss(dice=1.0, foreground_weight=3.0))
    assert loss["foreground"].item() == pytest.approx(3 * (1 - (2 * 2 + 1) / (7.5 + 1)))


def test_dice_of_a_perfect_and_of_an_empty_answer():
    truth = torch.tensor([[[1.0, 0, 1, 1]]])
    assert soft_dice(truth, truth).item() == 0
    assert soft_dice(torch.zeros_like(truth), torch.zeros_like(truth)).item() == 0
    assert soft_dice(torch.zeros_like(truth), truth).item() == pytest.approx(3 / 4)


def test_a_two_class_map_scores_like_the_foreground():
    """A softmax over (0, z) is the sigmoid of z."""
    logit = torch.randn(1, 1, 2, 4, generator=torch.Generator().manual_seed(0))
    classes = LABELS.clamp(max=1)
    both = torch.cat([torch.zeros_like(logit), logit], dim=1)
    params = ForegroundLoss(dice=0.4)
    one, two = foreground_loss(logit, LABELS, params), semantic_loss(both, classes, LABELS, params)
    assert one["foreground"].item() == pytest.approx(two["semantic"].item(), rel=1e-5)


def test_entropy_of_classes_is_torchs():
    logits = torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(1))
    expected = functional.cross_entropy(logits, LABELS, ignore_index=-1)
    assert torch.allclose(semantic_loss(logits, LABELS, LABELS, ForegroundLoss(dice=0.0))["semantic"], expected)


@pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("gap_weight", [1.0, 6.0])
def test_unknown_pixels_teach_nothing(dice, gap_weight):
    params = ForegroundLoss(dice=dice, gap_weight=gap_weight, gap=1)
    unknown = LABELS[0] < 0
    for function, channels in ((foreground_loss, 1), (classified, 3)):
        logits = torch.randn(1, channels, 2, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
        (loss,) = function(logits, LABELS, params).values()
        (gradient,) = torch.autograd.grad(loss, logits)
        assert not gradient[0][:, unknown].any()
        assert gradient[0][:, ~unknown].any(0).all()
        (other,) = function(torch.where(unknown, 30.0, logits), LABELS, params).values()
        assert torch.allclose(other, loss)


@pytest.mark.parametrize("fill", [-1, 0, 2])
def test_images_of_one_label_are_finite_with_a_gradient(fill):
    labels = torch.full((2, 4, 4, 4), fill)
    for function, channels in ((foreground_loss, 1), (classified, 3)):
        logits = torch.randn(2, channels, 4, 4, 4).requires_grad_()
        (loss,) = function(logits, labels, ForegroundLoss(gap_weight=3.0)).values()
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        assert gradient.any() == (fill >= 0)


def test_a_gap_counts_so_often_worked_by_hand():
    """Of three pixels between two objects a reach of one finds no gap, a reach of two the middle one."""
    labels = torch.tensor([[[1, 0, 0, 0, 2, -1]]])
    logits = torch.tensor([[[[-3.0, 1.0, 2.0, 1.0, -3.0, 50.0]]]])
    side, middle = math.log1p(math.exp(1)), math.log1p(math.exp(2))
    objects = 2 * math.log1p(math.exp(3))
    for gap, times in ((1, 1), (2, 4)):
        loss = foreground_loss(logits, labels, ForegroundLoss(dice=0.0, gap_weight=4.0, gap=gap))["foreground"]
        assert loss.item() == pytest.approx((objects + 2 * side + times * middle) / 5)


@pytest.mark.parametrize("shape", [(3, 20, 24), (2, 7, 10, 12)])
@pytest.mark.parametrize("gap", [1, 2])
def test_gaps_against_a_loop_over_pixels(shape, gap):
    rng = np.random.default_rng(len(shape))
    labels = np.where(rng.random(shape) < 0.08, rng.integers(1, 4, shape), 0)
    labels[rng.random(shape) < 0.1] = -1
    expected = np.ones(shape)
    for where in np.argwhere(labels == 0):
        around = labels[where[0]][tuple(slice(max(at - gap, 0), at + gap + 1) for at in where[1:])]
        if len(np.unique(around[around > 0])) > 1:
            expected[tuple(where)] = 5
    assert 0.02 < (expected == 5).mean() < 0.9
    found = gap_weights(torch.from_numpy(labels), ForegroundLoss(gap_weight=5.0, gap=gap))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_an_object_of_unknown_class_teaches_that_it_is_one_and_no_class():
    labels = torch.tensor([[[0, 1, 1, 2]]])
    classes = torch.tensor([[[0, -1, -1, 2]]])
    logits = torch.zeros(1, 3, 1, 4, requires_grad=True)
    loss = semantic_loss(logits, classes, labels, ForegroundLoss(dice=0.0))["semantic"]
    assert loss.item() == pytest.approx((2 * math.log(3) + 2 * math.log(1.5)) / 4)
    loss.backward()
    unknown = logits.grad[0, :, 0, 1]
    assert unknown[1] == unknown[2] < 0 < unknown[0]
