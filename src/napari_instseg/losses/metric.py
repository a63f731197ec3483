"""Similarity of pairs of pixels, and which pixels grow into good masks (Fathi et al. 2017)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_instseg.losses.any_class import log_any
from napari_instseg.losses.objects import UNKNOWN_CLASS, index_objects, object_classes
from napari_instseg.losses.params import MetricLoss
from napari_instseg.losses.sampling import background_as_object, gather_pixels, sample_pixels

THRESHOLDS = (0.25, 0.5, 0.75, 0.9)
"""Similarities down to which a mask is grown (section 3.4)."""

NEAREST = 1e-4
"""Squared distance below which pixels of different objects are pushed no harder."""


def similarity_loss(embedding: Tensor, labels: Tensor, params: MetricLoss) -> dict[str, Tensor]:
    """Cross-entropy of the similarity of sampled pairs (section 3.2), averaged over images.

    Parameters
    ----------
    embedding : Tensor (B, D, *S)
    labels : Tensor (B, *S), int64
        0 background, which counts as one more object; positive object ids; -1 unknown, which teaches nothing.
    params : MetricLoss

    Returns
    -------
    dict
        ``similarity``: the sum over pairs by weights of sum 1. The paper divides once more by the number of pixels,
        which changes the learning rate only.
    """
    objects = index_objects(background_as_object(labels))
    chosen = sample_pixels(objects, params.samples)
    rows, owner = gather_pixels(embedding, objects, chosen), objects.owner[chosen]
    weight = 1 / objects.size[owner].to(rows.dtype) if params.weighting == "size" else rows.new_ones(len(rows))
    image = objects.image[owner]
    total = 0 * rows.sum()
    for index in range(objects.batch):
        mine = torch.nonzero(image == index).squeeze(1)
        if not len(mine):
            continue
        apart = squared_distances(rows[mine], rows[mine])
        same = owner[mine][:, None] == owner[mine][None]
        entropy = -torch.where(same, log_similarity(apart), log_dissimilarity(apart))
        pair = weight[mine][:, None] * weight[mine][None]
        total = total + (entropy * pair).sum() / pair.sum()
    return {"similarity": total / max(torch.unique(objects.image).numel(), 1)}


def seediness_loss(
    embedding: Tensor, logits: Tensor, labels: Tensor, params: MetricLoss, classes: Tensor | None = None
) -> dict[str, Tensor]:
    """Cross-entropy of the class of the mask that a pixel grows into (section 3.4).

    Parameters
    ----------
    embedding : Tensor (B, D, *S)
        Masks are grown in it; it is not taught by this.
    logits : Tensor (B, T * (C + 1), *S)
        For each of the T thresholds, the class of the mask; 0 is a bad mask.
    labels : Tensor (B, *S), int64
    params : MetricLoss
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1. Where it is unknown (-1, or all when left out) a good mask may be of any
        class.

    Returns
    -------
    dict
        ``seediness``, averaged over sampled pixels and thresholds, times its weight.
    """
    sampled = index_objects(background_as_object(labels))
    chosen = sample_pixels(sampled, params.samples)
    seeds, image = gather_pixels(embedding.detach(), sampled, chosen), sampled.image[sampled.owner[chosen]]
    sparse: tuple[Any, ...] = (..., *(slice(None, None, params.mask_step),) * (labels.ndim - 1))
    kinds = None if classes is None else classes[sparse]
    truth = _mask_classes(embedding.detach()[sparse], labels[sparse], seeds, image, params.good_iou, kinds).flatten()
    scores = gather_pixels(logits, sampled, chosen).reshape(len(truth), logits.shape[1] // len(THRESHOLDS))
    entropy = functional.cross_entropy(scores, truth, ignore_index=UNKNOWN_CLASS, reduction="sum")
    # good, of whatever class
    unknown = scores[truth == UNKNOWN_CLASS]
    good = log_any(unknown[:, 1:], 1)
    entropy = entropy + (torch.logaddexp(unknown[:, 0], good) - good).sum()
    return {"seediness": params.seed_weight * entropy / max(len(truth), 1)}


@torch.no_grad()
def _mask_classes(
    embedding: Tensor, labels: Tensor, seeds: Tensor, image: Tensor, good_iou: float, classes: Tensor | None
) -> Tensor:
    """Grow a mask from each seed (M, D) at each threshold, and give the class of the object that it meets.

    0 if it meets none, -1 if it meets one of unknown class.

    Returns
    -------
    Tensor (M, T), int64
    """
    objects = index_objects(labels)
    kinds = object_classes(objects, classes)
    found = torch.zeros(len(seeds), len(THRESHOLDS), dtype=torch.int64, device=labels.device)
    owner = torch.full_like(labels.reshape(-1), -1)
    owner[objects.pixels] = objects.owner
    for index in torch.unique(objects.image):
        known = labels[index].reshape(-1) >= 0
        mine = torch.nonzero(objects.image == index).squeeze(1)
        member = (owner.reshape(len(labels), -1)[index][known][:, None] == mine[None]).to(seeds.dtype)
        here = torch.nonzero(image == index).squeeze(1)
        apart = squared_distances(seeds[here], embedding[index].flatten(1).T[known].to(seeds.dtype))
        grown = torch.empty_like(apart)
        for rank, threshold in enumerate(THRESHOLDS):
            torch.le(apart, squared_radius(threshold), out=grown)
            overlap = grown @ member
            iou, best = (overlap / (grown.sum(1, keepdim=True) + objects.size[mine] - overlap)).max(1)
            found[here, rank] = torch.where(iou >= good_iou, kinds[mine[best]], 0)
    return found


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return all squared distances of rows (M, D) and (N, D) as one matrix product, (M, N)."""
    squares = torch.addmm(b.square().sum(1), a, b.T, alpha=-2)
    return squares.add_(a.square().sum(1, keepdim=True)).clamp_(min=0)


def log_similarity(squared: Tensor) -> Tensor:
    """Return the logarithm of equation 1, 2 / (1 + exp(d^2))."""
    return math.log(2) - functional.softplus(squared)


def log_dissimilarity(squared: Tensor) -> Tensor:
    """Return the logarithm of one minus equation 1, which is tanh(d^2 / 2)."""
    return torch.log(torch.tanh(squared.clamp(min=NEAREST) / 2))


def squared_radius(similarity: float) -> float:
    """Return the squared distance at which pixels are that similar."""
    return math.log(2 / similarity - 1)
