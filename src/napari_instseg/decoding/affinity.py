"""How alike pixels are: from one of them to all others, and from each to the centre of its own group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.core.method import Data
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.decoding.clusters import Clusters
from napari_instseg.decoding.parallel import in_bands
from napari_instseg.decoding.seeds import Kernel, similarity

Floats = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]

STEPS = 2048
"""Distances for which the kernel is worked out; those between take the nearest below."""

REACH = 8.0
"""Distance, in scales of the kernel, beyond which nothing is alike."""

PART = 1 << 19
"""Pixels worked on between two looks at whether the answer is still wanted."""

USUAL_SPREADS = 2.0
"""Without a radius of its own, a clusterer's objects reach about so many of their usual spreads."""


@dataclass(frozen=True)
class Yardstick:
    """How a distance in embedding space is judged by the clusterer at hand.

    Parameters
    ----------
    name : str
        What the user knows the limit as, such as "bandwidth".
    limit : float
        Distance within which pixels are taken for one object.
    kernel, scale
        How distance becomes similarity, see `seeds.similarity`.
    """

    name: str
    limit: float
    kernel: Kernel = "logistic"
    scale: float = 1.0

    def affinity(self, distance: Any) -> Floats:
        """Turn distances into similarities, 0 to 1."""
        return similarity(np.square(np.asarray(distance, np.float32)), self.kernel, self.scale)


def yardstick(data: Data, params: Any) -> Yardstick:
    """Return the yardstick of a decoded embedding.

    Mean-shift compares with its bandwidth, seeded growth with the distance at which its similarity threshold is
    reached. HDBSCAN and k-means have no radius: twice the median spread of the objects stands for it. An embedding
    that is measured in learnt kernel scales is judged by that kernel (Novotny et al. 2018, equation 10).

    Parameters
    ----------
    data : mapping
        With ``embedding`` and the results of decoding.
    params : Params
        The decode parameters.
    """
    if "detections" in data:
        sigma = float(np.median(data["detections"][:, -(MASK_SIDE**2) - 1])) if len(data["detections"]) else 1.0
        return Yardstick("kernel scale", max(sigma, 1e-6), "laplacian", max(sigma, 1e-6))
    clusterer = getattr(params, "clusterer", "mean-shift")
    if clusterer == "seeded growth":
        distance = np.linspace(0, REACH * params.kernel_scale, STEPS)
        growth = Yardstick("reach of a seed", 0.0, params.kernel, params.kernel_scale)
        limit = np.interp(-params.similarity, -growth.affinity(distance), distance)
        return Yardstick(growth.name, float(limit), params.kernel, params.kernel_scale)
    if clusterer == "mean-shift":
        name, limit = "bandwidth", float(params.bandwidth)
    else:
        name, limit = "usual reach of objects", USUAL_SPREADS * float(np.median(data["spread"])) or 1.0
    return Yardstick(name, limit, "laplacian", 1.0) if "sigma" in data else Yardstick(name, limit, "logistic", limit)


def show_alike(
    embedding: Floats,
    mask: npt.NDArray[np.bool_],
    point: Floats,
    judge: Yardstick,
    picture: Picture,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Write how similar every pixel of the foreground is to one point, in percent.

    Parameters
    ----------
    embedding : float32 array (D, *S), contiguous
    mask : bool array (*S)
        Foreground; other pixels become 0.
    point : float array (D,)
        The embedding of the pixel that others are compared with.
    judge : Yardstick
    picture : uint8 array (*S), contiguous
        Overwritten.
    go_on : callable
        Asked every so many pixels; the rest of the picture stays as it was where it says no.
    """
    reach = REACH * judge.scale
    table = np.rint(100 * judge.affinity(np.linspace(0, reach, STEPS))).astype(np.uint8)
    table[-1] = 0
    point = np.ascontiguousarray(point, np.float32)
    _in_parts(_alike, embedding, mask, picture, go_on, point, table, np.float32((STEPS - 1) / reach))


def show_same_color(colors: Floats, point: Floats, picture: Picture, go_on: Callable[[], bool] = lambda: True) -> None:
    """Write the probability that each pixel has the same object's colour as one pixel, in percent.

    The sum over all colours but the background of the product of both pixels' probabilities; `point` holds those of
    the one, (C,). See `show_alike`.
    """
    point = np.ascontiguousarray(point, np.float32)
    everywhere = np.broadcast_to(np.True_, picture.shape)
    _in_parts(_same_color, colors, everywhere, picture, go_on, point)


def affinity_to_centre(embedding: Floats, clusters: Clusters, judge: Yardstick) -> Floats:
    """Return each pixel its similarity to the centre of its cluster, 0 outside of clusters; float32 array (*S)."""
    squared = np.zeros(clusters.map.shape, np.float32)
    centres = np.pad(clusters.centres, ((1, 0), (0, 0)))
    for channel, own in zip(embedding, centres.T.astype(np.float32), strict=True):
        squared += np.square(channel - own[clusters.map])
    return np.where(clusters.map > 0, judge.affinity(np.sqrt(squared)), np.float32(0))


def _in_parts(
    kernel: Callable[..., None],
    channels: Floats,
    mask: npt.NDArray[np.bool_],
    picture: Picture,
    go_on: Callable[[], bool],
    *values: Any,
) -> None:
    width = picture.shape[-1]
    rows, out = channels.reshape(len(channels), -1, width), picture.reshape(-1, width)
    foreground = mask.reshape(-1, width)
    step = max(PART // width, 1)
    for first in range(0, len(out), step):
        if not go_on():
            return
        part = slice(first, first + step)
        in_bands(kernel, len(out[part]), rows[:, part], foreground[part], out[part], *values)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _alike(rows, mask, picture, point, table, steps_per_distance, first, last):  # type: ignore[no-untyped-def]
    width = mask.shape[1]
    squared = np.empty(width, np.float32)
    end = table.size - 1
    for row in range(first, last):
        squared[:] = 0
        for d in range(len(rows)):
            line, own = rows[d, row], point[d]
            for x in range(width):
                difference = line[x] - own
                squared[x] += difference * difference
        for x in range(width):
            step = min(int(min(np.sqrt(squared[x]) * steps_per_distance, np.float32(1e6))), end)
            picture[row, x] = table[step] if mask[row, x] else 0


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _same_color(rows, mask, picture, point, first, last):  # type: ignore[no-untyped-def]
    width = mask.shape[1]
    total = np.empty(width, np.float32)
    for row in range(first, last):
        total[:] = 0
        for c in range(1, len(rows)):
            line, own = rows[c, row], point[c]
            for x in range(width):
                total[x] += line[x] * own
        for x in range(width):
            picture[row, x] = np.uint8(np.float32(100) * min(max(total[x], np.float32(0)), np.float32(1)) + 0.5)
