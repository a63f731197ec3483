"""Mask R-CNN whose masks are cut out by a semi-convolutional embedding (Novotny et al. 2018, section 3.5)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss, project_masks_on_boxes
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from napari_instseg.core.method import Target
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.networks.regions import CarefulProposals, class_loss, mostly_unknown, region_targets
from napari_instseg.networks.semiconv import FIRST_SIGMA, add_positions

PYRAMID_GRADIENT = 0.1
"""Share of the embedding's gradient that reaches the pyramid, since region proposals are sensitive to it."""

LEVELS = ("0", "1", "2", "3")
"""The pyramid's levels, each with half the resolution of the one before."""


BODIES = {
    "resnet10": (resnet.BasicBlock, (1, 1, 1, 1)),
    "resnet18": (resnet.BasicBlock, (2, 2, 2, 2)),
    "resnet34": (resnet.BasicBlock, (3, 4, 6, 3)),
    "resnet50": (resnet.Bottleneck, (3, 4, 6, 3)),
}
"""What the residual networks are built of (He et al. 2016, table 1; the first is the smallest of that scheme)."""


def check_operators() -> None:
    """Raise RuntimeError where torchvision's compiled operators do not fit this torch."""
    nms(torch.zeros(1, 4, device="cpu"), torch.zeros(1, device="cpu"), 0.5)


