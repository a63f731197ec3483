"""Scores where not all is known: what lies in the unknown is not judged, what only reaches into it is as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_instseg.core.labels import UNKNOWN
from napari_instseg.metrics.overlap_table import Overlap, check_pair, overlap

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


def settle_unknown(truth: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a pair of label images that can be scored as if all were known; `overlap` of it is `overlap_known`.

    Parameters
    ----------
    truth, prediction : array of int, shape (*spatial)
        As `overlap_known` takes them.

    Returns
    -------
    truth, prediction : int32 arrays
        Predicted objects that are not judged are taken out. The unknown under judged ones is background; the rest
        stays unknown, without objects.

    Raises
    ------
    InputError
        When the shapes differ, or one of them is not a label image.
    """
    truth, prediction = check_pair(truth, prediction)
    kept = np.isin(prediction, overlap_known(truth, prediction).pred_ids, kind="table")
    settled = np.where((truth == UNKNOWN) & kept, 0, truth)
    return settled.astype(np.int32), np.where(kept, prediction, 0).astype(np.int32)
