"""Clusternet: a wide discriminative embedding, clustered by density, every segment drawn anew by a second network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_instseg.core.method import Method, Output, Stage, Target, Tensors
from napari_instseg.core.params import choice, tunable
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.merging import MergeParams, distance, merge_stages
from napari_instseg.decoding.views import embedding_views
from napari_instseg.losses.params import BoundaryLoss, DiscriminativeLoss, ForegroundLoss, MaskLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.clusternet import RefinementParams, refinement_stages

if TYPE_CHECKING:
    import torch


class Network(NetworkParams):
    """Both networks."""

    dimensions: int = tunable(
        32,
        1,
        64,
        title="Embedding dimensions",
        help="Numbers per pixel. More separate more objects that are near each other, and decode more slowly.",
    )
    mask_width: int = tunable(
        16,
        4,
        128,
        step=4,
        unit="channels",
        title="Width of ClusterNet",
        help="Channels of the finest level of the network that draws the masks.",
        advanced=True,
    )


class Loss(DiscriminativeLoss, BoundaryLoss, MaskLoss, ForegroundLoss):
    """All that is trained together; the margins are the paper's."""

    delta_v: float = tunable(
        2.0,
        0.01,
        10.0,
        unit="embedding distance",
        title="Pull margin (delta_v)",
        help="Pixels nearer than this to their object's mean are left alone.",
    )
    delta_d: float = tunable(
        20.0,
        0.01,
        50.0,
        unit="embedding distance",
        title="Push margin (delta_d)",
        help="Means nearer than twice this are pushed apart. More than twice the pull margin keeps objects apart.",
    )


class Decode(RefinementParams, MergeParams, EmbeddingDecode):
    """From an embedding and a foreground to objects; by density, then drawn anew, by default."""

    clusterer: Literal["mean-shift", "hdbscan", "k-means", "seeded growth"] = choice(
        "hdbscan",
        title="Grouping method",
        help="How pixels are grouped by their embedding. Mean-shift: by a fixed radius; HDBSCAN: by density, without a "
        "radius; k-means: into a number that you give; seeded growth: around the best seed pixels.",
    )
    bandwidth: float = tunable(
        4.0,
        0.1,
        50.0,
        step=0.1,
        unit="embedding distance",
        title="Bandwidth",
        help="Pixels whose embedding is nearer than this to an object's centre belong to it. "
        "Larger: objects merge; smaller: objects break.",
        when=("clusterer", ("mean-shift",)),
    )
    merge_alike: float = tunable(
        0.0,
        0.0,
        50.0,
        step=0.5,
        unit="embedding distance",
        title="Join similar neighbours",
        help="Objects that touch and are nearer to each other than this, by the mean of their embedding, become one, "
        "the nearest first. Mends objects that break; too much merges neighbours. 0 merges nothing.",
    )


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the embedding network with its heads, and ClusterNet beside it."""
    from napari_instseg.networks.build import build_network
    from napari_instseg.networks.clusternet import ClusterNetwork

    where = {"semantic": classes + 1} if classes else {"foreground": 1}
    network = build_network(params, {"embedding": params.dimensions, **where}, in_channels, ndim)
    return ClusterNetwork(network, ndim, params.mask_width)


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """The discriminative loss with the background as one more object, the additions of section 3.1, and the masks."""
    from napari_instseg.losses.boundary import boundary_loss, key_point_weights
    from napari_instseg.losses.discriminative import discriminative_loss
    from napari_instseg.losses.foreground import foreground_loss, semantic_loss
    from napari_instseg.losses.mask import mask_loss
    from napari_instseg.losses.sampling import background_as_object

    labels = background_as_object(target.labels)
    weights = key_point_weights(labels, params.key_weight) if params.key_weight > 1 else None
    terms = discriminative_loss(raw["embedding"], labels, params, weights=weights)
    if params.boundary_weight:
        delta_e = 2 * (params.delta_d - params.delta_v)
        terms |= boundary_loss(raw["embedding"], labels, params, delta_e)
    if "mask" in raw:
        terms |= mask_loss(raw["mask"], raw["mask_truth"], params)
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
    """Cluster, merge what is alike, refine in the order asked for, score."""
    return embedding_stages(params, (*merge_stages("embedding", distance), *refinement_stages(params)))


METHOD = Method(
    name="clusternet",
    title="Embeddings with ClusterNet",
    reference="Jaffe, Ben-Moshe 2019, Instance Segmentation via Deep Embeddings",
    summary="A wide embedding clustered by density, then each object drawn anew by a network; for few large ones.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("embedding", "Embedding", "Position of each pixel in embedding space, (D, Y, X)."),
        Output("foreground", "Foreground", "Probability of being in an object, (Y, X).", "map", optional=True),
        Output("semantic", "Classes", "Probability of each class, (K + 1, Y, X), the first none.", optional=True),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=embedding_views(),
)
