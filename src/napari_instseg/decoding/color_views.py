"""What is worth looking at in a colouring: the colours, and where two objects are in danger of being one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Array, Data, View
from napari_instseg.decoding.views import confidence_view

NEAR = 10.0
"""Gap in pixels below which pieces of one colour are shown as near while no merge distance is set."""

Ids = npt.NDArray[np.int64]


def coloring_views() -> tuple[View, ...]:
    """Views of a method that gives each pixel one of a few colours."""
    return (
        View(
            "color_map",
            "Colour map",
            "The colour that wins at each pixel; neighbours should differ.",
            "labels",
            ("colors",),
            lambda data: np.argmax(data["colors"], axis=0).astype(np.int32),
        ),
        View(
            "colors",
            "Colour probabilities",
            "Probability of each colour, one channel at a time; the first is the background.",
            "image",
            ("colors",),
            lambda data: data["colors"],
            colormap="magma",
            limits=(0.0, 1.0),
        ),
        View(
            "foreground",
            "Foreground",
            "Probability that a pixel lies in any object: one minus the background colour.",
            "image",
            ("colors",),
            lambda data: 1 - data["colors"][0],
            colormap="magma",
            limits=(0.0, 1.0),
        ),
        confidence_view(),
        View(
            "shared_color",
            "Touching, same colour",
            "Objects that touch another one of the same colour, by their colour: here the network did not tell "
            "neighbours apart, and they are two objects only by a thin line.",
            "labels",
            ("colors", "labels"),
            touching_same_color,
        ),
        View(
            "near_pieces",
            "Same colour, near",
            "Lines join pieces of one colour that are nearer than the merge distance, which makes them one object. "
            f"Without a merge distance: those less than {NEAR:g} px apart, which one would join first.",
            "vectors",
            ("pieces", "distances", "parameters"),
            near_pieces,
        ),
        View(
            "halo",
            "Halo of the selected object",
            "Probability of the selected object's own colour, inside it and in the ring around it. It should be bright "
            "inside and dark in the ring: a bright spot in the ring is a neighbour in the same colour.",
            "image",
            ("colors", "labels", "selected", "margin"),
            lambda data: halo(data["colors"], data["labels"], data["selected"], data["margin"]),
            colormap="magma",
            limits=(0.0, 1.0),
        ),
    )


def color_of_objects(colors: Array, labels: Array) -> Ids:
    """Return the colour that most pixels of each object 1 to n take, (n + 1,); that of the background is 0."""
    color = np.argmax(colors, axis=0)
    n, n_colors = int(labels.max(initial=0)), len(colors)
    votes = np.bincount((labels.astype(np.int64) * n_colors + color).ravel(), minlength=(n + 1) * n_colors)
    votes = votes.reshape(n + 1, n_colors)
    votes[:, 0] = 0
    winners: Ids = votes.argmax(axis=1)
    winners[0] = 0
    return winners


def touching_same_color(data: Data) -> Array:
    """Paint the objects that have less than two pixels between them and another one of their colour; int32 (*S)."""
    from skimage.segmentation import expand_labels

    from napari_instseg.decoding.components import find_contacts

    labels = data["labels"]
    color = color_of_objects(data["colors"], labels)
    lower, higher, _ = find_contacts(expand_labels(labels, 1).astype(np.int32))
    same = (color[lower] == color[higher]) & (lower > 0)
    painted = np.zeros(len(color), np.int32)
    for side in (lower[same], higher[same]):
        painted[side] = color[side]
    picture: Array = painted[labels]
    return picture


def near_pieces(data: Data) -> Array:
    """Join the centres of the pieces of one colour that are nearer than the merge distance; float32 (N, 2, ndim)."""
    params: Any = data["parameters"]
    pieces = data["pieces"]
    limit, measure = (params.merge_distance, params.merge_measure) if params.merge_distance > 0 else (NEAR, "gap")
    pairs, _ = data["distances"].pairs_within(limit, measure)
    pairs = pairs[(pieces.size[pairs] >= params.min_size).all(axis=1)]
    ends = pieces.regions.centroid[pairs - 1][..., -pieces.map.ndim :]
    return np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1).astype(np.float32)


def halo(colors: Array, labels: Array, selected: int, margin: int) -> Array:
    """Show an object's own colour in it and within a margin around it (Kulikov et al. 2018, equation 1).

    Parameters
    ----------
    colors : float array (C, *S)
        Probabilities.
    labels : int array (*S)
    selected : int
        Id of the object.
    margin : int
        Width of the ring, in pixels.

    Returns
    -------
    float32 array (*S)
        0 beyond the margin.
    """
    from scipy import ndimage

    picture = np.zeros(labels.shape, np.float32)
    box = ndimage.find_objects((labels == selected).view(np.uint8))
    if not box or box[0] is None:
        return picture
    around: tuple[Any, ...] = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box[0])
    inside = labels[around] == selected
    own = int(np.bincount(colors[(slice(None), *around)].argmax(axis=0)[inside], minlength=2)[1:].argmax()) + 1
    near = ndimage.distance_transform_edt(~inside) <= margin
    picture[around] = np.where(near, colors[(own, *around)], 0)
    return picture
