"""Decoding of pixel embeddings: a choice of clusterers, then pieces, sizes and scores, which all of them share."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, choice, flag, tunable
from napari_instseg.decoding.objects import ObjectParams, confidence_stage

# the compiled parts are imported where they are used: parameters and plans are asked for long before the first decode


SPREAD_ROWS = 3
"""One row in so many is enough to tell how far a cluster's embeddings spread."""

FEWEST_POINTS = 4
"""Smallest cluster that HDBSCAN is asked for, in sampled points."""


class ClusterParams(Params):
    """How the pixels of an embedding are grouped."""

    foreground_threshold: float = tunable(
        0.5,
        0.0,
        1.0,
        step=0.01,
        title="Foreground threshold",
        help="Least probability of lying in any object. Higher: thinner outlines and fewer faint objects.",
    )
    clusterer: Literal["mean-shift", "hdbscan", "k-means", "seeded growth"] = choice(
        "mean-shift",
        title="Grouping method",
        help="How pixels are grouped by their embedding. Mean-shift: by a fixed radius; HDBSCAN: by density, without a "
        "radius; k-means: into a number that you give; seeded growth: around the best seed pixels.",
    )
    bandwidth: float = tunable(
        0.5,
        0.05,
        5.0,
        step=0.05,
        unit="embedding distance",
        title="Bandwidth",
        help="Pixels whose embedding is nearer than this to an object's centre belong to it. "
        "Larger: objects merge; smaller: objects break.",
        when=("clusterer", ("mean-shift",)),
    )
    exact: bool = flag(
        False,
        title="Exact mean-shift",
        help="Cluster every pixel on its own instead of small flat blocks: several times slower, hardly different.",
        when=("clusterer", ("mean-shift",)),
        advanced=True,
    )
    min_cluster_size: int = tunable(
        60,
        4,
        5000,
        unit="px",
        grows="size",
        title="Smallest cluster",
        help="Groups of similar pixels below this size are no objects of their own. Larger: fewer, larger objects.",
        when=("clusterer", ("hdbscan",)),
    )
    min_samples: int = tunable(
        5,
        1,
        50,
        title="Density neighbours",
        help="How many near points make a place dense. Larger: more pixels count as outliers, clusters are cleaner.",
        when=("clusterer", ("hdbscan",)),
        advanced=True,
    )
    sample_size: int = tunable(
        8000,
        500,
        50000,
        step=500,
        unit="px",
        title="Sampled pixels",
        help="How many foreground pixels are clustered; the others join what was found. More: slower, finds smaller "
        "objects.",
        when=("clusterer", ("hdbscan", "k-means")),
        advanced=True,
    )
    n_clusters: int = tunable(
        10,
        1,
        2000,
        title="Number of objects",
        help="The number of groups that pixels are put into.",
        when=("clusterer", ("k-means",)),
    )
    n_seeds: int = tunable(
        100,
        1,
        2000,
        title="Number of seeds",
        help="Most objects that can be found: each grows from one seed pixel.",
        when=("clusterer", ("seeded growth",)),
    )
    diversity: float = tunable(
        0.3,
        0.0,
        2.0,
        step=0.05,
        title="Seed diversity",
        help="How far apart seeds are put in the embedding (alpha of Fathi et al. 2017). "
        "0: the pixels that make the best seeds, even of one object.",
        when=("clusterer", ("seeded growth",)),
        advanced=True,
    )
    similarity: float = tunable(
        0.5,
        0.01,
        0.99,
        step=0.01,
        title="Similarity threshold",
        help="Pixels at least this similar to a seed join its object. Higher: smaller objects.",
        when=("clusterer", ("seeded growth",)),
    )
    own_threshold: bool = flag(
        True,
        title="Threshold of each seed",
        help="Where the network says which similarity threshold suits each pixel as a seed, use that instead.",
        when=("clusterer", ("seeded growth",)),
        advanced=True,
    )
    kernel: Literal["logistic", "gaussian", "laplacian"] = choice(
        "logistic",
        title="Similarity",
        help="How distance in the embedding becomes similarity: 'logistic' as in Fathi et al. 2017, 'gaussian' and "
        "'laplacian' as in Novotny et al. 2018.",
        when=("clusterer", ("seeded growth",)),
        advanced=True,
    )
    kernel_scale: float = tunable(
        1.0,
        0.01,
        100.0,
        step=0.01,
        unit="embedding distance",
        title="Kernel scale",
        help="Distance at which similarity has fallen clearly. Larger: pixels farther from a seed join it.",
        when=("clusterer", ("seeded growth",)),
        advanced=True,
    )
    connected: bool = flag(
        True,
        title="Split separate pieces",
        help="Pieces that do not touch are objects of their own, even if their embedding is the same.",
    )


