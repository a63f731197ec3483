"""Semi-convolutional embedding: each pixel points at a place of its object, so even identical objects differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.method import Array, Data, Method, Output, Stage, Target, Tensors, View
from napari_instseg.core.params import tunable
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.merging import MergeParams, distance_in_radii, merge_stages
from napari_instseg.decoding.views import displacement_view, embedding_views
from napari_instseg.losses.params import ForegroundLoss, SemiconvLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


class Network(NetworkParams):
    """The network, and how many numbers it gives each pixel."""

    dimensions: int = tunable(
        2,
        2,
        64,
        title="Embedding dimensions",
        help="The first ones, one per image axis, point at a place of the object; further ones hold traits of the "
        "object such as its texture. In volumes at least 3 are used.",
    )


class Loss(SemiconvLoss, ForegroundLoss):
    """All that is trained together."""


class Decode(OutlineParams, MergeParams, EmbeddingDecode):
    """From an embedding and a foreground to objects."""

    bandwidth: float = tunable(
        1.0,
        0.05,
        20.0,
        step=0.05,
        unit="kernel scales",
        title="Bandwidth",
        help="Pixels that point nearer than this to an object's centre belong to it; the unit is the distance that the "
        "network learnt. Larger: objects merge; smaller: objects break.",
        when=("clusterer", ("mean-shift",)),
    )
    merge_alike: float = tunable(
        0.0,
        0.0,
        3.0,
        step=0.05,
        unit="radii",
        title="Join similar neighbours",
        help="Objects that touch and point at places nearer than this become one, the nearest first; the unit is the "
        "radius of both together. Mends large objects that break; from about 1 neighbours merge. 0 merges nothing.",
    )


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the network with its heads, and make the embedding semi-convolutional."""
    from napari_instseg.networks.build import build_network
    from napari_instseg.networks.semiconv import SemiConvolution

    where = {"semantic": classes + 1} if classes else {"foreground": 1}
    heads = {"embedding": max(params.dimensions, ndim), **where}
    return SemiConvolution(build_network(params, heads, in_channels, ndim))


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Equation 5 and the kernel's cross-entropy, plus the foreground's own loss."""
    from napari_instseg.losses.foreground import foreground_loss, semantic_loss
    from napari_instseg.losses.semiconv import semiconv_loss

    terms = semiconv_loss(raw["embedding"], raw["sigma"], target.labels, params, target.classes)
    if "semantic" in raw:
        return {**terms, **semantic_loss(raw["semantic"], target.class_map, target.labels, params)}
    return {**terms, **foreground_loss(raw["foreground"], target.labels, params)}


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Embedding by positions in the whole image, so that a tile says what the whole image says; and probabilities."""
    import torch

    embedding = raw["embedding"]
    start = embedding.new_zeros(embedding.shape[1])
    start[: len(offset)] = torch.tensor(offset, dtype=start.dtype, device=start.device)
    outputs = {"embedding": embedding + start.reshape(-1, *(1,) * len(offset)), "sigma": raw["sigma"]}
    if "semantic" in raw:
        semantic = raw["semantic"].softmax(dim=1)
        return {**outputs, "semantic": semantic, "foreground": 1 - semantic[:, :1]}
    return {**outputs, "foreground": raw["foreground"].sigmoid()}


def stages(params: Decode) -> tuple[Stage, ...]:
    """Measure the embedding in learnt kernel scales (equation 10), then cluster it."""
    refine = (*merge_stages("places", distance_in_radii), *outline_stages(params))
    return (Stage("kernel scale", (), _in_kernel_scales), *embedding_stages(params, refine))


def _in_kernel_scales(data: Data, params: Any) -> Data:
    pointing = data["embedding"].astype(np.float32, copy=False)
    scaled = pointing / data["sigma"].flat[0] if "sigma" in data else pointing
    return {"pointing": pointing, "places": pointing[: pointing.ndim - 1], "embedding": scaled}


def object_centroids(data: Data) -> Array:
    """The place that each object's pixels point at, on average: (n, ndim)."""
    from scipy import ndimage

    pointing, labels = data.get("pointing", data["embedding"]), data["labels"]
    ids = np.arange(1, labels.max() + 1)
    return np.stack([ndimage.mean(channel, labels, ids) for channel in pointing[: labels.ndim]], axis=-1)


METHOD = Method(
    name="semiconv",
    title="Semi-convolutional embedding",
    reference="Novotny, Albanie, Larlus, Vedaldi 2018, Semi-convolutional Operators for Instance Segmentation",
    summary="Each pixel points at its object; tells identical objects apart, shows what it thinks as arrows.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output(
            "embedding",
            "Embedding",
            "The place that each pixel points at, in pixels, and traits, (D, Y, X).",
            in_pixels=True,
        ),
        Output(
            "sigma",
            "Kernel scale",
            "Learnt scale of the affinity, in pixels; one number.",
            "map",
            optional=True,
            in_pixels=True,
        ),
        Output("foreground", "Foreground", "Probability of being in an object, (Y, X).", "map", optional=True),
        Output("semantic", "Classes", "Probability of each class, (K + 1, Y, X), the first none.", optional=True),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=(
        displacement_view(),
        View(
            "centroids",
            "Centres",
            "The place that the pixels of each object point at.",
            "points",
            ("embedding", "labels"),
            object_centroids,
        ),
        *embedding_views(),
    ),
)
