"""Learning rate, moving average and decay groups against values worked out by hand."""

import math

import pytest
import torch
from torch import nn

from napari_instseg.training.optimizer import (
    BLOCK,
    KERNEL_STEP,
    Muon,
    learning_rate,
    make_optimizer,
    orthogonalize,
    update_average,
)
from napari_instseg.training.params import TrainParams


def test_cosine_rises_through_the_warm_up_and_falls_to_zero():
    params = TrainParams(steps=1000, warmup=10, learning_rate=0.5, schedule="cosine")
    assert learning_rate(1, params) == pytest.approx(0.05)
    assert learning_rate(10, params) == pytest.approx(0.5)
    assert learning_rate(11, params) == pytest.approx(0.5)
    assert learning_rate(10 + 1 + 495, params) == pytest.approx(0.25)
    assert learning_rate(1000, params) == pytest.approx(0.5 * 0.5 * (1 + math.cos(math.pi * 989 / 990)))


def test_warm_up_is_at_most_a_tenth_of_the_run():
    params = TrainParams(steps=20, warmup=100, learning_rate=1.0, schedule="constant")
    assert [learning_rate(step, params) for step in (1, 2, 3, 20)] == pytest.approx([0.5, 1, 1, 1])


def test_cyclic_is_a_triangle_between_the_rate_and_a_tenth_of_it():
    params = TrainParams(steps=1000, warmup=0, learning_rate=1.0, schedule="cyclic", cycle=4)
    assert [learning_rate(step, params) for step in range(1, 10)] == pytest.approx(
        [1, 0.55, 0.1, 0.55, 1, 0.55, 0.1, 0.55, 1]
    )


def test_average_moves_by_one_minus_the_decay_and_faster_at_the_start():
    network, average = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(2.0)
        network.num_batches_tracked.fill_(7)
    update_average(average, network, decay=0.9, step=10**6)
    assert average.weight.item() == pytest.approx(0.9 * 1 + 0.1 * 3)
    assert average.running_mean.item() == pytest.approx(0.1 * 2)
    assert average.num_batches_tracked.item() == 7
    update_average(average, network, decay=0.9, step=1)
    assert average.weight.item() == pytest.approx(1.2 + (1 - 2 / 11) * (3 - 1.2))


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_only_weights_of_two_dimensions_or_more_decay(name):
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {key: value.clone() for key, value in network.named_parameters()}
    params = TrainParams(optimizer=name, weight_decay=0.5, learning_rate=0.1, momentum=0.0)
    optimizer = make_optimizer(network, params)
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.allclose(network[0].weight, before["0.weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(network[0].bias, before["0.bias"])
    assert torch.equal(network[1].weight, before["1.weight"])


def test_root_is_the_rate_at_first_and_then_falls_with_the_root_of_the_step_however_many_there_will_be():
    for steps in (1000, 100_000):
        params = TrainParams(steps=steps, warmup=0, learning_rate=0.5, schedule="root")
        assert [learning_rate(step, params) for step in (1, 600, 2400)] == pytest.approx([0.5, 0.5, 0.25])


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (40, 40)])
def test_orthogonalizing_keeps_the_singular_vectors_and_takes_their_values_to_about_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonalize(matrix) @ right.T
    large = values > 0.1 * values.max()
    assert torch.allclose(turned, turned.diag().diag(), atol=1e-3)
    assert large.sum() >= 15
    assert turned.diag()[large].min() > 0.6
    assert turned.diag()[large].max() < 1.25


def test_kernels_move_as_by_torchs_muon_and_all_else_as_by_adamw():
    """`torch.optim.Muon` takes matrices only; its steps are 0.2 learning rates long."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1))
    plain = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1))
    plain.load_state_dict(network.state_dict())
    matrix = nn.Parameter(network[0].weight.detach().flatten(1).clone())
    longer = KERNEL_STEP / 0.2
    params = TrainParams(optimizer="muon", learning_rate=0.01, weight_decay=0.03)
    optimizer = make_optimizer(network, params)
    assert isinstance(optimizer, Muon)
    twins = [
        make_optimizer(plain, params.changed(optimizer="adamw")),
        torch.optim.Muon(
            [matrix], lr=0.01 * longer, weight_decay=0.03 / longer, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        ),
    ]
    for _ in range(4):
        for weight, other in zip(network.parameters(), plain.parameters(), strict=True):
            weight.grad = torch.randn_like(weight)
            other.grad = weight.grad.clone()
        matrix.grad = network[0].weight.grad.flatten(1).clone()
        for one in (optimizer, *twins):
            one.step()
    moved = (network[0].weight.flatten(1) - matrix).abs().max()
    assert moved < 0.02 * 4 * 0.01 * longer  # torch's computes in bfloat16
    for (name, weight), other in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(weight, other) == (name != "0.weight"), name


def test_large_kernels_move_in_blocks_of_rows_as_kernels_of_their_own():
    torch.manual_seed(0)
    whole = nn.Conv2d(16, 2 * BLOCK, 3, bias=False)
    parts = [nn.Conv2d(16, BLOCK, 3, bias=False) for _ in range(2)]
    gradient = torch.randn_like(whole.weight)
    for part, weight, of_gradient in zip(parts, whole.weight.detach().split(BLOCK), gradient.split(BLOCK), strict=True):
        part.weight.data.copy_(weight)
        part.weight.grad = of_gradient.clone()
    whole.weight.grad = gradient
    for network in (whole, *parts):
        make_optimizer(network, TrainParams(optimizer="muon", learning_rate=0.01)).step()
    assert torch.equal(whole.weight, torch.cat([part.weight for part in parts]))


def test_muon_without_a_gradient_leaves_the_kernel():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 2, 3))
    before = network[0].weight.clone()
    optimizer = make_optimizer(network, TrainParams(optimizer="muon"))
    network[1].weight.grad = torch.ones_like(network[1].weight)
    optimizer.step()
    assert torch.equal(network[0].weight, before)
    assert network[1].weight.grad is not None
