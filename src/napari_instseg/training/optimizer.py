"""Steps of the weights: optimiser, learning rate as a function of the step, moving average."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from napari_instseg.core.triton import without_triton
from napari_instseg.training.params import TrainParams

ROOT_FROM = 600
"""Step from which on the learning rate falls with the root of the step."""


KERNEL_STEP = 0.6
"""Root mean square of Muon's step in a kernel, in learning rates, so that one rate serves it and AdamW."""
MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the polynomial that takes singular values near 1 in `ROUNDS` rounds, from Jordan et al. 2024."""
ROUNDS = 5
BLOCK = 128
"""Most rows of a kernel that are made orthogonal to each other: the work grows with their square, or cube."""


class Muon(torch.optim.AdamW):
    """Muon for the kernels of convolutions, AdamW for all else.

    The momentum of a kernel, a matrix with a row for each output channel, is replaced by the nearest matrix whose
    singular values are all alike, so that directions which the loss hardly shows move as well (Jordan et al. 2024,
    Muon: An optimizer for hidden layers in neural networks). Its length is that of Liu et al. 2025, Muon is scalable
    for LLM training; large kernels are taken in blocks of `BLOCK` rows (Khaled et al. 2025, MuonBP).

    Parameters
    ----------
    kernels : list of Parameter
        Of more than two dimensions, the output channels first.
    others : list of dict
        Groups, as for AdamW.
    learning_rate, weight_decay : float
        Of the kernels; `learning_rate` is that of all groups which name none.
    """

    def __init__(
        self,
        kernels: list[nn.Parameter],
        others: list[dict[str, Any]],
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        super().__init__([*others, {"params": kernels, "weight_decay": weight_decay}], lr=learning_rate)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all weights that have a gradient."""
        kernels = self.param_groups[-1]
        gradients = [kernel.grad for kernel in kernels["params"]]
        for kernel in kernels["params"]:
            kernel.grad = None  # not for AdamW
        super().step(closure)
        for kernel, gradient in zip(kernels["params"], gradients, strict=True):
            kernel.grad = gradient
            if gradient is not None:
                self._move(kernel, gradient, kernels["lr"], kernels["weight_decay"])

    def _move(self, kernel: Tensor, gradient: Tensor, rate: float, weight_decay: float) -> None:
        state = self.state[kernel]
        if not state:
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(kernel)
        state["step"] += 1
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = torch.lerp(gradient, momentum, MOMENTUM).flatten(1)
        kernel.mul_(1 - rate * weight_decay)
        for block, of_kernel in zip(torch.split(ahead, BLOCK), torch.split(kernel, BLOCK), strict=True):
            length = rate * KERNEL_STEP * math.sqrt(max(block.shape))
            of_kernel.sub_(orthogonalize(block).reshape(of_kernel.shape), alpha=length)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Take all singular values of a matrix (m, n) to about 1, .7 to 1.2, but those that are nearly 0.

    The rounds are done on the square of its shorter side, which is several times faster for kernels.
    """
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    a, b, c = NEWTON_SCHULZ
    square = wide @ wide.T
    product = torch.eye(len(square), dtype=square.dtype, device=square.device)
    for last in range(1 - ROUNDS, 1):
        factor = torch.addmm(b * square, square, square, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product
        if last:
            square = factor @ square @ factor
    wide = product @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def make_optimizer(network: nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """Make the optimiser; biases and normalisation weights (1-d) are not decayed."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    kernels = [weight for weight in weights if params.optimizer == "muon" and _is_kernel(weight)]
    others = [weight for weight in weights if not any(weight is kernel for kernel in kernels)]
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in others if weight.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [weight for weight in others if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    with without_triton():  # the first optimiser of a program imports torch's compiler
        if params.optimizer == "sgd":
            momentum = params.momentum
            return torch.optim.SGD(groups, lr=params.learning_rate, momentum=momentum, nesterov=momentum > 0)
        if kernels:
            return Muon(kernels, groups, params.learning_rate, params.weight_decay)
        return torch.optim.AdamW(groups, lr=params.learning_rate)


def _is_kernel(weight: Tensor) -> bool:
    """Return whether a weight is of a convolution that looks at more than one pixel."""
    return weight.ndim > 2 and weight[0, 0].numel() > 1


def learning_rate(step: int, params: TrainParams) -> float:
    """Return the learning rate of a step; a pure function, so that a resumed run needs no schedule state.

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
