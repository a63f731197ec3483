"""What the regions of Mask R-CNN are taught: boxes and masks of a label image, and nothing where it is unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import masks_to_boxes, roi_align

UNKNOWN_SHARE = 0.5
"""Boxes of which more than this is unknown are no background."""


def region_targets(labels: Tensor, classes: Tensor | None) -> list[dict[str, Tensor]]:
    """Give each image's objects as torchvision's detectors take them.

    Parameters
    ----------
    labels : Tensor (B, Y, X), int64
        0 background, positive object ids, -1 unknown.
    classes : Tensor (B, Y, X), int64, optional
        Class of each pixel's object, from 1.

    Returns
    -------
    list of dict
        ``boxes`` (n, 4) as x, y, x, y with the far corner outside, ``labels`` (n,), ``masks`` (n, Y, X), and ``known``
        (1, Y, X).
    """
    targets = []
    for index, truth in enumerate(labels):
        ids = torch.unique(truth[truth > 0])
        masks = truth[None] == ids[:, None, None]
        boxes = masks_to_boxes(masks) if len(ids) else truth.new_zeros(0, 4, dtype=torch.float32)
        boxes = boxes + boxes.new_tensor([0, 0, 1, 1])
        kinds = torch.ones_like(ids) if classes is None else (masks * classes[index]).flatten(1).amax(1)
        targets.append({"boxes": boxes, "labels": kinds, "masks": masks, "known": (truth >= 0)[None]})
    return targets


class CarefulProposals(RegionProposalNetwork):  # type: ignore[misc]
    """Torchvision's proposal network, which learns nothing from background anchors over unknown pixels."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Give the class of each anchor (1 object, 0 background, -1 not taught) and the box of its object."""
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