class EmbeddingDecode(ObjectParams, ClusterParams):
    """How a pixel embedding becomes objects.

    The score is the mean foreground probability times how compact the embedding is, or that of the seed.
    """


def embedding_stages(params: EmbeddingDecode, refine: tuple[Stage, ...] = ()) -> tuple[Stage, ...]:
    """Return the steps from an embedding to objects, with the clusterer that the parameters name.

    Reads the outputs ``embedding`` (D, *S) and, if there, ``foreground`` (*S), ``semantic`` (K, *S; channel 0 is the
    background), ``seediness`` (*S), ``tau`` (*S; the similarity threshold that suits each pixel as a seed) and
    ``seed_class`` (*S). Without a foreground it is one minus the background class, or else all pixels.

    Parameters
    ----------
    params : EmbeddingDecode
        The parameters; only the clusterer changes which steps there are.
    refine : tuple of Stage
        Steps from labels to labels, run before objects are scored.
    """
    return (
        Stage("foreground", ("foreground_threshold",), _foreground),
        *_CLUSTERERS[params.clusterer],
        Stage("pieces", ("connected",), _pieces),
        Stage("objects", ("min_size", "absorb"), _gather),
        *refine,
        Stage("scores", (), _score),
        confidence_stage(),
    )


def _foreground(data: Data, params: Any) -> Data:
    embedding = data["embedding"]
    results: dict[str, Any] = {}
    if embedding.dtype != np.float32:
        results["embedding"] = embedding.astype(np.float32)
    if "foreground" not in data and "semantic" in data:
        results["foreground"] = 1 - data["semantic"][0].astype(np.float32)
    probability = results.get("foreground", data.get("foreground"))
    if probability is None:
        return {**results, "mask": np.ones(embedding.shape[1:], bool)}
    return {**results, "mask": probability >= params.foreground_threshold}


