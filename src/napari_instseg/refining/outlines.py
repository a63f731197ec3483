"""Steps from labels to labels that every method can add to its decoding: fill holes, smooth outlines."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, tunable


class OutlineParams(Params):
    """What is done to the outlines of the objects that a decoder found."""

    fill_holes: int = tunable(
        20,
        0,
        5000,
        unit="px",
        title="Fill holes up to",
        help="Background enclosed by one object becomes part of it if it is no larger than this.",
    )
    smoothing: float = tunable(
        0.0,
        0.0,
        3.0,
        step=0.1,
        title="Outline smoothing",
        help="Strength of the random field that smooths each outline: higher rounds corners off and removes what "
        "sticks out, and very small objects with it. 0 leaves outlines as they are.",
    )


def outline_stages(params: OutlineParams) -> tuple[Stage, ...]:
    """Give the steps that the parameters ask for, to be run between finding objects and scoring them."""
    steps = [Stage("holes", ("fill_holes",), _fill_holes)]
    if params.smoothing > 0:
        steps.append(Stage("smoothing", ("smoothing",), _smooth))
    return tuple(steps)


def _fill_holes(data: Data, params: Any) -> Data:
    from napari_instseg.refining.holes import fill_holes

    return {"labels": fill_holes(data["labels"], params.fill_holes)}


def _smooth(data: Data, params: Any) -> Data:
    from napari_instseg.refining.random_field import smooth_outlines

    labels, group = smooth_outlines(data["labels"], params.smoothing), data["object_group"]
    left = np.unique(labels)
    left = left[left > 0]
    new_id = np.zeros(len(group) + 1, np.int32)
    new_id[left] = np.arange(1, len(left) + 1)
    return {"labels": new_id[labels], "object_group": group[left - 1]}
