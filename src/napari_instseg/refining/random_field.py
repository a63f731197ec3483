"""Smooths each object's outline as a binary random field, solved exactly by a graph cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def smooth_mask(
    mask: npt.NDArray[np.bool_], strength: float, outside: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Find the mask of least energy near a given one (Jaffe, Ben-Moshe 2019, section 3.3).

    The energy is the number of pixels that change, plus `strength` times the number of pixel faces between inside and
    outside. Pixels beyond the array do not count.

    Parameters
    ----------
    mask : bool array (Y, X) or (Z, Y, X)
    strength : float
        At least 0, where the mask stays as it is; 0.5 and more removes single pixels that stick out.
    outside : bool array of the same shape, optional
        Pixels that must not become part of the mask.
    """
    import maxflow

    graph = maxflow.Graph[float](mask.size, mask.ndim * mask.size)
    nodes = graph.add_grid_nodes(mask.shape)
    graph.add_grid_edges(nodes, strength, symmetric=True)
    change = 1.0 - mask
    if outside is not None:
        change[outside] = mask.size * (1 + strength) * 2 * mask.ndim
    graph.add_grid_tedges(nodes, mask.astype(float), change)
    graph.maxflow()
    # a node on the sink's side has paid its link to the source: it is outside
    smooth: npt.NDArray[np.bool_] = ~graph.get_grid_segments(nodes)
    return smooth


def smooth_outlines(labels: npt.NDArray[np.int32], strength: float) -> npt.NDArray[np.int32]:
    """Smooth every object on its own, then lay them over each other by rising size, so that larger ones stay whole.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        0 background.
    strength : float
        As for `smooth_mask`. Objects with less area than `strength` times their border vanish.

    Returns
    -------
    int32 array of the same shape
        The same ids; those of vanished objects are missing.
    """
    from scipy.ndimage import find_objects

    smoothed: list[tuple[int, int, tuple[slice, ...], npt.NDArray[Any]]] = []
    for label, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        # a smooth object stays in the box of the rough one; in the ring around it the faces of its border are counted
        wide = tuple(
            slice(max(side.start - 1, 0), min(side.stop + 1, length))
            for side, length in zip(box, labels.shape, strict=True)
        )
        own = labels[wide] == label
        ring = np.ones(own.shape, bool)
        ring[tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))] = False
        mask = smooth_mask(own, strength, ring)
        smoothed.append((int(mask.sum()), label, wide, mask))
    result = np.zeros_like(labels)
    for _, label, wide, mask in sorted(smoothed, key=lambda item: item[:2]):
        result[wide][mask] = label
    return result
