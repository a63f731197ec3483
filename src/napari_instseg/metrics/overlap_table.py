"""The overlap table of two label images: which objects share how many pixels. Every label score is read from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_instseg.core.errors import InputError
from napari_instseg.core.labels import UNKNOWN


@dataclass(frozen=True, eq=False)
class Overlap:
    """What a true and a predicted label image have in common, as a sparse table.

    Attributes
    ----------
    true_ids, pred_ids : ndarray of int, shape (n_true,) and (n_pred,)
        Ids of the objects, ascending.
    true_areas, pred_areas : ndarray of int, shape (n_true,) and (n_pred,)
        Their sizes in pixels, without unknown pixels.
    true_index, pred_index : ndarray of int, shape (n_pairs,)
        Positions in `true_ids` and `pred_ids` of each pair of objects that share at least one pixel.
    intersection : ndarray of int, shape (n_pairs,)
        Pixels that the pair shares.
    """

    true_ids: NDArray[np.integer]
    pred_ids: NDArray[np.integer]
    true_areas: NDArray[np.intp]
    pred_areas: NDArray[np.intp]
    true_index: NDArray[np.intp]
    pred_index: NDArray[np.intp]
    intersection: NDArray[np.intp]

    @property
    def n_true(self) -> int:
        """Number of true objects."""
        return len(self.true_ids)

    @property
    def n_pred(self) -> int:
        """Number of predicted objects."""
        return len(self.pred_ids)

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, shape (n_pairs,), in (0, 1]."""
        sizes = self.true_areas[self.true_index] + self.pred_areas[self.pred_index]
        return np.asarray(self.intersection / (sizes - self.intersection))

    @property
    def dice(self) -> NDArray[np.float64]:
        """Dice coefficient of each pair, shape (n_pairs,), in (0, 1]."""
        sizes = self.true_areas[self.true_index] + self.pred_areas[self.pred_index]
        return np.asarray(2 * self.intersection / sizes)


def overlap(truth: ArrayLike, prediction: ArrayLike) -> Overlap:
    """Count the pixels that each true and each predicted object share.

    Parameters
    ----------
    truth : array of int, shape (*spatial)
        True labels: 0 background, above 0 object ids, -1 unknown. Unknown pixels are taken out of both images, so a
        predicted object that lies wholly on them is not counted at all.
    prediction : array of int, shape (*spatial)
        Predicted labels: 0 background, above 0 object ids.

    Returns
    -------
    Overlap
        The table, from which all label scores follow.

    Raises
    ------
    InputError
        When the shapes differ, or one of them is not a label image.
    """
    truth, prediction = check_pair(truth, prediction)
    known = truth != UNKNOWN if truth.min() < 0 else slice(None)
    true_ids, true_areas, true_position = _enumerate(truth[known].ravel())
    pred_ids, pred_areas, pred_position = _enumerate(prediction[known].ravel())
    both = (true_position > 0) & (pred_position > 0)
    pair = (true_position[both] - 1) * len(pred_ids) + (pred_position[both] - 1)
    cells = len(true_ids) * len(pred_ids)
    # counting into all cells is linear; sorting pays only when the cells outnumber the pixels by far
    if cells <= max(4 * truth.size, 1 << 16):
        per_cell = np.bincount(pair, minlength=cells)
        pairs = np.flatnonzero(per_cell)
        intersection = per_cell[pairs]
    else:
        pairs, intersection = np.unique(pair, return_counts=True)
    true_index, pred_index = np.divmod(pairs, max(len(pred_ids), 1))
    return Overlap(true_ids, pred_ids, true_areas, pred_areas, true_index, pred_index, intersection)


def check_pair(truth: ArrayLike, prediction: ArrayLike) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return both label images as arrays.

    Raises
    ------
    InputError
        When the shapes differ, or one of them is not a label image.
    """
    true_labels = check_labels(truth, "truth", smallest=UNKNOWN)
    pred_labels = check_labels(prediction, "prediction", smallest=0)
    if true_labels.shape != pred_labels.shape:
        raise InputError(
            f"The truth has shape {true_labels.shape} and the prediction {pred_labels.shape}; expected the same shape. "
            "Compare label images of the same image, at the same resolution and with the same order of axes."
        )
    return true_labels, pred_labels


def check_labels(labels: ArrayLike, name: str, smallest: int) -> NDArray[np.integer]:
    """Return a label image as an array of integers, with no value below `smallest`.

    Raises
    ------
    InputError
        When it is empty, not of integers, or has other negative values.
    """
    array: NDArray[Any] = np.asarray(labels)
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"The {name} has values of type {array.dtype}; expected integer labels, 0 for background and one id per "
            "object. Convert a label image with .astype(int); label the connected components of a mask first."
        )
    if array.size == 0:
        raise InputError(f"The {name} has shape {array.shape}, without a pixel; expected an image. Check the file.")
    if array.min() < smallest:
        allowed = "0 and above, or -1 for unknown pixels" if smallest == UNKNOWN else "0 and above"
        raise InputError(
            f"The {name} has the label {array.min()}; expected {allowed}. Set background to 0 and give each object a "
            "positive id."
        )
    return array


def _enumerate(labels: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.intp], NDArray[np.intp]]:
    """Return the object ids, their areas, and per pixel the object's position counted from 1, 0 for background."""
    if labels.size == 0 or labels.max() < max(4 * labels.size, 1 << 16):
        areas = np.bincount(labels.astype(np.intp, copy=False))
        ids = np.flatnonzero(areas[1:]) + 1
        position = np.zeros(max(len(areas), 1), dtype=np.intp)
        position[ids] = np.arange(1, len(ids) + 1)
        return ids, areas[ids], position[labels]
    # ids far above the number of pixels: too large for a look-up table
    found, position, areas = np.unique(labels, return_inverse=True, return_counts=True)
    if found[0] == 0:
        return found[1:], areas[1:], position
    return found, areas, position + 1
