"""Fills holes in objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit


def fill_holes(labels: npt.NDArray[np.int32], max_size: int) -> npt.NDArray[np.int32]:
    """Give holes to the object around them.

    A hole is a piece of background, connected over pixel faces, that touches one object and not the border.

    Parameters
    ----------
    labels : int32 array (Y, X) or (Z, Y, X)
        0 background.
    max_size : int
        Largest hole that is filled, in pixels.

    Returns
    -------
    int32 array of the same shape
        A new array, or the given one if it has no such hole.
    """
    import cc3d

    if max_size <= 0:
        return labels
    faces = 4 if labels.ndim == 2 else 6
    pieces, n = cc3d.connected_components(labels == 0, connectivity=faces, return_N=True, out_dtype=np.uint32)
    volume = (1,) * (3 - labels.ndim) + labels.shape
    size, owner = _find_owners(np.ascontiguousarray(labels).reshape(volume), pieces.reshape(volume), n)
    owner[(size > max_size) | (owner == SEVERAL)] = 0
    return np.where(pieces > 0, owner[pieces], labels) if owner.any() else labels


SEVERAL = -1
"""Owner of a piece of background that touches several objects or the border."""


@njit(nogil=True, cache=True)
def _touch(owner, piece, label):  # type: ignore[no-untyped-def]
    if label > 0 and owner[piece] != label:
        owner[piece] = label if owner[piece] == 0 else SEVERAL


@njit(nogil=True, cache=True)
def _find_owners(labels, pieces, n):  # type: ignore[no-untyped-def]
    """Measure the pieces of background by runs along rows; what is known to touch several is looked at no further."""
    depth, height, width = labels.shape
    size, owner = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int32)
    for z in range(depth):
        for y in range(height):
            at_border = y == 0 or y == height - 1 or (depth > 1 and (z == 0 or z == depth - 1))
            x = 0
            while x < width:
                piece, begin = pieces[z, y, x], x
                while x < width and pieces[z, y, x] == piece:
                    x += 1
                if piece == 0:
                    continue
                size[piece] += x - begin
                if at_border or begin == 0 or x == width:
                    owner[piece] = SEVERAL
                    continue
                _touch(owner, piece, labels[z, y, begin - 1])
                _touch(owner, piece, labels[z, y, x])
                for i in range(begin, x):
                    if owner[piece] == SEVERAL:
                        break
                    _touch(owner, piece, labels[z, y - 1, i])
                    _touch(owner, piece, labels[z, y + 1, i])
                    if depth > 1:
                        _touch(owner, piece, labels[z - 1, y, i])
                        _touch(owner, piece, labels[z + 1, y, i])
    return size, owner
