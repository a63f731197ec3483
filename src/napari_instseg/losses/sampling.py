"""A few random pixels of each object: what losses over pairs of pixels compare."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_instseg.losses.objects import ObjectIndex


def sample_pixels(objects: ObjectIndex, number: int, candidates: Tensor | None = None) -> Tensor:
    """Draw pixels of each object without replacement, by torch's global generator.

    Parameters
    ----------
    objects : ObjectIndex
    number : int
        At most so many per object; objects with fewer give all.
    candidates : bool Tensor (N,), optional
        Which of ``objects.pixels`` may be drawn; all when left out.

    Returns
    -------
    Tensor (M,), int64
        Places in ``objects.pixels``, ordered by object.
    """
    owner = objects.owner
    free = torch.arange(len(owner), device=owner.device) if candidates is None else torch.nonzero(candidates).squeeze(1)
    # sorted by object, within an object at random
    shuffled = free[torch.randperm(len(free), device=owner.device)]
    order = shuffled[torch.argsort(owner[shuffled], stable=True)]
    sorted_owner = owner[order]
    place = torch.arange(len(order), device=owner.device)
    rank = place - torch.searchsorted(sorted_owner, sorted_owner)
    return order[rank < number]


def gather_pixels(values: Tensor, objects: ObjectIndex, chosen: Tensor) -> Tensor:
    """Return (B, C, *S) values at chosen pixels as rows (M, C), in float32 or wider, without a copy of all pixels."""
    area = math.prod(objects.shape)
    position = objects.pixels[chosen]
    rows = values.flatten(2)[position // area, :, position % area]
    return rows if rows.dtype == torch.float64 else rows.float()


def background_as_object(labels: Tensor) -> Tensor:
    """Renumber, so that the background is one more object: 1 background, others one higher, -1 still unknown."""
    return torch.where(labels < 0, labels, labels + 1)
