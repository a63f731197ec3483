"""Objects of unknown class move the odds of being an object, and not the odds between classes."""

import pytest
import torch

from napari_instseg.losses.any_class import log_any
from napari_instseg.losses.foreground import semantic_loss
from napari_instseg.losses.params import ForegroundLoss


def test_the_sum_is_exact_and_its_gradient_alike():
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    total = log_any(logits, 1)
    torch.testing.assert_close(total, logits.logsumexp(1))
    total.sum().backward()
    torch.testing.assert_close(logits.grad, torch.full_like(logits, 0.25))


def test_only_what_is_right_counts():
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    right = torch.tensor([True, False, True, False]).expand(3, 4)
    total = log_any(logits, 1, right)
    torch.testing.assert_close(total, logits[:, [0, 2]].logsumexp(1))
    total.sum().backward()
    torch.testing.assert_close(logits.grad, torch.tensor([0.5, 0, 0.5, 0], dtype=torch.float64).expand(3, 4))


@pytest.mark.parametrize("dice", [0.0, 0.5])
def test_semantic_odds_between_classes_stay(dice):
    logits = torch.randn(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    labels = torch.zeros(1, 6, 6, dtype=torch.int64)
    labels[0, :3] = 1
    classes = labels.masked_fill(labels > 0, -1)
    semantic_loss(logits, classes, labels, ForegroundLoss(dice=dice))["semantic"].backward()
    inside = logits.grad[0, :, :3]
    assert (inside[0] > 0).all()
    assert (inside[1:] < 0).all()
    torch.testing.assert_close(inside[1:], inside[1:2].expand_as(inside[1:]))
