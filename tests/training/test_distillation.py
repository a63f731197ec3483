"""How much a fine-tuned network is held to what it said: where, and in what unit."""

import pytest
import torch

from napari_instseg.training.distillation import LEAST_VARIANCE, Distillation, hold_loss


def test_new_images_are_held_where_nothing_is_known_and_replayed_ones_everywhere():
    labels = torch.tensor([[[0, -1]], [[1, -1]], [[-1, -1]]])
    weights = Distillation(new=0.5, old=7.0, replayed=1).weights(labels)
    assert weights.tolist() == [[[7.0, 7.0]], [[0.0, 0.5]], [[0.5, 0.5]]]


def test_the_pull_is_hubers_loss_in_units_of_the_old_heads_spread():
    generator = torch.Generator().manual_seed(0)
    old = torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64)
    new = old + torch.randn(old.shape, generator=generator, dtype=torch.float64)
    weights = torch.rand(2, 5, 6, generator=generator, dtype=torch.float64)
    total = 0.0
    for image in range(2):
        for y in range(5):
            for x in range(6):
                pixel = 0.0
                for channel in range(3):
                    spread = max(float(old[:, channel].var(unbiased=False)), LEAST_VARIANCE) ** 0.5
                    gap = abs(float(new[image, channel, y, x] - old[image, channel, y, x])) / spread
                    pixel += gap**2 / 2 if gap < 1 else gap - 0.5
                total += float(weights[image, y, x]) * pixel / 3
    found = hold_loss({"a": new}, {"a": old}, weights)
    assert float(found) == pytest.approx(total / 60)


def test_heads_that_only_one_network_has_or_that_are_not_on_the_grid_are_left_out():
    weights = torch.ones(1, 4, 4)
    here, there = (
        {"sigma": torch.ones(1, 1), "a": torch.ones(1, 1, 4, 4)},
        {"sigma": torch.zeros(1, 1), "b": torch.zeros(1, 1, 4, 4)},
    )
    assert float(hold_loss(here, there, weights)) == 0.0
