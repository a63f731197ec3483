"""The most probable colour, or class, of each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands


def winning_colors(colors: npt.NDArray[Any], foreground_threshold: float | None = None) -> npt.NDArray[np.uint8]:
    """Return each pixel its most probable colour.

    Parameters
    ----------
    colors : float array (C, Y, X) or (C, Z, Y, X)
        Probabilities; channel 0 is the background.
    foreground_threshold : float, optional
        Pixels whose summed probability of the other colours reaches this are foreground, and take the best of these
        colours. If None the background competes as any colour.

    Returns
    -------
    uint8 array (Y, X) or (Z, Y, X)
        0 background.
    """
    shape = colors.shape[1:]
    flat = np.ascontiguousarray(colors, np.float32).reshape(len(colors), -1, shape[-1])
    color = np.empty(flat.shape[1:], np.uint8)
    threshold = -1.0 if foreground_threshold is None else foreground_threshold
    in_bands(_winners, flat.shape[1], flat, np.float32(threshold), color)
    return color.reshape(shape)


@njit(nogil=True, cache=True)
def _winners(colors, threshold, color, first, last):  # type: ignore[no-untyped-def]
    """Work row by row and colour by colour, so that the inner loops run over neighbouring pixels."""
    n_colors, _, width = colors.shape
    best = np.empty(width, np.float32)
    for row in range(first, last):
        which = color[row]
        begin = 0 if threshold < 0 else 1
        for x in range(width):
            best[x] = colors[begin, row, x]
            which[x] = begin
        for c in range(begin + 1, n_colors):
            for x in range(width):
                value = colors[c, row, x]
                better = value > best[x]
                which[x] = np.uint8(c) if better else which[x]
                best[x] = value if better else best[x]
        if threshold >= 0:
            for x in range(width):
                if np.float32(1) - colors[0, row, x] < threshold:
                    which[x] = 0
