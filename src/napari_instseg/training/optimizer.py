"""Steps of the weights: optimiser, learning rate as a function of the step, moving average."""

from __future__ import annotations

import math

import torch
from torch import nn

from napari_instseg.training.params import TrainParams

ROOT_FROM = 200
"""Step from which on the learning rate falls with the root of the step."""


def make_optimizer(network: nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """Make the optimiser; biases and normalisation weights (1-d) are not decayed."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    if params.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=params.learning_rate, momentum=params.momentum, nesterov=params.momentum > 0)
    return torch.optim.AdamW(groups, lr=params.learning_rate)


def learning_rate(step: int, params: TrainParams) -> float:
    """Give the learning rate of a step; a pure function, so that a resumed run needs no schedule state.

    Parameters
    ----------
    step : int
        From 1 to ``params.steps``.
    params : TrainParams
        A linear warm-up of at most a tenth of the steps comes first; then the cosine of Loshchilov and Hutter
        (2017), the triangles of Smith (2017) between a tenth of the rate and the rate, a constant, or the inverse
        square root of the step from `ROOT_FROM` on, which does not need to know how many steps there will be.
    """
    warmup = min(params.warmup, params.steps // 10)
    if step <= warmup:
        return params.learning_rate * step / warmup
    if params.schedule == "cosine":
        share = (step - warmup - 1) / max(params.steps - warmup, 1)
        return params.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
    if params.schedule == "cyclic":
        phase = (step - warmup - 1) % params.cycle / params.cycle
        return params.learning_rate * (1 - 0.9 * min(2 * phase, 2 - 2 * phase))
    if params.schedule == "root":
        return params.learning_rate * min(1.0, math.sqrt(ROOT_FROM / step))
    return params.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the network's weights and running statistics.

    In the first steps the decay is lower, ``(1 + step) / (10 + step)``, so that the start is soon forgotten.
    """
    decay = min(decay, (1 + step) / (10 + step))
    target = network.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(target[name], 1 - decay)
        else:
            value.copy_(target[name])
