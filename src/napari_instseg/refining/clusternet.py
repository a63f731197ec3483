"""ClusterNet as a step of refining: every segment is drawn anew from its mean embedding (Jaffe, Ben-Moshe 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Data, Stage
from napari_instseg.core.params import choice, tunable
from napari_instseg.refining.outlines import OutlineParams, fill_object_holes, renumbered, smooth_objects

IntMap = npt.NDArray[np.int32]
Draw = Callable[[Any, Any, Sequence[tuple[slice, ...]]], Sequence[npt.NDArray[np.float32]]]
"""``draw(embedding, means, windows) -> probabilities``, one array of the window's shape per mean."""

MARGIN = 32
"""A segment may grow by so many pixels beyond its box."""


class RefinementParams(OutlineParams):
    """What is done to segments after clustering, and in which order."""

    refinement: Literal[
        "none",
        "random field",
        "clusternet",
        "random field, clusternet",
        "clusternet, random field",
        "random field, clusternet, random field",
    ] = choice(
        "clusternet",
        title="Refinement",
        help="Steps after clustering, in this order. clusternet: a network draws each object anew, which closes gaps "
        "and removes ghosts. random field: smooths each outline.",
    )
    smoothing: float = tunable(
        0.5,
        0.0,
        3.0,
        step=0.1,
        title="Strength of the random field",
        help="Higher rounds corners off and removes what sticks out, and very small objects with it.",
    )


def refinement_stages(params: RefinementParams) -> tuple[Stage, ...]:
    """Return the steps in the order that the parameters name, then the filling of holes."""
    steps = () if params.refinement == "none" else params.refinement.split(", ")
    stages = []
    for place, step in enumerate(steps, start=1):
        if step == "clusternet":
            stages.append(Stage(f"{place}. clusternet", (), _draw))
        else:
            stages.append(Stage(f"{place}. random field", ("smoothing",), smooth_objects))
    return (*stages, Stage("holes", ("fill_holes",), fill_object_holes))


def _draw(data: Data, params: Any) -> Data:
    if "clusternet" not in data:
        raise InputError(
            "This prediction came without its model, so there is no ClusterNet to draw objects with. Predict with the "
            "model, or choose the refinement 'none' or 'random field'."
        )
    return renumbered(draw_segments(data["labels"], data["embedding"], data["clusternet"]), data["object_group"])


def draw_segments(labels: IntMap, embedding: npt.NDArray[np.float32], draw: Draw) -> IntMap:
    """Draw each segment anew and lay them over each other by rising size, the background last (section 3.4).

    The background is a segment like the others; being laid last, it takes away segments that lie in it only.

    Parameters
    ----------
    labels : int32 array (*S)
        0 background, ids from 1.
    embedding : float32 array (D, *S)
    draw : callable
        ClusterNet, see `Draw`.

    Returns
    -------
    int32 array (*S)
        The same ids; those of vanished segments are missing.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(labels)
    present = [label for label, box in enumerate(boxes, start=1) if box is not None]
    windows = [_widened(boxes[label - 1], labels.shape) for label in present]
    if (labels == 0).any():
        present.append(0)
        windows.append(tuple(slice(0, side) for side in labels.shape))
    flat = labels.ravel()
    sums = np.stack([np.bincount(flat, channel.ravel()) for channel in embedding], axis=1)
    means = (sums[present] / np.bincount(flat)[present, None]).astype(np.float32)
    masks = [mask > 0.5 for mask in draw(embedding, means, windows)]
    drawn = list(zip(present, windows, masks, strict=True))
    result = np.zeros_like(labels)
    for label, window, mask in sorted(drawn, key=lambda item: (item[0] == 0, item[2].sum(), item[0])):
        result[window][mask] = label
    return result


def _widened(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(side.start - MARGIN, 0), min(side.stop + MARGIN, length))
        for side, length in zip(box, shape, strict=True)
    )
