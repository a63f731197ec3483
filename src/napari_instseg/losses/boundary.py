"""What clusternet adds to the discriminative loss: a push between boundaries, and means that key points weigh on."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from napari_instseg.losses.objects import index_objects
from napari_instseg.losses.params import BoundaryLoss
from napari_instseg.losses.sampling import gather_pixels, sample_pixels


def boundary_loss(embedding: Tensor, labels: Tensor, params: BoundaryLoss, delta_e: float) -> dict[str, Tensor]:
    """Push boundary pixels of different objects apart (Jaffe, Ben-Moshe 2019, section 3.1.1).

    Parameters
    ----------
    embedding : Tensor (B, D, *S)
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown: neither of the first and last is an object.
    params : BoundaryLoss
    delta_e : float
        Boundary pixels nearer than twice this are pushed apart; 2 (delta_d - delta_v) in the paper.

    Returns
    -------
    dict
        ``boundary``: the mean over pairs of objects of the mean over pairs of their sampled boundary pixels, averaged
        over the images that have objects, times its weight.
    """
    objects = index_objects(labels)
    chosen = sample_pixels(objects, params.boundary_samples, boundary_pixels(labels).reshape(-1)[objects.pixels])
    rows, owner = gather_pixels(embedding, objects, chosen), objects.owner[chosen]
    share = 1 / torch.bincount(owner, minlength=objects.number).to(rows.dtype)[owner]
    image = objects.image[owner]
    total = 0 * rows.sum()
    for index in torch.unique(image):
        mine = torch.nonzero(image == index).squeeze(1)
        number = torch.unique(owner[mine]).numel()
        apart = torch.cdist(rows[mine], rows[mine], compute_mode="donot_use_mm_for_euclid_dist")
        other = owner[mine][:, None] != owner[mine][None]
        push = (2 * delta_e - apart).relu().square() * other * share[mine][:, None] * share[mine][None]
        total = total + push.sum() / max(number * (number - 1), 1)
    return {"boundary": params.boundary_weight * total / max(torch.unique(objects.image).numel(), 1)}


def boundary_pixels(labels: Tensor) -> Tensor:
    """Tell which pixels share a face with another object or the background; bool, the shape of `labels` (B, *S)."""
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in range(1, labels.ndim):
        length = labels.shape[axis] - 1
        before, after = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        differs = (before != after) & (before >= 0) & (after >= 0)
        edge.narrow(axis, 0, length).logical_or_(differs)
        edge.narrow(axis, 1, length).logical_or_(differs)
    return edge


def key_point_weights(labels: Tensor, weight: float) -> Tensor:
    """Weigh pixels for the means of their objects (section 3.1.2): key points count `weight`, all others 1.

    The key points of an object are those of its pixels that lie farthest towards each corner of the image (top left,
    bottom right...), and the one nearest to its centroid.

    Parameters
    ----------
    labels : Tensor (B, *S), int64
    weight : float

    Returns
    -------
    Tensor (B, *S), float32
    """
    weights = torch.ones(labels.shape, device=labels.device)
    objects = index_objects(labels)
    position = objects.coordinates().double()
    central = -(position - objects.mean(position)[objects.owner]).square().sum(1)
    corners = product((-1.0, 1.0), repeat=position.shape[1])
    for score in (central, *(position @ position.new_tensor(signs) for signs in corners)):
        best = score.new_zeros(objects.number).scatter_reduce(0, objects.owner, score, "amax", include_self=False)
        tied = torch.nonzero(score == best[objects.owner]).squeeze(1)
        owner = objects.owner[tied]
        first = owner.new_zeros(objects.number).scatter_reduce(0, owner, tied, "amin", include_self=False)
        weights.view(-1)[objects.pixels[first]] = weight
    return weights