class SemiconvRCNN(nn.Module):
    """Regions, their classes and masks, and an embedding that tells the pixels of one object from another's.

    Parameters
    ----------
    in_channels, classes : int
        Image channels, and kinds of objects.
    backbone : str
        A name of `BODIES`.
    width : int
        Channels of the pyramid and the heads.
    anchor : int
        Side of the smallest anchor box in pixels; each of the five levels doubles it.
    finest : int
        Stride of the pyramid's finest level in pixels: 1, 2 or 4.
    dimensions : int
        Of the embedding; 0 makes a plain Mask R-CNN.
    """

    needs_target, coordinates = True, "none"
    encoder_parts: tuple[str, ...] = ("backbone",)
    halo = 256

    def __init__(
        self, in_channels: int, classes: int, *, backbone: str, width: int, anchor: int, finest: int, dimensions: int
    ) -> None:
        super().__init__()
        self.stride = finest * 2 ** (len(LEVELS) - 1)
        blocks, repeats = BODIES[backbone]
        body = resnet.ResNet(blocks, list(repeats))
        body.conv1 = nn.Conv2d(in_channels, 64, 7, stride=min(finest, 2), padding=3, bias=False)
        if finest < 4:
            body.maxpool = nn.Identity()
        inputs = [body.inplanes // 8 * 2**level for level in range(len(LEVELS))]
        layers = {f"layer{level + 1}": name for level, name in enumerate(LEVELS)}
        self.backbone = BackboneWithFPN(body, layers, inputs, width, LastLevelMaxPool())
        anchors = AnchorGenerator(tuple((anchor * 2**level,) for level in range(5)), ((0.5, 1.0, 2.0),) * 5)
        per_image = {"training": 1000, "testing": 1000}
        self.rpn = CarefulProposals(anchors, RPNHead(width, 3), 0.7, 0.3, 256, 0.5, per_image, per_image, 0.7)
        self.roi_heads = RoIHeads(
            MultiScaleRoIAlign(LEVELS, 7, 2),
            TwoMLPHead(width * 49, 2 * width),
            FastRCNNPredictor(2 * width, classes + 1),
            0.5, 0.5, 128, 0.25, None, 0.05, 0.5, 1000,
            MultiScaleRoIAlign(LEVELS, MASK_SIDE // 2, 2),
            MaskRCNNHeads(width, (width,) * 4, 1),
            MaskRCNNPredictor(width, width, classes + 1),
        )  # fmt: skip
        self.dimensions, self.classes = dimensions, classes
        if dimensions:
            self.embed = nn.Sequential(nn.Conv2d(width, 256, 1), nn.ReLU(), nn.Conv2d(256, dimensions, 3, padding=1))
            self.log_sigma = nn.Parameter(torch.tensor(math.log(FIRST_SIGMA)))

    def forward(
        self, image: Tensor, coordinates: Tensor | None = None, target: Target | None = None
    ) -> dict[str, Tensor]:
        """Return the embedding, and with a target the losses of the regions, or in evaluation the detections.

        Returns
        -------
        dict
            ``embedding`` (B, D, Y, X) with positions from the first pixel on, ``sigma`` (B, 1, Y, X). With a target
            ``objectness``, ``proposals``, ``region_class``, ``box``, ``mask`` and ``kernel``, scalars. In evaluation
            ``objectness`` (B, 1, Y, X), logits, and ``detections`` (B, N, K): box, score, class, mean embedding of the
            seed, sigma, mask logits; rows of score 0 fill up images with fewer detections.
        """
        features = self.backbone(image)
        # boxes need more digits than half precision has
        with torch.autocast(image.device.type, enabled=False):
            features = {name: level.float() for name, level in features.items()}
            raw = self._embedding(features, image)
            if self.training:
                return raw if target is None else {**raw, **self._losses(features, raw, image, target)}
            return {**raw, **self._detections(features, raw, image)}

    def _embedding(self, features: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
        """Run the shared subnetwork on every level and average what it says, at the resolution of the image."""
        if not self.dimensions:
            return {}
        finest = features[LEVELS[0]].shape[2:]
        levels = [self.embed(weaken_gradient(features[name])) for name in LEVELS]
        mean = torch.stack([functional.interpolate(level, finest, mode="bilinear") for level in levels]).mean(0)
        embedding = add_positions(functional.interpolate(mean, image.shape[2:], mode="bilinear"))
        return {"embedding": embedding, "sigma": self.log_sigma.exp().expand(len(image), 1, *image.shape[2:])}

    def _losses(
        self, features: dict[str, Tensor], raw: dict[str, Tensor], image: Tensor, target: Target
    ) -> dict[str, Tensor]:
        known = (target.labels >= 0).flatten(1).any(1)
        if not known.any():
            return {}
        features = {name: level[known] for name, level in features.items()}
        classes = None if target.classes is None else target.classes[known]
        targets = region_targets(target.labels[known], classes, self.classes)
        images = _image_list(image[known])
        proposals, rpn_losses = self.rpn(images, features, targets)
        heads: Any = self.roi_heads
        proposals = [boxes[~mostly_unknown(boxes, one["known"])] for boxes, one in zip(proposals, targets, strict=True)]
        proposals, matched, labels, regression = heads.select_training_samples(proposals, targets)
        pooled = heads.box_roi_pool(features, proposals, images.image_sizes)
        logits, offsets = heads.box_predictor(heads.box_head(pooled))
        labels, class_known = self._presume_classes(logits, labels, matched, targets)
        region_class = class_loss(logits, torch.cat(labels), class_known)
        _, box = fastrcnn_loss(logits, offsets, labels, regression)
        terms = {
            "objectness": rpn_losses["loss_objectness"],
            "proposals": rpn_losses["loss_rpn_box_reg"],
            "region_class": region_class,
            "box": box,
        }
        inside = [torch.nonzero(label > 0).squeeze(1) for label in labels]
        regions = [boxes[chosen] for boxes, chosen in zip(proposals, inside, strict=True)]
        kinds = torch.cat([label[chosen] for label, chosen in zip(labels, inside, strict=True)])
        logits, log_kernel, _ = self._masks(features, raw, regions, images, known)
        rows = torch.arange(len(kinds), device=kinds.device)
        truths, weights = [], []
        for one, match, chosen, boxes in zip(targets, matched, inside, regions, strict=True):
            truths.append(project_masks_on_boxes(one["masks"], boxes, match[chosen], MASK_SIDE))
            weights.append(project_masks_on_boxes(one["known"], boxes, torch.zeros_like(match[chosen]), MASK_SIDE))
        truth, weight = torch.cat(truths), torch.cat(weights)
        total = weight.sum().clamp(min=1)
        entropy = functional.binary_cross_entropy_with_logits(logits[rows, kinds], truth, weight, reduction="sum")
        terms["mask"] = entropy / total
        if self.dimensions:
            own = log_kernel[rows, kinds]
            outside = torch.log(-torch.expm1(own.clamp(max=-1e-3)))
            terms["kernel"] = -(weight * (truth * own + (1 - truth) * outside)).sum() / total
        return terms

    def _presume_classes(
        self, logits: Tensor, labels: list[Tensor], matched: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], Tensor]:
        """Take regions on objects of unknown class for what the network takes them: boxes and masks are by class.

        Returns
        -------
        labels : list of Tensor (R,)
        known : bool Tensor
            Which regions, of all images, have a known class.
        """
        known = [
            (label == 0) | one["class_known"][match] if len(one["class_known"]) else label == 0
            for label, match, one in zip(labels, matched, targets, strict=True)
        ]
        presumed = torch.split(logits.detach()[:, 1:].argmax(1) + 1, [len(label) for label in labels])
        labels = [torch.where(sure, label, guess) for sure, label, guess in zip(known, labels, presumed, strict=True)]
        return labels, torch.cat(known)

    def _masks(
        self,
        features: dict[str, Tensor],
        raw: dict[str, Tensor],
        regions: list[Tensor],
        images: ImageList,
        known: Tensor | slice = slice(None),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits with the kernel's, its logarithm, both (R, C + 1, side, side), and the seeds (R, C + 1, D)."""
        heads: Any = self.roi_heads
        pooled = heads.mask_roi_pool(features, regions, images.image_sizes)
        logits = heads.mask_predictor(heads.mask_head(pooled))
        if not self.dimensions:
            return logits, torch.zeros_like(logits), logits.new_zeros(*logits.shape[:2], 0)
        points = roi_align(raw["embedding"][known], regions, MASK_SIDE, sampling_ratio=2)
        log_kernel, seeds = steered_kernel(logits, points, self.log_sigma.exp())
        return logits + log_kernel, log_kernel, seeds

    def _detections(self, features: dict[str, Tensor], raw: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
        images = _image_list(image)
        heads: Any = self.roi_heads
        proposals, _ = self.rpn(images, features)
        pooled = heads.box_roi_pool(features, proposals, images.image_sizes)
        predicted = heads.box_predictor(heads.box_head(pooled))
        boxes, scores, kinds = heads.postprocess_detections(*predicted, proposals, images.image_sizes)
        logits, log_kernel, seeds = self._masks(features, raw, boxes, images)
        kind = torch.cat(kinds)
        at = torch.arange(len(kind), device=kind.device)
        corners = torch.cat(boxes)[:, [1, 0, 3, 2]]
        sigma = self.log_sigma.exp().expand(len(kind), 1) if self.dimensions else corners.new_ones(len(kind), 1)
        columns = [corners, torch.cat(scores)[:, None], kind[:, None], seeds[at, kind], sigma]
        rows = torch.cat([*columns, (logits - log_kernel)[at, kind].flatten(1)], dim=1)
        per_image = torch.split(rows, [len(b) for b in boxes])
        detections = nn.utils.rnn.pad_sequence(list(per_image), batch_first=True)
        objectness, _ = self.rpn.head(list(features.values()))
        best = [functional.interpolate(level.amax(1, keepdim=True), image.shape[2:]) for level in objectness]
        return {"objectness": torch.stack(best).amax(0), "detections": detections}


def weaken_gradient(values: Tensor) -> Tensor:
    """Pass values on as they are, and a tenth of their gradient back."""
    return PYRAMID_GRADIENT * values + (1 - PYRAMID_GRADIENT) * values.detach()


def steered_kernel(logits: Tensor, points: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Compare each pixel of a region with the region's seed by the Laplacian kernel (equation 10).

    Parameters
    ----------
    logits : Tensor (R, C, *S)
        Foreground scores; the seed is the expectation of the embedding under their soft-max over the pixels.
    points : Tensor (R, D, *S)
        The embedding.
    sigma : Tensor
        Scale of the kernel, in pixels.

    Returns
    -------
    log_kernel (R, C, *S), seeds (R, C, D)
    """
    seeds = logits.flatten(2).softmax(2) @ points.flatten(2).transpose(1, 2)
    difference = points.flatten(2)[:, None] - seeds[..., None]
    apart = (difference.square().sum(2) + 1e-12).sqrt()
    return (-apart / sigma).reshape(logits.shape), seeds


def _image_list(image: Tensor) -> ImageList:
    size = (image.shape[2], image.shape[3])
    return ImageList(image, [size] * len(image))