def _condense(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.blocks import condense

    return {"blocks": condense(data["embedding"], data["mask"])}


def _mean_shift(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.meanshift import mean_shift, mean_shift_exact

    if params.exact:
        return {"clusters": mean_shift_exact(data["embedding"], data["mask"], params.bandwidth)}
    return {"clusters": mean_shift(data["embedding"], data["mask"], data["blocks"], params.bandwidth, params.absorb)}


def _sample(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.sample import draw_sample

    return {"sample": draw_sample(data["embedding"], data["mask"], params.sample_size)}


def _density_tree(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.density import single_linkage_tree

    return {"linkage": single_linkage_tree(data["sample"].points, params.min_samples)}


def _cut_density_tree(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.density import cut_tree
    from napari_instseg.decoding.sample import spread_labels

    sample = data["sample"]
    # the parameter counts pixels, the tree sampled points; fewer of them than this say nothing about density
    size = max(round(params.min_cluster_size * sample.share), FEWEST_POINTS)
    labels = cut_tree(data["linkage"], size)[: len(sample.points)]
    return {"clusters": spread_labels(data["embedding"], data["mask"], data["blocks"], sample, labels)}


def _k_means(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.kmeans import k_means

    return {"clusters": k_means(data["embedding"], data["mask"], data["sample"], params.n_clusters)}


def _seeds(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.seeds import find_seeds

    seediness = data.get("seediness", data.get("foreground"))
    seeds = find_seeds(data["embedding"], data["mask"], data["blocks"], seediness, params.n_seeds, params.diversity)
    return {"seeds": seeds}


def _grow(data: Data, params: Any) -> Data:
    """Grow the seeds; score and class of a cluster are those of its seed, where the network gives them."""
    from napari_instseg.decoding.seeds import grow_seeds

    seeds = data["seeds"]
    threshold = params.similarity
    if params.own_threshold and "tau" in data:
        threshold = data["tau"].ravel()[seeds.pixels]
    clusters, leader = grow_seeds(seeds, threshold, params.kernel, params.kernel_scale)
    results = {"clusters": clusters}
    for name, cluster_value in (("seediness", "cluster_score"), ("seed_class", "cluster_class")):
        if name in data:
            results[cluster_value] = data[name].ravel()[seeds.pixels[leader]]
    return results


_CLUSTERERS: dict[str, tuple[Stage, ...]] = {
    "mean-shift": (Stage("blocks", (), _condense), Stage("mean-shift", ("bandwidth", "exact", "absorb"), _mean_shift)),
    "hdbscan": (
        Stage("blocks", (), _condense),
        Stage("sample", ("sample_size",), _sample),
        Stage("density tree", ("min_samples",), _density_tree),
        Stage("hdbscan", ("min_cluster_size",), _cut_density_tree),
    ),
    "k-means": (Stage("sample", ("sample_size",), _sample), Stage("k-means", ("n_clusters",), _k_means)),
    "seeded growth": (
        Stage("blocks", (), _condense),
        Stage("seeds", ("n_seeds", "diversity"), _seeds),
        Stage("growth", ("similarity", "own_threshold", "kernel", "kernel_scale"), _grow),
    ),
}


def _pieces(data: Data, params: Any) -> Data:
    """Objects of different classes may share embedding space, so the class splits clusters as well."""
    from napari_instseg.decoding.clusters import cluster_spread
    from napari_instseg.decoding.components import connected_pieces, whole_groups

    clusters = data["clusters"]
    groups, n_groups = clusters.map, len(clusters.centres)
    n_classes = len(data["semantic"]) if "semantic" in data else 1
    if n_classes > 2:
        groups = np.where(groups > 0, groups * n_classes + _best_class(data["semantic"]), 0).astype(np.int32)
        n_groups = (n_groups + 1) * n_classes - 1
    pieces = connected_pieces(groups) if params.connected else whole_groups(groups, n_groups)
    spread = clusters.spread
    if spread is None and "cluster_score" not in data:  # else the seeds say how sure objects are
        spread = cluster_spread(data["embedding"], clusters, SPREAD_ROWS)
    return {"pieces": pieces, "spread": spread}


def _best_class(semantic: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Most probable class of each pixel, the background left out: what is foreground has been decided."""
    from napari_instseg.decoding.colors import winning_colors

    best: npt.NDArray[np.int32] = winning_colors(semantic, 0.0).astype(np.int32)
    return best


def _gather(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.components import keep_and_absorb, label_objects

    pieces = data["pieces"]
    _, target = keep_and_absorb(pieces, params.min_size, params.absorb)
    labels, leader = label_objects(pieces, target)
    return {"labels": labels, "object_group": pieces.group[leader]}


def _score(data: Data, params: Any) -> Data:
    """Mean foreground probability of the object times the compactness of its cluster."""
    from napari_instseg.decoding.clusters import compactness
    from napari_instseg.decoding.scores import mean_own_channel

    labels, group = data["labels"], data["object_group"]
    results: dict[str, Any] = {}
    cluster = group
    if "semantic" in data:
        n_classes = len(data["semantic"])
        results["class_id"] = group % n_classes if n_classes > 2 else np.ones_like(group)
        cluster = group // n_classes if n_classes > 2 else group
    if "cluster_class" in data:
        results["class_id"] = data["cluster_class"][cluster - 1].astype(np.int64)
    if "cluster_score" in data:
        return {**results, "score": data["cluster_score"][cluster - 1].astype(np.float32)}
    # pieces of one cluster share its room: they must not count as each other's neighbours
    present, place = np.unique(cluster - 1, return_inverse=True)
    score = compactness(data["clusters"].centres[present], data["spread"][present])[place].astype(np.float32)
    if "foreground" in data:
        score *= mean_own_channel(labels, data["foreground"][None], np.zeros(len(group), np.int64))
    return {**results, "score": score}
