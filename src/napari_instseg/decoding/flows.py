"""Where flows lead: the place at which each pixel ends that follows a field of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands

STEPS = 200
STILL = 1e-3
"""Pixels: a pixel that moves less in a step has arrived."""


def follow_flows(flows: npt.NDArray[Any], inside: npt.NDArray[np.bool_], steps: int = STEPS) -> npt.NDArray[np.float32]:
    """Follow flows from every pixel, by Euler steps with bilinear interpolation (Stringer et al. 2021, Cellpose).

    Parameters
    ----------
    flows : array (2, Y, X) or (3, Z, Y, X)
        The step from each pixel along each axis, in pixels.
    inside : array of bool, the shape of the image
        Where flows are trusted: pixels that begin there stand still where they leave it. Others follow all flows.
    steps : int

    Returns
    -------
    float32 array, shape of `flows`
        The place where each pixel ends, in pixels; in the image.
    """
    field = np.ascontiguousarray(np.moveaxis(flows, 0, -1), np.float32)
    trusted = np.where(inside[..., None], field, np.float32(0))
    flat = flows.ndim == 3
    if flat:
        field, trusted, inside = field[None], trusted[None], inside[None]
        zeros = np.zeros((*field.shape[:-1], 1), np.float32)
        field, trusted = (np.concatenate([zeros, part], axis=-1) for part in (field, trusted))
    ends = np.empty(field.shape, np.float32)
    depth, height = inside.shape[:2]
    in_bands(_follow, depth * height, field, trusted, np.ascontiguousarray(inside), ends, steps, STILL)
    found = np.moveaxis(ends[0, ..., 1:] if flat else ends, -1, 0)
    return np.ascontiguousarray(found)


@njit(nogil=True, cache=True)
def _follow(field, trusted, inside, ends, steps, still, first, last):  # type: ignore[no-untyped-def]
    depth, height, width = inside.shape
    place, step = np.empty(3, np.float32), np.empty(3, np.float32)
    limit = (depth - 1, height - 1, width - 1)
    for row in range(first, last):
        z, y = row // height, row % height
        for x in range(width):
            use = trusted if inside[z, y, x] else field
            place[0], place[1], place[2] = z, y, x
            for _ in range(steps):
                z0, y0, x0 = int(place[0]), int(place[1]), int(place[2])
                z1, y1, x1 = min(z0 + 1, limit[0]), min(y0 + 1, limit[1]), min(x0 + 1, limit[2])
                fz, fy, fx = place[0] - z0, place[1] - y0, place[2] - x0
                moved = np.float32(0)
                for axis in range(3):
                    near = (use[z0, y0, x0, axis] * (1 - fx) + use[z0, y0, x1, axis] * fx) * (1 - fy) + (
                        use[z0, y1, x0, axis] * (1 - fx) + use[z0, y1, x1, axis] * fx
                    ) * fy
                    if z1 != z0 and fz > 0:
                        far = (use[z1, y0, x0, axis] * (1 - fx) + use[z1, y0, x1, axis] * fx) * (1 - fy) + (
                            use[z1, y1, x0, axis] * (1 - fx) + use[z1, y1, x1, axis] * fx
                        ) * fy
                        near = near * (1 - fz) + far * fz
                    step[axis] = near
                    moved = max(moved, abs(near))
                if moved < still:
                    break
                for axis in range(3):
                    place[axis] = min(max(place[axis] + step[axis], 0), limit[axis])
            for axis in range(3):
                ends[z, y, x, axis] = place[axis]
