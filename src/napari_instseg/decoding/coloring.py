"""Decoding of colour probabilities: the winning colour, its connected pieces, sizes, merging (Kulikov et al. 2018)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, choice, tunable
from napari_instseg.decoding.objects import ObjectParams, confidence_stage

# the compiled parts are imported where they are used: parameters and plans are asked for long before the first decode


class ColorParams(Params):
    """How colour probabilities become pieces, and which of these are one object."""

    foreground: Literal["argmax", "threshold"] = choice(
        "argmax",
        title="Foreground by",
        help="Either each pixel takes its most probable colour, the background being one of them, "
        "or a threshold decides what is foreground.",
    )
    foreground_threshold: float = tunable(
        0.5,
        0.0,
        1.0,
        step=0.01,
        title="Foreground threshold",
        help="Least probability of lying in any object. Higher: thinner outlines and fewer faint objects.",
        when=("foreground", ("threshold",)),
    )
    merge_distance: float = tunable(
        0.0,
        0.0,
        100.0,
        step=0.5,
        unit="px",
        grows="length",
        title="Merge distance",
        help="Pieces of the same colour nearer than this become one object; for objects that others partly hide. "
        "0 merges nothing.",
    )
    merge_measure: Literal["hausdorff", "gap"] = choice(
        "hausdorff",
        title="Merge distance is",
        help="'hausdorff': the farthest that a pixel of one piece is from the other piece, as in the paper; "
        "'gap': the distance between their nearest pixels.",
        advanced=True,
    )


class ColoringDecode(ObjectParams, ColorParams):
    """How colour probabilities become objects. The score is the mean probability of the object's colour."""


def _color_map(data: Data, params: Any) -> Data:
    """Section 3.1 of the paper: the best colour decides, also where classes have colours of their own.

    With a semantic head 4.3, where that says what is foreground and of which class.
    """
    from napari_instseg.decoding.colors import winning_colors

    if "semantic" not in data:
        threshold = params.foreground_threshold if params.foreground == "threshold" else None
        return {"color": winning_colors(data["colors"], threshold)}
    class_map, n_colors = winning_colors(data["semantic"]), len(data["colors"])
    if "class_colors" in data:
        # its own palette's best colour, whatever other classes' colours say
        size = (n_colors - 1) // (len(data["class_colors"]) - 1)
        color: np.ndarray[Any, Any] = np.zeros(class_map.shape, np.uint16)
        for kind in range(1, len(data["semantic"])):
            here, first = class_map == kind, 1 + (kind - 1) * size
            color[here] = first + data["colors"][first : first + size, here].argmax(axis=0)
    else:
        color = winning_colors(data["colors"], 0.0)
    return {"color": np.where(class_map > 0, class_map.astype(np.uint16) * n_colors + color, 0).astype(np.uint16)}


def _pieces(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.components import connected_pieces
    from napari_instseg.decoding.distances import PieceDistances

    pieces = connected_pieces(data["color"])
    return {"pieces": pieces, "distances": PieceDistances(pieces)}


def _gather(data: Data, params: Any) -> Data:
    from napari_instseg.decoding.components import keep_and_absorb, label_objects
    from napari_instseg.decoding.distances import merge_near

    pieces = data["pieces"]
    kept, target = keep_and_absorb(pieces, params.min_size, params.absorb)
    if params.merge_distance > 0:
        pairs, _ = data["distances"].pairs_within(params.merge_distance, params.merge_measure)
        pairs = pairs[kept[pairs].all(axis=1)]
        target = merge_near(pairs, pieces.n)[target]
    labels, leader = label_objects(pieces, target)
    return {"labels": labels, "object_group": pieces.group[leader]}


def _score(data: Data, params: Any) -> Data:
    """Mean probability of the object's colour, times that of its class where there are classes (section 4.3)."""
    from napari_instseg.decoding.scores import mean_own_channel

    labels, n_colors = data["labels"], len(data["colors"])
    group = data["object_group"]
    if "semantic" not in data:
        found = {"score": mean_own_channel(labels, data["colors"], group)}
        if "class_colors" in data:
            found["class_id"] = (group - 1) // ((n_colors - 1) // (len(data["class_colors"]) - 1)) + 1
        return found
    class_id = group // n_colors
    score = mean_own_channel(labels, data["colors"], group % n_colors, data["semantic"], class_id)
    return {"score": score, "class_id": class_id}


def coloring_stages(params: ColoringDecode, refine: tuple[Stage, ...] = ()) -> tuple[Stage, ...]:
    """Return the steps from colour probabilities to objects.

    Reads the outputs ``colors`` (C, *S) and, if there, ``semantic`` (K + 1, *S), channel 0 of both the background, and
    ``class_colors`` (K + 1, *S), which says that the colours are K palettes of one size.

    Parameters
    ----------
    params : ColoringDecode
        The parameters; the steps are the same whatever their values.
    refine : tuple of Stage
        Steps from labels to labels, run before objects are scored.
    """
    return (
        Stage("colour map", ("foreground", "foreground_threshold"), _color_map),
        Stage("pieces", (), _pieces),
        Stage("objects", ("min_size", "absorb", "merge_distance", "merge_measure"), _gather),
        *refine,
        Stage("scores", (), _score),
        confidence_stage(),
    )
