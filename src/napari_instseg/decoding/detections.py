"""From detected regions to objects: masks cut out by affinity, those found twice dropped, painted by score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import Params, flag, tunable
from napari_instseg.core.rows import MASK_SIDE

Floats = npt.NDArray[np.float32]


class DetectionDecode(Params):
    """How detected regions become objects."""

    min_score: float = tunable(
        0.5,
        0.05,
        1.0,
        step=0.01,
        title="Least confidence",
        help="Regions whose score is below this are no objects. Higher: fewer, surer objects.",
    )
    affinity: bool = flag(
        True,
        title="Cut out by affinity",
        help="Cut each object out of its region by how near its pixels point to the seed's. "
        "Off: the region's mask alone.",
    )
    mask_threshold: float = tunable(
        0.5,
        0.01,
        0.99,
        step=0.01,
        title="Mask threshold",
        help="Least probability of a pixel to belong to the object of its region. Higher: thinner objects.",
    )
    max_overlap: float = tunable(
        0.5,
        0.0,
        1.0,
        step=0.01,
        title="Largest overlap",
        help="An object that overlaps a surer one by more than this (IoU) is the same one. Higher: more objects on top "
        "of each other.",
    )
    min_size: int = tunable(
        30, 0, 5000, unit="px", title="Smallest object", help="Objects with fewer pixels left to see are dropped."
    )


@dataclass(frozen=True)
class Instances:
    """Masks that may overlap, each within a window of the grid, from the surest on."""

    windows: tuple[tuple[slice, ...], ...]
    masks: tuple[npt.NDArray[Any], ...]
    """Probabilities, or bool."""
    score: Floats
    class_id: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        return sum(mask.nbytes for mask in self.masks)

    def stack(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Lay all masks out on the grid, (n, Y, X)."""
        stack = np.zeros((len(self.masks), *shape), bool)
        for layer, window, mask in zip(stack, self.windows, self.masks, strict=True):
            layer[window] = mask
        return stack


def detection_stages(params: DetectionDecode, refine: tuple[Stage, ...] = ()) -> tuple[Stage, ...]:
    """Give the steps from the outputs ``detections`` (N, K) and, if there, ``embedding`` (D, Y, X) to objects."""
    return (
        Stage("masks", ("affinity",), _masks),
        Stage("instances", ("min_score", "mask_threshold", "max_overlap"), _instances),
        Stage("objects", ("min_size",), _paint),
        *refine,
        Stage("scores", (), _scores),
    )


def _masks(data: Data, params: Any) -> Data:
    rows: Floats = data["detections"]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    rows = rows[rows[:, 4] > 0]
    embedding = data["embedding"] if params.affinity and "embedding" in data else None
    shape = next(array.shape[-2:] for name, array in data.items() if name in ("objectness", "embedding"))
    cut = [cut_out(row, shape, embedding) for row in rows]
    seen = [index for index, (window, _) in enumerate(cut) if all(side.stop > side.start for side in window)]
    return {
        "candidates": Instances(
            tuple(cut[index][0] for index in seen),
            tuple(cut[index][1] for index in seen),
            rows[seen, 4],
            rows[seen, 5].astype(np.int64),
        )
    }


def cut_out(row: Floats, shape: tuple[int, ...], embedding: Floats | None) -> tuple[tuple[slice, ...], Floats]:
    """Give the window of one detection, and there the probability of each pixel to be in its object.

    Parameters
    ----------
    row : float32 array (K,)
        Box (y, x, y, x), score, class, seed (D), sigma, mask logits.
    shape : tuple of int
        Of the grid; the window is cut at its border.
    embedding : float32 array (D, Y, X), optional
        If given, the logarithm of the kernel to the seed is added to the logits (Novotny et al. 2018, section 3.5), at
        the full resolution.
    """
    box, seed, sigma = row[:4], row[6 : -(MASK_SIDE**2) - 1], row[-(MASK_SIDE**2) - 1]
    logits = row[-(MASK_SIDE**2) :].reshape(MASK_SIDE, MASK_SIDE)
    window, weights = [], []
    for low, high, length in zip(box[:2], box[2:], shape, strict=True):
        part = slice(max(int(np.floor(low)), 0), min(int(np.ceil(high)), length))
        cells = (np.arange(part.start, max(part.stop, part.start)) + 0.5 - low) * (MASK_SIDE / max(high - low, 1e-6))
        cells = np.clip(cells - 0.5, 0, MASK_SIDE - 1)
        # linear interpolation as a matrix: 1 at the cell itself, 0 one cell away
        weights.append(np.maximum(1 - np.abs(cells[:, None] - np.arange(MASK_SIDE)), 0).astype(np.float32))
        window.append(part)
    fine = weights[0] @ logits @ weights[1].T
    if embedding is not None and len(seed):
        apart = np.linalg.norm(embedding[(slice(None), *window)] - seed[:, None, None], axis=0)
        fine = fine - apart / sigma
    return tuple(window), (1 / (1 + np.exp(-np.clip(fine, -60, 60)))).astype(np.float32)


def _instances(data: Data, params: Any) -> Data:
    candidates: Instances = data["candidates"]
    kept: list[int] = []
    masks: dict[int, npt.NDArray[np.bool_]] = {}
    for index in range(np.count_nonzero(candidates.score >= params.min_score)):
        mask = candidates.masks[index] >= params.mask_threshold
        masks[index] = mask
        window = candidates.windows[index]
        if mask.any() and all(
            overlap(mask, window, masks[other], candidates.windows[other]) <= params.max_overlap for other in kept
        ):
            kept.append(index)
    return {
        "instances": Instances(
            tuple(candidates.windows[index] for index in kept),
            tuple(masks[index] for index in kept),
            candidates.score[kept],
            candidates.class_id[kept],
        )
    }


def overlap(
    one: npt.NDArray[np.bool_],
    window: tuple[slice, ...],
    other: npt.NDArray[np.bool_],
    other_window: tuple[slice, ...],
) -> float:
    """Give the intersection over union of two masks, each within its window."""
    low = [max(a.start, b.start) for a, b in zip(window, other_window, strict=True)]
    high = [min(a.stop, b.stop) for a, b in zip(window, other_window, strict=True)]
    if any(stop <= start for start, stop in zip(low, high, strict=True)):
        return 0.0
    parts = [
        mask[tuple(slice(a - w.start, b - w.start) for a, b, w in zip(low, high, at, strict=True))]
        for mask, at in ((one, window), (other, other_window))
    ]
    common = np.count_nonzero(parts[0] & parts[1])
    return float(common / (np.count_nonzero(one) + np.count_nonzero(other) - common))


def _paint(data: Data, params: Any) -> Data:
    """Paint from the least sure on, so that the surest lie on top; number what is left to see."""
    instances: Instances = data["instances"]
    shape = next(array.shape[-2:] for name, array in data.items() if name in ("objectness", "embedding"))
    painted = np.zeros(shape, np.int32)
    for index in range(len(instances.masks) - 1, -1, -1):
        painted[instances.windows[index]][instances.masks[index]] = index + 1
    size = np.bincount(painted.ravel(), minlength=len(instances.masks) + 1)[1:]
    seen = np.flatnonzero(size >= max(params.min_size, 1))
    new_id = np.zeros(len(instances.masks) + 1, np.int32)
    new_id[seen + 1] = np.arange(1, len(seen) + 1)
    return {"labels": new_id[painted], "object_group": seen}


def _scores(data: Mapping[str, Any], params: Any) -> Data:
    instances: Instances = data["instances"]
    return {"score": instances.score[data["object_group"]], "class_id": instances.class_id[data["object_group"]]}
