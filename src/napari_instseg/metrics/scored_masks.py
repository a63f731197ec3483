"""Scored masks of an image, which may overlap, compared with the true ones: what AP and average recall start from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from napari_instseg.core.errors import InputError
from napari_instseg.core.labels import UNKNOWN
from napari_instseg.metrics.overlap_table import check_labels


@dataclass(frozen=True, eq=False)
class Detections:
    """One image's predicted masks, best first, against its true masks; the masks themselves are no longer needed.

    Attributes
    ----------
    iou : ndarray of float, shape (n_pred, n_true)
        Intersection over union of each predicted with each true mask, of whatever classes.
    scores : ndarray of float, shape (n_pred,)
        Confidences, descending.
    classes, true_classes : ndarray of int, shape (n_pred,) and (n_true,)
        Class ids; all 0 where there are no classes.
    """

    iou: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.integer]
    true_classes: NDArray[np.integer]


def detections(
    truth: ArrayLike,
    prediction: ArrayLike,
    scores: ArrayLike,
    true_classes: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> Detections:
    """Compare the scored masks of one image with the true ones.

    Parameters
    ----------
    truth, prediction : array of bool, shape (n, *spatial), or of int, shape (*spatial)
        Stack of masks, which may overlap, or label image with 0 as background. A true label image may have -1 for
        unknown pixels: they are taken out of all masks, and a predicted mask that has no others is not counted.
    scores : array of float, shape (n_pred,)
        Confidence of each predicted mask, in the order of the stack, or of ascending ids of the label image.
    true_classes, classes : array of int, shape (n_true,) and (n_pred,), optional
        Class of each true and predicted mask, in the same order; one class when left out.

    Returns
    -------
    Detections
        For `coco_ap`, `ap_r` and `average_recall`, which take a sequence of images.

    Raises
    ------
    InputError
        When shapes or numbers do not fit, values are not masks or labels, or a true mask is empty.
    """
    true_masks = _read_masks(truth, "truth", smallest=UNKNOWN)
    pred_masks = _read_masks(prediction, "prediction", smallest=0)
    if true_masks.spatial != pred_masks.spatial:
        raise InputError(
            f"The true masks have shape {true_masks.spatial} and the predicted ones {pred_masks.spatial}; expected the "
            "same shape. Give label images of integers, or stacks (n, *spatial) of boolean masks, of one image."
        )
    confidence = _per_mask(scores, pred_masks.number, "scores", np.number).astype(np.float64)
    if not np.isfinite(confidence).all():
        raise InputError("The scores hold NaN or infinity; expected finite numbers. Check how they were computed.")
    pred_class = _classes(classes, pred_masks.number, "classes")
    true_class = _classes(true_classes, true_masks.number, "true_classes")
    true_area, drawn_area = true_masks.areas(), pred_masks.areas()
    if not true_area.all():
        raise InputError(
            f"True mask {int(np.argmin(true_area))} of the stack has no pixel; expected at least one in each. "
            "Leave empty masks out."
        )
    if true_masks.unknown is not None:
        pred_masks = pred_masks.outside(true_masks.unknown)
    pred_area = pred_masks.areas()
    shared = (pred_masks.one_hot() @ true_masks.one_hot().T).toarray()
    iou = shared / (pred_area[:, None] + true_area - shared)
    order = np.argsort(-confidence, kind="stable")
    order = order[(pred_area[order] > 0) | (drawn_area[order] == 0)]
    return Detections(iou[order], confidence[order], pred_class[order], true_class)


@dataclass(frozen=True, eq=False)
class _Masks:
    """Masks as a list of (mask, pixel) numbers: `pixel` counts along the raveled image."""

    mask: NDArray[np.intp]
    pixel: NDArray[np.intp]
    number: int
    spatial: tuple[int, ...]
    unknown: NDArray[np.bool_] | None = None

    def areas(self) -> NDArray[np.intp]:
        return np.bincount(self.mask, minlength=self.number)

    def outside(self, region: NDArray[np.bool_]) -> _Masks:
        kept = ~region[self.pixel]
        return _Masks(self.mask[kept], self.pixel[kept], self.number, self.spatial)

    def one_hot(self) -> sparse.csr_array:
        shape = (self.number, math.prod(self.spatial))
        return sparse.csr_array((np.ones(len(self.mask), dtype=np.int64), (self.mask, self.pixel)), shape=shape)


def _read_masks(masks: ArrayLike, name: str, smallest: int) -> _Masks:
    """Read a stack of boolean masks, or the objects of a label image in the order of their ids."""
    array = np.asarray(masks)
    if array.dtype != bool:
        labels = check_labels(array, name, smallest).ravel()
        pixel = np.flatnonzero(labels > 0)
        ids, mask = np.unique(labels[pixel], return_inverse=True)
        return _Masks(mask, pixel, len(ids), array.shape, labels == UNKNOWN if labels.min() < 0 else None)
    if array.ndim < 3:
        raise InputError(
            f"The boolean {name} has shape {array.shape}; expected a stack of masks (n, *spatial). Add the first axis "
            "to a single mask with mask[None]."
        )
    mask, pixel = np.nonzero(array.reshape(len(array), math.prod(array.shape[1:])))
    return _Masks(mask, pixel, len(array), array.shape[1:])


def _classes(classes: ArrayLike | None, number: int, name: str) -> NDArray[np.integer]:
    return np.zeros(number, dtype=np.intp) if classes is None else _per_mask(classes, number, name, np.integer)


def _per_mask(values: ArrayLike, number: int, name: str, kind: type[Any]) -> NDArray[Any]:
    """Return one value per mask as an array of the wanted kind."""
    array = np.asarray(values)
    if array.shape != (number,):
        raise InputError(
            f"The {name} have shape {array.shape} for {number} masks; expected ({number},), one value per mask, in the "
            "order of the stack or of ascending ids."
        )
    if array.size and not np.issubdtype(array.dtype, kind):
        raise InputError(f"The {name} are of type {array.dtype}; expected {kind.__name__} values. Convert them first.")
    return array
