"""The overlap table where not all is known: what lies in the unknown is not judged, what only reaches into it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from napari_instseg.metrics.overlap_table import UNKNOWN, Overlap, check_pair, overlap

MOST_OF_IT = 0.5


def overlap_known(truth: ArrayLike, prediction: ArrayLike) -> Overlap:
    """Count shared pixels, leaving out predicted objects of which nothing is known.

    Other than with `overlap`, unknown pixels are not cut off the predicted objects, so that one that goes beyond a true
    object is found to be too large. A predicted object is judged if more than half of it is known, or if it and a
    true object share more than half of the smaller of the two: a piece of a true object, or what has swallowed one,
    is judged; a neighbour that overlaps its rim is not. Where all is known, this is `overlap`.

    Parameters
    ----------
    truth : array of int, shape (*spatial)
        True labels: 0 background, above 0 object ids, -1 unknown.
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
    truth, prediction = check_pair(truth, prediction)
    table = overlap(np.maximum(truth, 0), prediction)
    seen, known_pixels = np.unique(prediction[(truth != UNKNOWN) & (prediction > 0)], return_counts=True)
    known_areas = np.zeros(table.n_pred, np.intp)
    known_areas[np.searchsorted(table.pred_ids, seen)] = known_pixels
    judged = known_areas > MOST_OF_IT * table.pred_areas
    smaller = np.minimum(table.true_areas[table.true_index], table.pred_areas[table.pred_index])
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
