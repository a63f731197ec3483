"""Deep metric learning: how likely two pixels are of one object, and which pixels are good seeds to grow one from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_instseg.core.method import Method, Output, Stage, Target, Tensors, View
from napari_instseg.core.params import choice, flag, tunable
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.merging import MergeParams, distance, merge_stages
from napari_instseg.decoding.views import embedding_views
from napari_instseg.losses.params import ForegroundLoss, MetricLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


class Network(NetworkParams):
    """The network, and how many numbers it gives each pixel."""

    dimensions: int = tunable(
        64,
        1,
        128,
        title="Embedding dimensions",
        help="Numbers per pixel. More separate more objects and decode more slowly.",
    )
    pyramid: bool = flag(
        False,
        title="Image pyramid",
        help="See the image at a quarter, half, once and twice its size and average: for objects of very different "
        "sizes, five times as slow.",
        advanced=True,
    )


class Loss(MetricLoss, ForegroundLoss):
    """All that is trained together."""


class Decode(OutlineParams, MergeParams, EmbeddingDecode):
    """From an embedding and seeds to objects; grown from the best seeds by default."""

    clusterer: Literal["mean-shift", "hdbscan", "k-means", "seeded growth"] = choice(
        "seeded growth",
        title="Grouping method",
        help="How pixels are grouped by their embedding. Mean-shift: by a fixed radius; HDBSCAN: by density, without a "
        "radius; k-means: into a number that you give; seeded growth: around the best seed pixels.",
    )


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the network with its heads."""
    from napari_instseg.losses.metric import THRESHOLDS
    from napari_instseg.networks.build import build_network
    from napari_instseg.networks.pyramid import ImagePyramid

    heads = {"embedding": params.dimensions, "seeds": len(THRESHOLDS) * (max(classes, 1) + 1), "foreground": 1}
    network = build_network(params, heads, in_channels, ndim)
    return ImagePyramid(network) if params.pyramid else network


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Similarity of pairs plus lambda times the seediness (section 3.5), plus the foreground's own loss."""
    from napari_instseg.losses.foreground import foreground_loss
    from napari_instseg.losses.metric import seediness_loss, similarity_loss

    return {
        **similarity_loss(raw["embedding"], target.labels, params),
        **seediness_loss(raw["embedding"], raw["seeds"], target.labels, params, target.classes),
        **foreground_loss(raw["foreground"], target.labels, params),
    }


def schedule(params: Loss, progress: float) -> Loss:
    """Let lambda rise from 0, so that the embedding is learnt before masks are grown in it (section 3.5)."""
    share = min(progress / params.seed_ramp, 1.0) if params.seed_ramp else 1.0
    return params.changed(seed_weight=params.seed_weight * share)


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Seediness of each pixel, and the similarity and the class that it is best at (section 3.4)."""
    import torch

    from napari_instseg.losses.metric import THRESHOLDS

    good = torch.stack(raw["seeds"].chunk(len(THRESHOLDS), dim=1), dim=1).softmax(dim=2)[:, :, 1:]
    kinds = good.shape[2]
    seediness, best = good.flatten(1, 2).max(dim=1, keepdim=True)
    thresholds = torch.tensor(THRESHOLDS, dtype=seediness.dtype, device=seediness.device)
    return {
        "embedding": raw["embedding"],
        "seediness": seediness,
        "tau": thresholds[best // kinds],
        "seed_class": (best % kinds + 1).to(seediness.dtype),
        "foreground": raw["foreground"].sigmoid(),
    }


def stages(params: Decode) -> tuple[Stage, ...]:
    """Group pixels, then tidy the outlines, then score the objects."""
    return embedding_stages(params, (*merge_stages("embedding", distance), *outline_stages(params)))


METHOD = Method(
    name="metric",
    title="Deep metric learning",
    reference="Fathi, Wojna, Rathod, Wang, Song, Guadarrama, Murphy 2017, Semantic Instance Segmentation via Deep "
    "Metric Learning",
    summary="Grows objects from the pixels that make the best seeds; ranks objects by confidence, gives classes.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("embedding", "Embedding", "Position of each pixel in embedding space, (D, Y, X).", over_views="join"),
        Output(
            "seediness",
            "Seediness",
            "Probability that the pixel grows into a good mask, (Y, X).",
            "map",
            over_views="mean",
        ),
        Output(
            "tau",
            "Seed similarity",
            "Similarity threshold at which it is best, (Y, X).",
            "map",
            optional=True,
            over_views="mean",
        ),
        Output(
            "seed_class", "Seed class", "Class of that mask, from 1, (Y, X).", "map", optional=True, over_views="first"
        ),
        Output(
            "foreground",
            "Foreground",
            "Probability of being in an object, (Y, X).",
            "map",
            optional=True,
            over_views="mean",
        ),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=(
        View(
            "seediness",
            "Seediness",
            "Which pixels grow into good masks: high inside objects, low near their boundaries (figure 6).",
            "image",
            ("seediness",),
            lambda data: data["seediness"],
            colormap="magma",
            limits=(0.0, 1.0),
        ),
        *embedding_views(),
    ),
    schedule=schedule,
)
