"""The discriminative loss: pull pixels to their object's mean, push the means apart (De Brabandere et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_instseg.losses.objects import ObjectIndex, class_groups, group_mean, index_objects, object_classes
from napari_instseg.losses.params import DiscriminativeLoss


def discriminative_loss(
    embedding: Tensor,
    labels: Tensor,
    params: DiscriminativeLoss,
    classes: Tensor | None = None,
    weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compute the three terms, each times its weight (equations 1 to 4).

    With classes the terms are those of each class by itself (section 4.2), averaged over the classes that an image has,
    then over the images that have objects.

    Parameters
    ----------
    embedding : Tensor (B, D, *S)
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown: neither of the first and last teaches anything.
    params : DiscriminativeLoss
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1. Objects of different classes do not repel, so they may share space; those
        of unknown class (-1) are taken for one more class.
    weights : Tensor (B, *S), optional
        How much each pixel counts in the mean of its object; all alike when left out.

    Returns
    -------
    dict
        ``variance``, ``distance`` and ``regularization``. Without any object all are 0, with a zero gradient.
    """
    objects = index_objects(labels)
    rows = objects.rows(embedding)
    means = objects.mean(rows) if weights is None else _weighted_means(rows, weights, objects)
    order = 2 if params.norm == "l2" else 1
    pull = (distance(rows, means[objects.owner], order) - params.delta_v).relu().square()
    group = class_groups(objects, object_classes(objects, classes))
    variance = group_mean(objects.mean(pull), group, objects.image)
    push = _distance_term(means, objects, params, order, group)
    regularization = group_mean(distance(means, torch.zeros_like(means), order), group, objects.image)
    return {
        "variance": params.alpha * variance,
        "distance": params.beta * push,
        "regularization": params.gamma * regularization,
    }


def _weighted_means(rows: Tensor, weights: Tensor, objects: ObjectIndex) -> Tensor:
    weight = weights.reshape(-1)[objects.pixels].to(rows.dtype)[:, None]
    return objects.sum(weight * rows) / objects.sum(weight)


def _distance_term(
    means: Tensor, objects: ObjectIndex, params: DiscriminativeLoss, order: int, group: Tensor
) -> Tensor:
    """Average the push over the pairs of each class of an image (equation 2), then as the other terms."""
    if not objects.number:
        return means.sum()
    there = objects.per_image(torch.ones_like(group, dtype=torch.bool))
    kind = objects.per_image(group)
    pairs = there[:, :, None] & there[:, None] & (kind[:, :, None] == kind[:, None])
    pairs &= ~torch.eye(objects.slots, dtype=torch.bool, device=means.device)
    if params.reach:
        pairs &= _gaps(objects) < params.reach
    table = objects.per_image(means)
    apart = distance(table[:, :, None], table[:, None], order)
    push = (2 * params.delta_d - apart).relu().square() * pairs
    of_object, number = (table.sum(2)[objects.image, objects.slot] for table in (push, pairs))
    number_of_group = number.new_zeros(len(number)).index_add(0, group, number)
    # the mean over objects, less the pairs per object, is the mean over pairs
    members = torch.bincount(group)[group]
    return group_mean(of_object * members / number_of_group[group].clamp(min=1), group, objects.image)


def _gaps(objects: ObjectIndex) -> Tensor:
    """Return the largest gap along an axis between the boxes of each two objects of an image: (B, slots, slots), px."""
    low, high = (objects.per_image(corner) for corner in objects.boxes())
    gap = torch.maximum(low[:, :, None] - high[:, None], low[:, None] - high[:, :, None])
    return gap.amax(-1).clamp(min=0)


def distance(a: Tensor, b: Tensor, order: int) -> Tensor:
    """Distance along the last axis in the L1 or L2 norm, with a zero gradient where the points coincide."""
    difference = a - b
    if order == 1:
        return difference.abs().sum(-1)
    squared = difference.square().sum(-1)
    zero = squared == 0
    result: Tensor = torch.where(zero, 1.0, squared).sqrt().masked_fill(zero, 0.0)
    return result
