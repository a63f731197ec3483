"""How far a network looks: measured on the network itself, so that no formula can fall behind its layers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

LONGEST = 4096
"""Networks that look farther than half of this are taken to look at the whole image."""


@torch.enable_grad()
def measure_halo(network: nn.Module, in_channels: int, stride: int, ndim: int) -> int | None:
    """Find how far a pixel of the output depends on the input, along the last axis.

    A copy of the network with positive weights, on which nothing cancels, is run on a thin strip of ones; the input's
    gradient is non-zero exactly at what one cell of the output depends on.

    Parameters
    ----------
    network : Module
        Maps (B, C, *S) to a dict of tensors, or to a tensor, of the same spatial shape.
    in_channels, stride, ndim : int
        Of the network; `stride` is what the sides of an image must be multiples of.

    Returns
    -------
    int or None
        Half receptive field in pixels, rounded up to a multiple of `stride`; None if it is the whole image.
    """
    probe = _positive(deepcopy(network).double().eval())
    length = 16 * stride
    while length <= LONGEST:
        strip = torch.ones(1, in_channels, *(stride,) * (ndim - 1), length, dtype=torch.float64, requires_grad=True)
        output = probe(strip)
        first = length // stride // 2 * stride
        tensors: list[Tensor] = list(output.values()) if isinstance(output, dict) else [output]
        seen = sum(tensor[..., first : first + stride].sum() for tensor in tensors)
        (gradient,) = torch.autograd.grad(seen, strip)  # type: ignore[arg-type]
        reached = torch.nonzero(gradient.abs().flatten(0, -2).sum(0)).squeeze(1)
        low, high = int(reached[0]), int(reached[-1])
        if low > 0 and high < length - 1:
            return -(-max(first - low, high - first - stride + 1) // stride) * stride
        length *= 2
    return None


def _positive(network: nn.Module) -> nn.Module:
    """Make every layer pass a positive signal on from all that it sees."""
    for name, module in network.named_children():
        if isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
            pooling: Any = getattr(nn, type(module).__name__.replace("Max", "Avg"))
            setattr(network, name, pooling(module.kernel_size, module.stride, module.padding, module.ceil_mode))
        else:
            _positive(module)
    with torch.no_grad():
        for parameter in network.parameters(recurse=False):
            parameter.fill_(1 / max(parameter[0].numel(), 1) if parameter.ndim > 1 else 1)
        for key, buffer in network.named_buffers(recurse=False):
            if buffer.is_floating_point():
                buffer.fill_(0 if key == "running_mean" else 1)
    return network
