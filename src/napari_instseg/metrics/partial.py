"""The overlap table where only some of the true objects are known: those are judged, and what is predicted on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from napari_instseg.metrics.overlap_table import Overlap, overlap

MOST_OF_IT = 0.5


def overlap_known(truth: ArrayLike, prediction: ArrayLike) -> Overlap:
    """Count shared pixels as `overlap` does, leaving out predicted objects of which nothing is known.

    A predicted object is judged if it and a true object share more than half of the smaller of the two: a piece of a
    true object, or what has swallowed one, is; a neighbour that overlaps its rim is not.

    Parameters
    ----------
    truth : array of int, shape (*spatial)
        Above 0 the ids of the known objects; anything may be true of the pixels that are 0.
    prediction : array of int, shape (*spatial)
        Predicted labels: 0 background, above 0 object ids.

    Returns
    -------
    Overlap
        Of all true objects and the judged predicted ones, from which all label scores follow.

    Raises
    ------
    InputError
        When the shapes differ, or one of them is not a label image.
    """
    table = overlap(truth, prediction)
    smaller = np.minimum(table.true_areas[table.true_index], table.pred_areas[table.pred_index])
    judged = np.zeros(table.n_pred, bool)
    judged[table.pred_index[table.intersection > MOST_OF_IT * smaller]] = True
    kept = judged[table.pred_index]
    return Overlap(
        true_ids=table.true_ids,
        pred_ids=table.pred_ids[judged],
        true_areas=table.true_areas,
        pred_areas=table.pred_areas[judged],
        true_index=table.true_index[kept],
        pred_index=(np.cumsum(judged) - 1)[table.pred_index[kept]],
        intersection=table.intersection[kept],
    )
