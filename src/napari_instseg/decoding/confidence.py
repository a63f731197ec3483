"""Drops the objects that are not sure enough: the last step of every decoder that scores its objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_instseg.core.method import Data, Stage


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
