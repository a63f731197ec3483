"""What every decoder asks of the objects that it found: their size, and how sure it is of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, flag, tunable


class ObjectParams(Params):
    """Which of the found pieces are objects."""

    min_size: int = tunable(
        30,
        0,
        5000,
        unit="px",
        grows="size",
        title="Smallest object",
        help="Smaller pieces are not objects. Higher: fewer specks, but small objects are lost.",
    )
    absorb: bool = flag(
        True,
        title="Small pieces join their neighbour",
        help="A piece that is too small, or only a seam between objects, joins the object that it touches most.",
    )
    min_score: float = tunable(
        0.0,
        0.0,
        1.0,
        step=0.01,
        title="Minimum confidence",
        help="Objects whose score is below this are dropped. Higher: fewer, surer objects.",
    )


def confidence_stage() -> Stage:
    """Drop the objects whose score is below ``min_score``."""
    return Stage("confidence", ("min_score",), _drop_unsure)


def _drop_unsure(data: Data, params: Any) -> Data:
    score = data["score"]
    sure = score >= params.min_score
    if sure.all():
        return {}
    new_id = np.zeros(len(score) + 1, np.int32)
    new_id[1:][sure] = np.arange(1, np.count_nonzero(sure) + 1)
    from napari_instseg.decoding.components import look_up

    dropped: dict[str, Any] = {"labels": look_up(new_id, data["labels"]), "score": score[sure]}
    if "class_id" in data:
        dropped["class_id"] = data["class_id"][sure]
    return dropped
