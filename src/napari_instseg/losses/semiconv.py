"""Attraction to the object's mean, and the Laplacian kernel that pushes others away (Novotny et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_instseg.losses.discriminative import distance
from napari_instseg.losses.objects import ObjectIndex, image_mean, index_objects, object_classes
from napari_instseg.losses.params import SemiconvLoss

OTHERS = 4096
"""At most so many pixels of an image are compared with all its objects; more are sampled."""

NEAREST = 1e-3
"""Distance, in kernel scales, below which another object's pixel is pushed no harder."""


def semiconv_loss(
    embedding: Tensor, sigma: Tensor, labels: Tensor, params: SemiconvLoss, classes: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute both terms, each times its weight, averaged over the objects of an image and then over images.

    Parameters
    ----------
    embedding : Tensor (B, D, *S)
        With positions, in pixels.
    sigma : Tensor
        Scale of the kernel, in pixels; all its entries are the same.
    labels : Tensor (B, *S), int64
        0 background, positive object ids, -1 unknown: neither of the first and last teaches anything.
    params : SemiconvLoss
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1. Objects of different classes do not repel.

    Returns
    -------
    dict
        ``attraction``, equation 5 averaged over objects, in pixels; and ``kernel``, the cross-entropy of the kernel of
        equation 10 between each object's mean and the pixels of all objects of its image, per pixel of the object.
    """
    objects = index_objects(labels)
    rows = objects.rows(embedding)
    means = objects.mean(rows)
    apart = distance(rows, means[objects.owner], 2)
    attraction = image_mean(objects.mean(apart), objects)
    terms = {"attraction": params.attraction * attraction}
    if params.kernel_weight:
        scale = sigma.reshape(-1)[0].to(rows.dtype)
        # inside an object -log K is the distance over sigma: equation 5 again
        push = image_mean(_push(rows, means, objects, scale, object_classes(objects, classes)), objects)
        terms["kernel"] = params.kernel_weight * (attraction / scale + push)
    return terms


def _push(rows: Tensor, means: Tensor, objects: ObjectIndex, scale: Tensor, kinds: Tensor) -> Tensor:
    """Sum -log(1 - K) over the other objects' pixels in the image, per pixel of the object: (K,)."""
    total = rows.new_zeros(objects.number) + 0 * means.sum()
    image_of_row = objects.image[objects.owner]
    for image in range(objects.batch):
        mine = torch.nonzero(objects.image == image).squeeze(1)
        chosen = torch.nonzero(image_of_row == image).squeeze(1)
        if len(mine) < 2:
            continue
        share = len(chosen) / OTHERS
        if share > 1:
            chosen = chosen[torch.randint(len(chosen), (OTHERS,), device=chosen.device)]
        owner = objects.owner[chosen]
        # the exact mode: the quick one loses small distances between far positions
        apart = torch.cdist(means[mine], rows[chosen], compute_mode="donot_use_mm_for_euclid_dist") / scale
        other = (owner[None] != mine[:, None]) & (kinds[owner][None] == kinds[mine][:, None])
        push = -torch.log(-torch.expm1(-apart.clamp(min=NEAREST)))
        total = total.index_add(0, mine, (push * other).sum(1) * max(share, 1))
    return total / objects.size.to(total.dtype)
