"""From detected regions to objects: masks cut out by affinity, those found twice dropped, painted by score."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, flag, tunable

# the compiled parts are imported where they are used: parameters and plans are asked for long before the first decode


class DetectionDecode(Params):
    """How detected regions become objects."""

    min_score: float = tunable(
        0.5,
        0.05,
        1.0,
        step=0.01,
        title="Minimum confidence",
        help="Regions whose score is below this are no objects. Higher: fewer, surer objects.",
    )
    affinity: bool = flag(
        True,
        title="Cut out by affinity",
        help="Cut each object out of its region by how near its pixels point to the seed's. "
        "Off: the region's mask alone.",
    )
    mask_threshold: float = tunable(
        0.5,
        0.01,
        0.99,
        step=0.01,
        title="Mask threshold",
        help="Least probability of a pixel to belong to the object of its region. Higher: thinner objects.",
    )
    max_overlap: float = tunable(
        0.5,
        0.0,
        1.0,
        step=0.01,
        title="Largest overlap",
        help="An object that overlaps a surer one by more than this (IoU) is the same one. Higher: more objects on top "
        "of each other.",
    )
    min_size: int = tunable(
        30,
        0,
        5000,
        unit="px",
        grows="size",
        title="Smallest object",
        help="Objects with fewer pixels left to see are dropped.",
    )


def detection_stages(params: DetectionDecode, refine: tuple[Stage, ...] = ()) -> tuple[Stage, ...]:
    """Return the steps from the outputs ``detections`` (N, K) and, if there, ``embedding`` (D, Y, X) to objects."""
    return (
        Stage("masks", ("affinity",), _masks),
        Stage("instances", ("min_score", "mask_threshold", "max_overlap"), _instances),
        Stage("objects", ("min_size",), _paint),
        *refine,
        Stage("scores", (), _scores),
        Stage("overlaps", (), _overlaps),
    )


def _masks(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.instances import cut_out

    rows = data["detections"]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    embedding = data["embedding"] if params.affinity and "embedding" in data else None
    return {"candidates": cut_out(rows[rows[:, 4] > 0], _grid_of(data), embedding)}


def _grid_of(data: Data) -> tuple[int, ...]:
    shape: tuple[int, ...] = next(
        array.shape[-2:] for name, array in data.items() if name in ("objectness", "embedding")
    )
    return shape


def _instances(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.instances import keep_surest

    kept = keep_surest(data["candidates"], params.min_score, params.mask_threshold, params.max_overlap)
    return {"instances": kept}


def _paint(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.instances import paint

    labels, seen = paint(data["instances"], _grid_of(data), params.min_size)
    return {"labels": labels, "object_group": seen}


def _scores(data: Data, params: Any) -> Data:
    instances, group = data["instances"], data["object_group"]
    return {"score": instances.score[group], "class_id": instances.class_id[group]}


def _overlaps(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.overlapping import find_covered

    return {"covered": find_covered(data["instances"], data["object_group"], data["labels"])}
