"""What is object and what is not, and of which class: cross-entropy and soft Dice over the known pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_instseg.losses.any_class import log_any
from napari_instseg.losses.objects import IGNORE
from napari_instseg.losses.params import ForegroundLoss


def foreground_loss(logits: Tensor, labels: Tensor, params: ForegroundLoss) -> dict[str, Tensor]:
    """Score the probability of being in any object.

    Parameters
    ----------
    logits : Tensor (B, 1, *S)
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown.
    params : ForegroundLoss

    Returns
    -------
    dict
        ``foreground``: binary cross-entropy and soft Dice, mixed and weighted.
    """
    known = labels >= 0
    logit = logits[:, 0] if logits.dtype == torch.float64 else logits[:, 0].float()
    truth = (labels > 0).to(logit.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logit, truth, reduction="none")
    entropy = (entropy * known * gap_weights(labels, params)).sum() / known.sum().clamp(min=1)
    dice = soft_dice((logit.sigmoid() * known).unsqueeze(1), (truth * known).unsqueeze(1))
    return {"foreground": params.foreground_weight * torch.lerp(entropy, dice, params.dice)}


def semantic_loss(logits: Tensor, classes: Tensor, labels: Tensor, params: ForegroundLoss) -> dict[str, Tensor]:
    """Score the probability of each class.

    Parameters
    ----------
    logits : Tensor (B, K + 1, *S)
        Channel 0 is background.
    classes : Tensor (B, *S), int64
        0 background, 1 to K, -1 unknown.
    labels : Tensor (B, *S), int64
        The objects, as in `foreground_loss`: they tell where gaps are, and which unknown classes are of objects.
    params : ForegroundLoss

    Returns
    -------
    dict
        ``semantic``: cross-entropy and soft Dice over the classes, mixed and weighted. The pixels of objects of
        unknown class teach that they are of some class, and not of which.
    """
    known, some = classes >= 0, (classes < 0) & (labels > 0)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    entropy = functional.cross_entropy(logits, classes, ignore_index=IGNORE, reduction="none")
    some_class = log_any(logits[:, 1:], 1)
    of_any = torch.logaddexp(logits[:, 0], some_class) - some_class
    entropy = torch.where(some, of_any, entropy) * gap_weights(labels, params)
    entropy = entropy.sum() / (known | some).sum().clamp(min=1)
    truth = functional.one_hot(classes.clamp(min=0), logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    mask = known.unsqueeze(1)
    dice = soft_dice((logits.softmax(1) * mask)[:, 1:], (truth * mask)[:, 1:])
    return {"semantic": params.foreground_weight * torch.lerp(entropy, dice, params.dice)}


def gap_weights(labels: Tensor, params: ForegroundLoss) -> Tensor:
    """Say how often each pixel counts in the cross-entropy: background in a gap between objects more than once.

    There are few such pixels and neighbours merge over them, so that weights as in Ronneberger et al. 2015 (U-Net,
    equation 2) make a network learn them; here a gap is what has two objects in the square of side ``2 * gap + 1``
    around it, which two poolings find.

    Parameters
    ----------
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown.
    params : ForegroundLoss

    Returns
    -------
    Tensor (B, *S), float32
        `gap_weight` in gaps, else 1.
    """
    weights = torch.ones(labels.shape, device=labels.device)
    if params.gap_weight == 1:
        return weights
    pool = functional.max_pool2d if labels.ndim == 3 else functional.max_pool3d
    objects = (labels > 0).unsqueeze(1)
    ids = labels.unsqueeze(1).float()
    highest, lowest = (
        pool(torch.where(objects, value, -torch.inf), 2 * params.gap + 1, 1, params.gap) for value in (ids, -ids)
    )
    # of a single object the highest id is the lowest one; without any both are minus infinity
    gap = (highest != -lowest) & torch.isfinite(highest) & (labels == 0).unsqueeze(1)
    return weights.masked_fill_(gap.squeeze(1), params.gap_weight)


def soft_dice(probability: Tensor, truth: Tensor) -> Tensor:
    """Return 1 - 2 |P T| / (|P| + |T|) over the whole batch, averaged over channels (Milletari et al. 2016).

    Parameters
    ----------
    probability, truth : Tensor (B, C, *S), in 0..1

    Notes
    -----
    One pixel is added to both sides, so that a batch without any object is finite and empty-on-empty costs nothing.
    """
    axes = (0, *range(2, probability.ndim))
    overlap = (probability * truth).sum(axes)
    total = probability.sum(axes) + truth.sum(axes)
    return (1 - (2 * overlap + 1) / (total + 1)).mean()
