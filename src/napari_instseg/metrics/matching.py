"""One-to-one matching of true and predicted objects, and the scores of its counts: AP, precision, recall, F1, PQ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_instseg.core.errors import InputError
from napari_instseg.metrics.overlap_table import Overlap


@dataclass(frozen=True)
class Counts:
    """How many objects were found at an IoU threshold, in one image or, summed, in many.

    Pool images with ``+``, or with ``sum(counts, Counts(threshold))``. A data set's score is that of the summed counts,
    not the mean of the images' scores. With neither true nor predicted objects every score is 1, as nothing was missed
    or made up; with only one of the two every score is 0.

    Attributes
    ----------
    threshold : float
        IoU from which on a pair of objects counts as matched, in (0, 1].
    tp, fp, fn : int
        Matched pairs, predicted objects without a partner, true objects without a partner.
    iou_sum : float
        Sum of the matched pairs' IoU.
    """

    threshold: float
    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        """Pool two images' counts, which must be of one threshold."""
        if other.threshold != self.threshold:
            raise InputError(
                f"Found counts at IoU {self.threshold:g} and {other.threshold:g}; expected one threshold. "
                "Sum the counts of each threshold by itself."
            )
        return Counts(
            self.threshold, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum
        )

    @property
    def n_true(self) -> int:
        """Number of true objects."""
        return self.tp + self.fn

    @property
    def n_pred(self) -> int:
        """Number of predicted objects."""
        return self.tp + self.fp

    def _ratio(self, part: float, whole: float) -> float:
        return part / whole if whole else float(self.n_true == self.n_pred == 0)

    @property
    def ap(self) -> float:
        """TP / (TP + FP + FN), which microscopy calls average precision; it is not COCO's."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return self._ratio(self.tp, self.n_pred)

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return self._ratio(self.tp, self.n_true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; the recognition quality RQ of panoptic quality."""
        return self._ratio(2 * self.tp, self.n_true + self.n_pred)

    @property
    def sq(self) -> float:
        """Mean IoU of the matched pairs: the segmentation quality SQ of panoptic quality."""
        return self._ratio(self.iou_sum, self.tp)

    @property
    def pq(self) -> float:
        """Panoptic quality SQ x RQ (Kirillov et al. 2019, Panoptic Segmentation, equation 2)."""
        return self.sq * self.f1


def match(table: Overlap, threshold: float) -> NDArray[np.intp]:
    """Match true and predicted objects one to one, as many as possible, then with the largest sum of IoU.

    Parameters
    ----------
    table : Overlap
        Of the two label images.
    threshold : float
        IoU that a pair must reach (not exceed), in (0, 1].

    Returns
    -------
    ndarray of int, shape (n_matched,)
        Positions of the matched pairs in the table, ascending.

    Raises
    ------
    InputError
        When the threshold is out of its range.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"The IoU threshold is {threshold}; expected above 0 and up to 1, for example 0.5.")
    iou = table.iou
    pairs = np.flatnonzero(iou >= threshold)
    # above 0.5 no object can have two partners; at 0.5 and below some may, and only these need an assignment
    rivals = (np.bincount(table.true_index[pairs])[table.true_index[pairs]] > 1) | (
        np.bincount(table.pred_index[pairs])[table.pred_index[pairs]] > 1
    )
    if not rivals.any():
        return pairs
    settled, open_pairs = pairs[~rivals], pairs[rivals]
    _, row = np.unique(table.true_index[open_pairs], return_inverse=True)
    _, column = np.unique(table.pred_index[open_pairs], return_inverse=True)
    position = np.full((row.max() + 1, column.max() + 1), -1)
    position[row, column] = open_pairs
    # one pair more outweighs any sum of IoU
    gain = np.zeros(position.shape)
    gain[row, column] = min(position.shape) + iou[open_pairs]
    chosen = position[linear_sum_assignment(gain, maximize=True)]
    return np.sort(np.concatenate([settled, chosen[chosen >= 0]]))


def count(table: Overlap, threshold: float) -> Counts:
    """Count matched, made-up and missed objects at an IoU threshold.

    Parameters
    ----------
    table : Overlap
        Of the two label images.
    threshold : float
        IoU that a pair must reach, in (0, 1].

    Returns
    -------
    Counts
        Of this image; sum them over images to pool.
    """
    matched = match(table, threshold)
    tp = len(matched)
    return Counts(threshold, tp, table.n_pred - tp, table.n_true - tp, float(table.iou[matched].sum()))
