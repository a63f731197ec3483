"""Semi-convolutional Mask R-CNN: regions first, then each object is cut out of its region by an embedding."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_instseg.core.errors import ModelError, ParameterError
from napari_instseg.core.method import Array, Data, Method, Output, Stage, Target, Tensors, View
from napari_instseg.core.params import Params, choice, tunable
from napari_instseg.core.triton import without_triton
from napari_instseg.decoding.detections import DetectionDecode, detection_stages
from napari_instseg.decoding.overlapping import layers_of
from napari_instseg.decoding.views import confidence_view, displacement_view, projection_views
from napari_instseg.losses.params import RegionLoss, SemiconvLoss
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


class Network(Params):
    """The region network and its embedding."""

    backbone: Literal["resnet10", "resnet18", "resnet34", "resnet50"] = choice(
        "resnet18",
        title="Backbone",
        help="How deep the network is that all else builds on; deeper is slower, and needs more images.",
    )
    width: int = tunable(
        128,
        8,
        256,
        step=8,
        unit="channels",
        title="Width",
        help="Channels of the feature pyramid and of the heads; 256 in the paper.",
    )
    anchor: int = tunable(
        16,
        4,
        128,
        step=4,
        unit="px",
        title="Smallest box",
        help="Side of the smallest boxes that are looked for; the largest are sixteen times as large.",
    )
    finest: Literal["1", "2", "4"] = choice(
        "4",
        title="Finest level",
        help="Pixels per cell of the pyramid's finest level: 4 as in the paper; 2 or 1 for smaller objects, slower.",
    )
    dimensions: int = tunable(
        8,
        0,
        64,
        title="Embedding dimensions",
        help="Numbers per pixel by which objects are cut out of their regions. 0: plain Mask R-CNN, to compare with.",
    )


class Loss(RegionLoss):
    """All that is trained together."""


class Decode(OutlineParams, DetectionDecode):
    """From detected regions to objects."""


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the network.

    Raises
    ------
    ParameterError
        If it is asked for volumes.
    ModelError
        If torchvision, or its compiled part, is not there.
    """
    if ndim != 2 or params.dimensions == 1:
        raise ParameterError("Mask R-CNN is for 2-d images, and its embedding has 0 or at least 2 dimensions.")
    try:
        with without_triton():
            from napari_instseg.networks.rcnn import SemiconvRCNN, check_operators

        check_operators()
    except (ImportError, RuntimeError, AttributeError) as error:
        raise ModelError(
            f"The method semiconv_rcnn needs torchvision with operators that fit the installed torch, but: {error}. "
            "Install both together from the same place: pip install --upgrade torch torchvision"
        ) from None
    return SemiconvRCNN(
        in_channels,
        max(classes, 1),
        backbone=params.backbone,
        width=params.width,
        anchor=params.anchor,
        finest=int(params.finest),
        dimensions=params.dimensions,
    )


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Mask R-CNN's own losses, the image-level embedding loss, and the cross-entropy of the kernel (section 3.5)."""
    from napari_instseg.losses.semiconv import semiconv_loss

    terms = {name: raw[name] for name in ("objectness", "proposals", "region_class", "box", "mask") if name in raw}
    if "kernel" in raw:
        terms["kernel"] = params.kernel_weight * raw["kernel"]
    if "embedding" in raw:
        attract = SemiconvLoss(attraction=params.embedding_weight, kernel_weight=0.0)
        terms |= semiconv_loss(raw["embedding"], raw["sigma"], target.labels, attract)
    return terms


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Count positions, those of the seeds too, in the whole image."""
    import torch

    outputs = {"objectness": raw["objectness"].sigmoid(), "detections": raw["detections"]}
    if "embedding" not in raw:
        return outputs
    embedding, rows = raw["embedding"], raw["detections"].clone()
    start = torch.zeros(embedding.shape[1], dtype=embedding.dtype, device=embedding.device)
    start[:2] = torch.tensor(offset, dtype=embedding.dtype, device=embedding.device)
    rows[..., 6 : 6 + len(start)] += start
    return {**outputs, "detections": rows, "embedding": embedding + start[:, None, None]}


def stages(params: Decode) -> tuple[Stage, ...]:
    """Cut out, keep the surest, paint, tidy outlines."""
    return detection_stages(params, outline_stages(params))


def overlaps(data: Data) -> Array:
    """Count the objects at each pixel: 2 and more where they lie on top of each other; (Y, X)."""
    counts: Array = data["instances"].stack(data["objectness"].shape).sum(axis=0, dtype=np.float32)
    return counts


def beneath(depth: int, data: Data) -> Array:
    """Return the objects under those in sight, by the ids that the user knows; (Y, X), 0 where there is none."""
    layers = layers_of(data["labels"], data["covered"])
    if len(layers) <= depth:
        return np.zeros_like(layers[0])
    shown: Array = layers[depth] if data.get("ids") is None else data["ids"][layers[depth]]
    return shown


METHOD = Method(
    name="semiconv_rcnn",
    title="Semi-convolutional Mask R-CNN",
    reference="Novotny, Albanie, Larlus, Vedaldi 2018, Semi-convolutional Operators for Instance Segmentation",
    summary="Finds a box for each object, then cuts the object out; for long objects that lie on top of each other.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("objectness", "Objectness", "Probability that a box around the pixel holds an object, (Y, X).", "map"),
        Output("detections", "Detections", "Box, score, class, seed, kernel scale and mask of each, (N, K).", "rows"),
        Output("embedding", "Embedding", "The place that each pixel points at, and traits, (D, Y, X).", optional=True),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=(
        View(
            "objectness",
            "Objectness",
            "Where the network looks for objects at all.",
            "image",
            ("objectness",),
            lambda data: data["objectness"],
            colormap="magma",
            limits=(0.0, 1.0),
        ),
        View(
            "overlaps",
            "Overlaps",
            "How many objects lie at each pixel; the label image can show only the surest one.",
            "image",
            ("instances", "objectness"),
            overlaps,
            colormap="viridis",
        ),
        View(
            "beneath",
            "Objects beneath",
            "The covered parts of objects that lie under those in sight, in the same colours.",
            "labels",
            ("labels", "covered"),
            partial(beneath, 1),
        ),
        View(
            "beneath_both",
            "Objects beneath both",
            "The covered parts of objects that lie under two others.",
            "labels",
            ("labels", "covered"),
            partial(beneath, 2),
        ),
        displacement_view(),
        *projection_views(),
        confidence_view(),
    ),
    ndims=(2,),
)
