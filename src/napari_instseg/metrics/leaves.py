"""The leaf scores of the CVPPP challenge: symmetric best Dice, foreground Dice, difference in count.

Reference: Scharr et al. 2016, Leaf segmentation in plant phenotyping: a collation study, Machine Vision and
Applications 27. Each score is of one image; a data set's value is the mean over images. For |DiC| that is the mean of
the absolute differences, so that leaves too many in one image do not make up for leaves too few in another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_instseg.metrics.overlap_table import Overlap


def sbd(table: Overlap) -> float:
    """Symmetric best Dice: the smaller of the mean best Dice seen from the truth and from the prediction.

    Parameters
    ----------
    table : Overlap
        Of the two label images.

    Returns
    -------
    float
        In [0, 1]; 1 when there is no object in either image, 0 when only one of them has any.
    """
    if table.n_true == table.n_pred == 0:
        return 1.0
    dice = table.dice
    return min(
        _mean_best(dice, table.true_index, table.n_true),
        _mean_best(dice, table.pred_index, table.n_pred),
    )


def fbd(table: Overlap) -> float:
    """Foreground-background Dice: of all true against all predicted foreground pixels.

    Parameters
    ----------
    table : Overlap
        Of the two label images.

    Returns
    -------
    float
        In [0, 1]; 1 when there is no object in either image.
    """
    foreground = table.true_areas.sum() + table.pred_areas.sum()
    return float(2 * table.intersection.sum() / foreground) if foreground else 1.0


def dic(table: Overlap) -> int:
    """Difference in count: predicted minus true number of objects."""
    return table.n_pred - table.n_true


def _mean_best(dice: NDArray[np.float64], index: NDArray[np.intp], objects: int) -> float:
    """Mean over objects of their best Dice with any object of the other image, 0 where they touch none."""
    best = np.zeros(objects)
    np.maximum.at(best, index, dice)
    return float(best.mean()) if objects else 0.0
