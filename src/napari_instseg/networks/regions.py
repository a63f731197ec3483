"""What the regions of Mask R-CNN are taught: boxes and masks of a label image, and nothing where it is unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import masks_to_boxes, roi_align

UNKNOWN_SHARE = 0.5
"""Boxes of which more than this is unknown are no background."""


def region_targets(labels: Tensor, classes: Tensor | None, n_classes: int = 1) -> list[dict[str, Tensor]]:
    """Return each image's objects as torchvision's detectors take them.

    Parameters
    ----------
    labels : Tensor (B, Y, X), int64
        0 background, positive object ids, -1 unknown.
    classes : Tensor (B, Y, X), int64, optional
        Class of each pixel's object, from 1; -1 unknown, as all are when left out.
    n_classes : int
        With a single one nothing is unknown of it.

    Returns
    -------
    list of dict
        ``boxes`` (n, 4) as x, y, x, y with the far corner outside, ``labels`` (n,), which is 1 where ``class_known``
        (n,) is not, ``masks`` (n, Y, X), and ``known`` (1, Y, X).
    """
    targets = []
    for index, truth in enumerate(labels):
        ids = torch.unique(truth[truth > 0])
        masks = truth[None] == ids[:, None, None]
        boxes = masks_to_boxes(masks) if len(ids) else truth.new_zeros(0, 4, dtype=torch.float32)
        boxes = boxes + boxes.new_tensor([0, 0, 1, 1])
        kinds = torch.zeros_like(ids) if classes is None else (masks * classes[index]).flatten(1).amax(1)
        known = kinds > 0 if n_classes > 1 else torch.ones_like(ids, dtype=torch.bool)
        kinds = kinds.clamp(min=1)
        targets.append(
            {"boxes": boxes, "labels": kinds, "masks": masks, "known": (truth >= 0)[None], "class_known": known}
        )
    return targets


def class_loss(logits: Tensor, kinds: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of the classes of regions; where an object's class is not known any but the background is right.

    Parameters
    ----------
    logits : Tensor (R, C + 1)
        Channel 0 is the background.
    kinds : Tensor (R,), int64
    known : bool Tensor (R,)
    """
    log_p = logits.log_softmax(1)
    own = log_p.gather(1, kinds[:, None]).squeeze(1)
    return -torch.where(known, own, log_p[:, 1:].logsumexp(1)).mean()


class CarefulProposals(RegionProposalNetwork):  # type: ignore[misc]
    """Torchvision's proposal network, which learns nothing from background anchors over unknown pixels."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the class of each anchor (1 object, 0 background, -1 not taught) and the box of its object."""
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, boxes, target in zip(labels, anchors, targets, strict=True):
            label[(label == 0) & mostly_unknown(boxes, target["known"])] = -1
        return labels, matched


def mostly_unknown(boxes: Tensor, known: Tensor) -> Tensor:
    """Tell which boxes (n, 4) lie mostly on unknown pixels of `known` (1, Y, X); bool (n,)."""
    if known.all():
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    unknown = (~known)[None].to(boxes.dtype)
    share: Tensor = roi_align(unknown, [boxes], 4).mean((1, 2, 3))
    return share > UNKNOWN_SHARE
