"""Agreement of two label images as partitions of the pixels."""

from __future__ import annotations

from numpy.typing import ArrayLike

from napari_instseg.core.labels import UNKNOWN
from napari_instseg.metrics.overlap_table import check_pair


def adjusted_rand_index(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the adjusted Rand index over the known pixels, with the background as one more group (scikit-learn's).

    Parameters
    ----------
    truth : array of int, shape (*spatial)
        True labels: 0 background, above 0 object ids, -1 unknown.
    prediction : array of int, shape (*spatial)
        Predicted labels.

    Returns
    -------
    float
        At most 1 (the same partition); about 0 for labels drawn by chance.

    Raises
    ------
    InputError
        When the shapes differ, or one of them is not a label image.
    """
    from sklearn.metrics import adjusted_rand_score

    true_labels, pred_labels = check_pair(truth, prediction)
    known = true_labels != UNKNOWN
    return float(adjusted_rand_score(true_labels[known], pred_labels[known]))
