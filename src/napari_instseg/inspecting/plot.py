"""The embedding as a picture: pixels counted on a grid over two directions, with a way back to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.decoding.affinity import yardstick
from napari_instseg.decoding.views import principal_components, random_directions
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting.views import looked_at
from napari_instseg.session.results import Results
from napari_instseg.session.source import Index

SIDE = 256
"""Cells of the plot along each of its axes."""

MARGIN = 0.04
"""Part of the plot that is left free at each border."""

NAMED = 5
"""Objects in a lasso that are named."""

BEYOND = 0.25
"""The plot goes this much beyond the 1st and the 99th percentile; pixels still farther out lie on its border."""

Projection = Literal["main", "further", "random"]
PROJECTIONS: dict[Projection, str] = {
    "main": "Main directions 1 and 2",
    "further": "Main directions 1 and 3",
    "random": "Two random directions",
}

Mask = npt.NDArray[np.bool_]
Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Plot:
    """The foreground pixels of a slice, each in a cell of the plot.

    Parameters
    ----------
    cell : int32 array (*S)
        Cell of each pixel, row times `SIDE` plus column; -1 for the background.
    labels : int32 array (*S)
        The objects, by the ids that the user knows.
    unit : float
        Cells per unit of distance in the embedding.
    """

    cell: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]
    unit: float
    projection: Projection
    prediction: Prediction
    bar: tuple[str, float] | None = None
    """A distance that the user knows, by name, and its length in cells."""

    def place(self, pixel: tuple[int, ...]) -> tuple[int, int] | None:
        """Return row and column of a pixel's cell, or None for the background."""
        cell = int(self.cell[pixel])
        return divmod(cell, SIDE) if cell >= 0 else None

    def picture(self, colors: npt.NDArray[Any]) -> Rgb:
        """Draw how dense the pixels are, in the mean colour of their objects.

        Parameters
        ----------
        colors : uint8 array (n, 3)
            Colour of each object by id, that of pixels in no object first; ids beyond the end take the first.

        Returns
        -------
        uint8 array (SIDE, SIDE, 3)
            Black where no pixel is.
        """
        inside = self.cell.ravel() >= 0
        cells, labels = self.cell.ravel()[inside], self.labels.ravel()[inside]
        labels = np.where(labels < len(colors), labels, 0)
        count = np.bincount(cells, minlength=SIDE**2)
        sums = [np.bincount(cells, colors[:, channel][labels], minlength=SIDE**2) for channel in range(3)]
        mean = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
        # brightness by the logarithm, so that a lone pixel is still seen beside the thousands of an object
        brightness = np.log1p(count) / np.log1p(max(count.max(initial=1), 1))
        shade = np.where(count > 0, 0.35 + 0.65 * brightness, 0)
        return (mean * shade[:, None]).astype(np.uint8).reshape(SIDE, SIDE, 3)

    def cells_of(self, mask: Mask) -> Mask:
        """Return the cells that hold pixels of a part of the image, (SIDE, SIDE)."""
        cells = self.cell[mask]
        found = np.zeros(SIDE**2, bool)
        found[cells[cells >= 0]] = True
        return found.reshape(SIDE, SIDE)

    def pixels_in(self, polygon: npt.NDArray[np.float64]) -> Mask:
        """Return the pixels of the image whose cell lies in a lasso.

        Parameters
        ----------
        polygon : float array (n, 2)
            Corners as (row, column), in cells.
        """
        from skimage.draw import polygon2mask

        chosen = np.append(polygon2mask((SIDE, SIDE), polygon).ravel(), False)  # the last one is the background's
        mask: Mask = chosen[self.cell]
        return mask

    def describe(self, mask: Mask) -> str:
        """Say how many pixels a part of the image has, and of which objects."""
        labels, counts = np.unique(self.labels[mask], return_counts=True)
        order = [at for at in np.argsort(-counts, kind="stable") if labels[at] > 0]
        words = f"{int(mask.sum())} pixels"
        if not order:
            return f"{words}, in no object."
        named = ", ".join(str(labels[at]) for at in order[:NAMED])
        return f"{words} in {_objects(len(order))}: {named}{', …' if len(order) > NAMED else '.'}"


def _objects(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"


def make_plot(results: Results, index: Index, projection: Projection, earlier: Plot | None = None) -> Plot | None:
    """Put the foreground pixels of a slice into the cells of a plot; None where there is nothing to plot.

    Parameters
    ----------
    results, index
        The slice.
    projection : str
        A key of `PROJECTIONS`.
    earlier : Plot, optional
        Its cells are taken over where prediction, foreground and projection are as they were.
    """
    plane = results.slices.get(index)
    if plane is None or index not in results.predictions:
        return None
    data = looked_at(results, index)
    channels = data.get("embedding", data.get("colors"))
    if channels is None:
        return None
    mask = data.get("mask")
    if mask is None:
        mask = plane.labels > 0
    prediction = results.predictions[index]
    known = earlier is not None and earlier.prediction is prediction and earlier.projection == projection
    if earlier is not None and known and np.array_equal(earlier.cell >= 0, mask):
        cell, unit = earlier.cell, earlier.unit
    else:
        cell, unit = _cells(channels, mask, projection)
    judge = yardstick(data, plane.parameters) if "embedding" in data else None
    bar = (judge.name, judge.limit * unit) if judge is not None else None
    return Plot(cell, plane.labels, unit, projection, prediction, bar)


def _cells(channels: npt.NDArray[Any], mask: Mask, projection: Projection) -> tuple[npt.NDArray[np.int32], float]:
    """Project the foreground; both axes have the same scale, so that distances look alike in all directions."""
    find = random_directions if projection == "random" else principal_components
    basis, low, high = find(channels, mask)
    chosen = [0, 2] if projection == "further" else [0, 1]
    basis, low, high = basis[chosen].astype(np.float32), low[chosen], high[chosen]
    middle, span = (low + high) / 2, float((high - low).max()) * (1 + 2 * BEYOND) or 1.0
    unit = SIDE * (1 - 2 * MARGIN) / span
    cell = np.full(mask.shape, -1, np.int32)
    flat = channels.reshape(len(channels), -1)[:, mask.ravel()].astype(np.float32, copy=False)
    place = (basis @ flat - middle[:, None].astype(np.float32)) * np.float32(unit) + np.float32(SIDE / 2)
    column, row = np.clip(place, 0, SIDE - 1).astype(np.int32)
    cell[mask] = (SIDE - 1 - row) * SIDE + column
    return cell, unit
