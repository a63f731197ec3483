"""Steps from labels to labels that every method can add to its decoding: fill holes, smooth outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Array, Data, Stage
from napari_instseg.core.params import Params, tunable


class OutlineParams(Params):
    """What is done to the outlines of the objects that a decoder found."""

    fill_holes: int = tunable(
        20,
        0,
        5000,
        unit="px",
        grows="size",
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
    """Return the steps that are run between finding objects and scoring them."""
    return (
        Stage("holes", ("fill_holes",), fill_object_holes),
        Stage("smoothing", ("smoothing",), smooth_objects),
    )


def fill_object_holes(data: Data, params: Any) -> Data:
    """Fill holes of up to ``fill_holes`` pixels."""
    from napari_instseg.refining.holes import fill_holes

    return {"labels": fill_holes(data["labels"], params.fill_holes)}


def smooth_objects(data: Data, params: Any) -> Data:
    """Smooth each outline by a random field of strength ``smoothing``."""
    if params.smoothing == 0:
        return {}
    from napari_instseg.refining.random_field import smooth_outlines

    return renumbered(smooth_outlines(data["labels"], params.smoothing), data["object_group"])


def renumbered(labels: npt.NDArray[np.int32], group: Array) -> Data:
    """Number the objects that are left from 1 on, with the clusters that they come from."""
    from napari_instseg.decoding.components import renumber

    new, left = renumber(labels, len(group))
    return {"labels": new, "object_group": group[left - 1]}
