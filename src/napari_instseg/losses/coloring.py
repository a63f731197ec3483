"""Deep coloring: neighbours must differ in colour, and the network chooses which (Kulikov et al. 2018)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_instseg.losses.objects import IGNORE, ObjectIndex, index_objects, object_classes
from napari_instseg.losses.params import ColoringLoss

CELLS_PER_MARGIN = 3
"""The halo is found on a grid this much finer than the margin: fine enough to choose colours by."""
CELLS_OF_CONTACT = 1
"""Objects that are nearer than so many cells are in contact, and take turns."""


def coloring_loss(
    logits: Tensor, labels: Tensor, params: ColoringLoss, classes: Tensor | None = None
) -> dict[str, Tensor]:
    """Score a colouring against the best colouring that is like it (equation 3).

    Parameters
    ----------
    logits : Tensor (B, C, *S)
        Unnormalised log-probabilities of C colours, the first is background. With K classes the others are K
        equal blocks, one per class.
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown.
    params : ColoringLoss
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1 to K; 0 background.

    Returns
    -------
    dict
        ``coloring``: the mean negative log-probability of the chosen colours over the known pixels, or, averaged over
        objects, the sum of equation 3 with the mean over the background, per image.
    """
    objects = index_objects(labels)
    colors = choose_colors(logits, objects, labels, params, classes)
    target = torch.where(labels < 0, IGNORE, 0).reshape(-1)
    target[objects.pixels] = colors[objects.owner]
    logits = logits if logits.dtype == torch.float64 else logits.float()
    loss = functional.cross_entropy(logits, target.reshape(labels.shape), ignore_index=IGNORE, reduction="none")
    if params.average == "pixels":
        return {"coloring": loss.sum() / (labels >= 0).sum().clamp(min=1)}
    background = labels == 0
    inside = objects.mean(loss.reshape(-1)[objects.pixels]).sum() / max(objects.batch, 1)
    return {"coloring": inside + (loss * background).sum() / background.sum().clamp(min=1)}


@torch.no_grad()
def choose_colors(
    logits: Tensor, objects: ObjectIndex, labels: Tensor, params: ColoringLoss, classes: Tensor | None = None
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
    log_p = functional.log_softmax(logits.float(), dim=1)
    log_free = torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
    known = log_p.exp() * (1 - params.exploration) + params.exploration / (log_p.shape[1] - 1)
    inside = objects.mean(objects.rows(known.log()))
    score = inside + params.halo_weight * halo_mean(log_free, objects, labels, params.margin)
    channels = torch.arange(score.shape[1], device=score.device)
    if classes is None:
        allowed = channels > 0
    else:
        kinds = max(int(classes.max()), 1)
        per_class = (len(channels) - 1) // kinds
        allowed = (channels > 0) & ((channels - 1) // per_class + 1 == object_classes(objects, classes)[:, None])
    score = score.masked_fill(~allowed, -torch.inf)
    if params.turns == "independent" or not objects.number:
        return score.argmax(1)
    return _take_turns(score, _contacts(objects, params.margin), params.balance)


def _take_turns(score: Tensor, contacts: Tensor, balance: float) -> Tensor:
    """Give each object, the surest first, its best colour that no object in contact has taken yet.

    A colour loses `balance` for each doubling of the number of objects that have taken it.
    """
    best = score.topk(min(2, score.shape[1]), dim=1).values
    order = (best[:, 0] - best[:, -1]).nan_to_num(posinf=torch.inf).argsort(descending=True).tolist()
    table = score.cpu().numpy()
    touching: list[list[int]] = [[] for _ in order]
    for one, other in contacts.tolist():
        touching[one].append(other)
    chosen = np.full(len(table), -1)
    taken = np.ones(table.shape[1])
    for number in order:
        free = table[number] - balance * np.log2(taken)
        free[[chosen[other] for other in touching[number] if chosen[other] >= 0]] = -np.inf
        chosen[number] = (free if np.isfinite(free).any() else table[number]).argmax()
        taken[chosen[number]] += 1
    return torch.from_numpy(chosen).to(score.device)


def _contacts(objects: ObjectIndex, margin: int) -> Tensor:
    """List the pairs of objects of an image that are in contact, both ways: (N, 2), int64."""
    cell = max(margin // CELLS_PER_MARGIN, 1)
    mask = _cells_of_objects(objects, cell, tuple(-(-side // cell) for side in objects.shape))
    shared = torch.bmm(_dilate(mask, CELLS_OF_CONTACT).flatten(2), mask.flatten(2).transpose(1, 2))
    number = objects.per_image(torch.arange(1, objects.number + 1, device=mask.device))
    image, one, other = torch.nonzero(shared > 0).unbind(1)
    pairs = torch.stack([number[image, one], number[image, other]], dim=1) - 1
    return pairs[pairs[:, 0] != pairs[:, 1]]


def halo_mean(values: Tensor, objects: ObjectIndex, labels: Tensor, margin: int) -> Tensor:
    """Average values over each object's halo: the known pixels within `margin` of it that are not its own (equation 1).

    Every object is dilated, with a cube, on a grid of cells of ``margin // 3`` pixels; the sums over cells less the
    object's own pixels make the halo exact up to the size of a cell, and exact for margins below six.

    Parameters
    ----------
    values : Tensor (B, C, *S)
    objects : ObjectIndex
        Of `labels`.
    labels : Tensor (B, *S), int64
    margin : int
        In pixels.

    Returns
    -------
    Tensor (K, C)
        0 where the halo is empty.
    """
    cell = max(margin // CELLS_PER_MARGIN, 1)
    known = (labels >= 0).unsqueeze(1).to(values.dtype)
    stacked = torch.cat([values * known, known], dim=1)
    cells = _cell_sums(stacked, cell)
    grid = cells.shape[2:]
    reach = -(-margin // cell)
    covered = _dilate(_cells_of_objects(objects, cell, grid), reach).to(values.dtype)
    sums = torch.bmm(covered.flatten(2), cells.flatten(2).transpose(1, 2))
    sums = sums[objects.image, objects.slot] - objects.sum(objects.rows(stacked))
    return sums[:, :-1] / sums[:, -1:].clamp(min=1)


def _cell_sums(values: Tensor, cell: int) -> Tensor:
    """Add up (B, C, *S) values over cells of `cell` pixels a side; the last cells may be smaller."""
    for axis in range(2, values.ndim):
        side = values.shape[axis]
        padding = (-side) % cell
        values = functional.pad(values, (0, 0) * (values.ndim - 1 - axis) + (0, padding))
        values = torch.unflatten(values, axis, (-1, cell)).sum(axis + 1)
    return values


def _cells_of_objects(objects: ObjectIndex, cell: int, grid: tuple[int, ...]) -> Tensor:
    """Mark the cells that each object touches: (B, slots, *grid), 0 or 1, as numbers that pooling is quick with."""
    mask = objects.size.new_zeros(objects.batch, objects.slots, *grid, dtype=torch.float32)
    place = (objects.coordinates() // cell).unbind(1)
    mask[(objects.image[objects.owner], objects.slot[objects.owner], *place)] = 1
    return mask


def _dilate(mask: Tensor, reach: int) -> Tensor:
    """Dilate (B, slots, *grid) masks by `reach` cells along every axis: a running maximum, one axis after the other."""
    if not mask.numel():
        return mask
    for axis in range(2, mask.ndim):
        turned = mask.movedim(axis, -1)
        rows = functional.max_pool1d(turned.reshape(-1, 1, turned.shape[-1]), 2 * reach + 1, stride=1, padding=reach)
        mask = rows.reshape(turned.shape).movedim(-1, axis)
    return mask
