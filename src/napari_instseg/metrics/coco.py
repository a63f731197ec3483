"""Average precision and recall of scored masks that may overlap: COCO's AP, AP^r of Fathi et al., average recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_instseg.core.errors import InputError
from napari_instseg.metrics.scored_masks import Detections

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""IoU thresholds that COCO averages over."""

COCO_RECALLS = np.linspace(0, 1, 101)
"""Recalls at which COCO reads the precision."""


def coco_ap(images: Sequence[Detections], max_detections: int | None = 100) -> dict[str, float]:
    """COCO average precision of scored masks (Lin et al. 2014; the criteria of pycocotools, without crowds).

    The precision is made monotone, read at 101 recalls, and averaged over these, over IoU thresholds and over classes.

    Parameters
    ----------
    images : sequence of Detections
        One per image.
    max_detections : int or None, default 100
        Best-scored masks of each class that count in each image, 100 as in COCO; all of them when None.

    Returns
    -------
    dict
        ``AP`` over IoU .50 to .95 in steps of .05, ``AP50`` and ``AP75``, each in [0, 1]; NaN when there is no true
        mask in any image, as recall is then undefined.
    """
    by_threshold = _mean_over_classes(images, COCO_THRESHOLDS, max_detections, False, _area_at_101_recalls)
    return {"AP": float(by_threshold.mean()), "AP50": float(by_threshold[0]), "AP75": float(by_threshold[5])}


def ap_r(images: Sequence[Detections], threshold: float = 0.5) -> float:
    """AP^r: the whole area under the precision-recall curve at one IoU, averaged over classes to mAP^r.

    As in section 4 of Fathi et al. 2017, after Hariharan et al. 2014 (Simultaneous Detection and Segmentation): a mask
    is right when its IoU with the true mask that it fits best reaches the threshold, unless a better-scored mask has
    found that true mask before; then it counts as wrong and no second-best true mask is tried.

    Parameters
    ----------
    images : sequence of Detections
        One per image.
    threshold : float, default 0.5
        IoU, in (0, 1]; the paper reports 0.5, 0.6 and 0.7.

    Returns
    -------
    float
        In [0, 1]; NaN when there is no true mask in any image.

    Raises
    ------
    InputError
        When the threshold is out of its range.
    """
    return float(_mean_over_classes(images, (threshold,), None, True, _whole_area)[0])


def average_recall(
    images: Sequence[Detections],
    numbers: Sequence[int] = (1, 10, 100),
    thresholds: Sequence[float] = COCO_THRESHOLDS,
) -> dict[int, float]:
    """Recall of the best-scored proposals of each image, whatever their class, by the number of proposals.

    Parameters
    ----------
    images : sequence of Detections
        One per image.
    numbers : sequence of int
        Numbers of proposals taken from each image, 1 or more.
    thresholds : sequence of float
        IoU thresholds to average over: .50 to .95 as in COCO by default; ``(0.5,)`` for table 3 of Fathi et al. 2017.

    Returns
    -------
    dict
        Number of proposals -> recall in [0, 1]; NaN when there is no true mask in any image.

    Raises
    ------
    InputError
        When a number or a threshold is out of its range.
    """
    if min(numbers, default=0) < 1:
        raise InputError(f"The numbers of proposals are {tuple(numbers)}; expected one or more, each at least 1.")
    found = [_found(image.iou[: max(numbers)], thresholds, best_only=False) for image in images]
    total = sum(len(image.true_classes) for image in images)
    hits = {number: sum(image[:number].sum(axis=0) for image in found) for number in numbers}
    return {number: float(np.mean(hits[number] / total)) if total else float("nan") for number in numbers}


def _found(iou: NDArray[np.float64], thresholds: Sequence[float], best_only: bool) -> NDArray[np.bool_]:
    """Tell which detections, best first, find a true mask that was not found before, shape (n_pred, n_thresholds).

    A detection takes the best true mask that is still free, or, with `best_only`, the best of all or none.
    """
    if not all(0 < threshold <= 1 for threshold in thresholds):
        raise InputError(f"The IoU thresholds are {tuple(thresholds)}; expected each above 0 and up to 1.")
    rows = np.arange(len(thresholds))
    taken = np.zeros((len(thresholds), iou.shape[1]), dtype=bool)
    found = np.zeros((len(iou), len(thresholds)), dtype=bool)
    if not iou.shape[1]:
        return found
    # reversed, because among equals COCO takes the last true mask
    for detection, overlaps in enumerate(iou[:, ::-1]):
        candidates = np.where(taken & (not best_only), 0, overlaps)
        best = candidates.argmax(axis=1)
        found[detection] = (candidates[rows, best] >= thresholds) & ~taken[rows, best]
        taken[rows, best] |= found[detection]
    return found


def _mean_over_classes(
    images: Sequence[Detections],
    thresholds: Sequence[float],
    max_detections: int | None,
    best_only: bool,
    area: Callable[[NDArray[np.bool_], int], float],
) -> NDArray[np.float64]:
    """Area under the precision-recall curve of each threshold, averaged over the classes that have true masks."""
    present = np.unique(np.concatenate([image.true_classes for image in images])) if images else np.empty(0, int)
    by_class = np.full((len(present), len(thresholds)), np.nan)
    for row, class_id in enumerate(present):
        chosen = [np.flatnonzero(image.classes == class_id)[:max_detections] for image in images]
        truths = [image.true_classes == class_id for image in images]
        found = [
            _found(image.iou[best][:, true], thresholds, best_only)
            for image, best, true in zip(images, chosen, truths, strict=True)
        ]
        scores = np.concatenate([image.scores[best] for image, best in zip(images, chosen, strict=True)])
        ranked = np.concatenate(found)[np.argsort(-scores, kind="stable")]
        total = int(sum(true.sum() for true in truths))
        by_class[row] = [area(right, total) for right in ranked.T]
    return by_class.mean(axis=0) if len(present) else np.full(len(thresholds), np.nan)


def _precision(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Precision after each detection, best first, made monotone: the best that any larger recall still reaches."""
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return np.asarray(np.maximum.accumulate(precision[::-1])[::-1])


def _area_at_101_recalls(right: NDArray[np.bool_], total: int) -> float:
    """Return COCO's area: the mean of the precision at 101 recalls, 0 where a recall is not reached."""
    reached = np.searchsorted(np.cumsum(right) / total, COCO_RECALLS)
    return float(np.append(_precision(right), 0)[reached].mean())


def _whole_area(right: NDArray[np.bool_], total: int) -> float:
    """Return the area under all steps of the curve, each of width 1 / total."""
    return float(_precision(right)[right].sum() / total)
