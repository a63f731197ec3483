"""Discriminative loss: pixels of one object are pulled together in embedding space, objects are pushed apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_instseg.core.method import Method, Output, Stage, Target, Tensors
from napari_instseg.core.params import tunable
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.merging import MergeParams, distance, merge_stages
from napari_instseg.decoding.views import embedding_views
from napari_instseg.losses.params import DiscriminativeLoss, ForegroundLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


class Network(NetworkParams):
    """The network, and how many numbers it gives each pixel."""

    dimensions: int = tunable(
        8,
        1,
        64,
        title="Embedding dimensions",
        help="Numbers per pixel. More separate more objects that are near each other, and decode more slowly.",
    )


class Loss(DiscriminativeLoss, ForegroundLoss):
    """Both terms that are trained together."""


class Decode(OutlineParams, MergeParams, EmbeddingDecode):
    """From an embedding and a foreground to objects; mean-shift with the bandwidth of the loss by default."""


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the network with its heads; with classes the foreground is their semantic map."""
    from napari_instseg.networks import build_network

    where = {"semantic": classes + 1} if classes else {"foreground": 1}
    return build_network(params, {"embedding": params.dimensions, **where}, in_channels, ndim)


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Equation 4 of the paper plus the foreground's own loss."""
    from napari_instseg.losses import discriminative_loss, foreground_loss, semantic_loss

    terms = discriminative_loss(raw["embedding"], target.labels, params, target.classes)
    if "semantic" in raw:
        return {**terms, **semantic_loss(raw["semantic"], target.class_map, target.labels, params)}
    return {**terms, **foreground_loss(raw["foreground"], target.labels, params)}


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """The embedding as it is, and probabilities."""
    if "semantic" in raw:
        semantic = raw["semantic"].softmax(dim=1)
        return {"embedding": raw["embedding"], "semantic": semantic, "foreground": 1 - semantic[:, :1]}
    return {"embedding": raw["embedding"], "foreground": raw["foreground"].sigmoid()}


def stages(params: Decode) -> tuple[Stage, ...]:
    """Foreground, clusters, their connected pieces and outlines."""
    return embedding_stages(params, (*merge_stages("embedding", distance), *outline_stages(params)))


METHOD = Method(
    name="discriminative",
    title="Discriminative loss",
    reference="De Brabandere, Neven, Van Gool 2017, Semantic Instance Segmentation with a Discriminative Loss Function",
    summary="An embedding for every pixel, clustered by mean-shift; the all-round choice, live to tune.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("embedding", "Embedding", "Position of each pixel in embedding space, (D, Y, X).", over_views="join"),
        Output(
            "foreground",
            "Foreground",
            "Probability of being in an object, (Y, X).",
            "map",
            optional=True,
            over_views="mean",
        ),
        Output(
            "semantic",
            "Classes",
            "Probability of each class, (K + 1, Y, X), the first none.",
            optional=True,
            over_views="mean",
        ),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=embedding_views(),
)
