"""Deep coloring: neighbours must differ in colour, and the network chooses which (Kulikov et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_instseg.losses.any_class import log_any
from napari_instseg.losses.halo import contacts, halo_mean
from napari_instseg.losses.objects import IGNORE, UNKNOWN_CLASS, ObjectIndex, index_objects, object_classes
from napari_instseg.losses.params import ColoringLoss

CONTACT = 3
"""Objects that are nearer than this part of the margin are in contact, and take turns."""


def coloring_loss(
    logits: Tensor,
    labels: Tensor,
    params: ColoringLoss,
    classes: Tensor | None = None,
    palettes: Sequence[int] = (),
) -> dict[str, Tensor]:
    """Score a colouring against the best colouring that is like it (equation 3).

    Parameters
    ----------
    logits : Tensor (B, C, *S)
        Unnormalised log-probabilities of C colours, the first is background.
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown.
    params : ColoringLoss
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1; 0 background; -1 unknown, as all are when left out.
    palettes : sequence of int
        How many of the colours each class has, in the order of classes and without the background; one palette for all
        objects when left out. An object takes a colour of its class. One of unknown class takes any, and teaches only
        that its pixels have that colour or the best colour of another class: not which class they have.

    Returns
    -------
    dict
        ``coloring``: the mean negative log-probability of the chosen colours over the known pixels. Averaged over
        objects it is the sum of equation 3 with the mean over the background, or, as the paper has it, its sum per
        image.
    """
    objects = index_objects(labels)
    kinds = object_classes(objects, classes)
    score = score_colors(logits, objects, labels, params, kinds, palettes)
    colors = pick_colors(score, objects, labels, params)
    target = torch.where(labels < 0, IGNORE, 0).reshape(-1)
    target[objects.pixels] = colors[objects.owner]
    logits = logits if logits.dtype == torch.float64 else logits.float()
    loss = functional.cross_entropy(logits, target.reshape(labels.shape), ignore_index=IGNORE, reduction="none")
    if len(palettes) > 1 and bool((kinds == UNKNOWN_CLASS).any()):
        loss = _of_any_class(loss, logits, objects, kinds, _answers(score, colors, palettes))
    if params.average == "pixels":
        return {"coloring": loss.sum() / (labels >= 0).sum().clamp(min=1)}
    background = labels == 0
    inside = objects.mean(loss.reshape(-1)[objects.pixels]).sum() / max(objects.batch, 1)
    pixels = background.sum().clamp(min=1) if params.background == "mean" else max(objects.batch, 1)
    return {"coloring": inside + (loss * background).sum() / pixels}


def _answers(score: Tensor, colors: Tensor, palettes: Sequence[int]) -> Tensor:
    """Tell which channels are right for an object of unknown class: its colour, and the best of each other palette."""
    answers = torch.zeros_like(score, dtype=torch.bool)
    rows = torch.arange(len(score), device=score.device)
    first = 1
    for size in palettes:
        own = (colors >= first) & (colors < first + size)
        best = score[:, first : first + size].argmax(1) + first
        answers[rows, torch.where(own, colors, best)] = True
        first += size
    return answers


def _of_any_class(loss: Tensor, logits: Tensor, objects: ObjectIndex, kinds: Tensor, answers: Tensor) -> Tensor:
    """Put the negative log-probability of all right answers together where the class is unknown."""
    unknown = kinds[objects.owner] == UNKNOWN_CLASS
    rows = objects.rows(logits)[unknown]
    answer = answers[objects.owner[unknown]]
    right, wrong = log_any(rows, 1, answer), rows.masked_fill(answer, -torch.inf).logsumexp(1)
    entropy = torch.logaddexp(right, wrong) - right
    return loss.reshape(-1).index_copy(0, objects.pixels[unknown], entropy.to(loss.dtype)).reshape(loss.shape)


def choose_colors(
    logits: Tensor,
    objects: ObjectIndex,
    labels: Tensor,
    params: ColoringLoss,
    classes: Tensor | None = None,
    palettes: Sequence[int] = (),
) -> Tensor:
    """Choose the colour of each object: probable inside, improbable in its halo (equations 1 and 2).

    The paper lets objects choose independently. Two touching objects that look alike to the network then choose alike,
    again and again, and nothing tells it to separate them. In turn, the surest object first, none takes the best colour
    that an object in contact has taken, while there are others.

    Returns
    -------
    Tensor (K,), int64
        Channel of each object's colour, from 1.
    """
    kinds = object_classes(objects, classes)
    return pick_colors(score_colors(logits, objects, labels, params, kinds, palettes), objects, labels, params)


@torch.no_grad()
def score_colors(
    logits: Tensor,
    objects: ObjectIndex,
    labels: Tensor,
    params: ColoringLoss,
    kinds: Tensor,
    palettes: Sequence[int] = (),
) -> Tensor:
    """Return the objective of equation 2 of each colour for each object, (K, C); of those not allowed minus infinity.

    Parameters
    ----------
    kinds : Tensor (K,), int64
        Class of each object from 1, -1 unknown; see `coloring_loss` for all others.

    Raises
    ------
    ValueError
        If the palettes do not add up to the colours, or a class has no palette.
    """
    log_p = functional.log_softmax(logits.float(), dim=1)
    log_free = torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
    known = log_p.exp() * (1 - params.exploration) + params.exploration / (log_p.shape[1] - 1)
    score = objects.mean(objects.rows(known.log()))
    if params.halo_weight:
        score = score + params.halo_weight * halo_mean(log_free, objects, labels, params.margin)
    allowed = torch.ones_like(score, dtype=torch.bool)
    allowed[:, 0] = False
    if palettes:
        if sum(palettes) != score.shape[1] - 1 or (objects.number and int(kinds.max()) > len(palettes)):
            raise ValueError(
                f"palettes of {list(palettes)} colours do not fit {score.shape[1] - 1} colours and {kinds}"
            )
        sizes = torch.tensor([1, *palettes], device=score.device)
        class_of = torch.repeat_interleave(torch.arange(len(sizes), device=score.device), sizes)
        allowed &= (class_of == kinds[:, None]) | (kinds == UNKNOWN_CLASS)[:, None]
    return score.masked_fill(~allowed, -torch.inf)


def pick_colors(score: Tensor, objects: ObjectIndex, labels: Tensor, params: ColoringLoss) -> Tensor:
    """Let each object pick a colour by its scores (K, C), in turn or independently: (K,), int64."""
    if params.turns == "independent" or not objects.number:
        return score.argmax(1)
    return _take_turns(score, contacts(objects, labels, max(params.margin // CONTACT, 1)), params.balance)


def _take_turns(score: Tensor, pairs: Tensor, balance: float) -> Tensor:
    """Return each object, the surest first, its best colour that no object in contact has taken yet.

    A colour loses `balance` for each doubling of the number of objects that have taken it.
    """
    best = score.topk(min(2, score.shape[1]), dim=1).values
    order = (best[:, 0] - best[:, -1]).nan_to_num(posinf=torch.inf).argsort(descending=True).tolist()
    table = score.cpu().numpy()
    touching: list[list[int]] = [[] for _ in order]
    for one, other in pairs.tolist():
        touching[one].append(other)
    chosen = np.full(len(table), -1)
    taken = np.ones(table.shape[1])
    for number in order:
        free = table[number] - balance * np.log2(taken)
        free[[chosen[other] for other in touching[number] if chosen[other] >= 0]] = -np.inf
        chosen[number] = (free if np.isfinite(free).any() else table[number]).argmax()
        taken[chosen[number]] += 1
    return torch.from_numpy(chosen).to(score.device)
