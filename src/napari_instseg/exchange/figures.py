"""A figure for a talk or a paper: the image with outlines, scale bar, title and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.atomic import replacing
from napari_instseg.io.overlay import draw_overlay, fullest_plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 6.0
"""Longer side of the picture."""
NICE = (1, 2, 5)
"""A scale bar is one of these, times a power of ten."""


def write_figure(path: Path, objects: Objects, title: str | None = None, numbers: bool = True, dpi: int = 300) -> None:
    """Write the figure; the end of the name says whether it is a PNG or a PDF.

    Parameters
    ----------
    path : Path
    objects : Objects
        With an image; of a stack the plane with the most objects is drawn.
    title : str, optional
        The image's name if not given; empty for none.
    numbers : bool
        Write each object's number on it.
    dpi : int
        Dots per inch of a PNG, and of the image in a PDF, whose letters stay letters.

    Raises
    ------
    InputError
        If there is no image.
    OutputError
        If it cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    # without a date, so that the same figure is the same file
    metadata: dict[str, Any] = {"Software": None} if kind == "png" else {"CreationDate": None}
    figure = draw_figure(objects, title, numbers)
    with replacing(path) as beside:
        figure.savefig(beside, format=kind, dpi=dpi, metadata=metadata)


def draw_figure(objects: Objects, title: str | None = None, numbers: bool = True) -> Figure:
    """Draw the figure, see `write_figure`."""
    from matplotlib import patheffects
    from matplotlib.figure import Figure

    if objects.image is None:
        raise InputError("A figure shows the objects on their image; give the image.")
    place = fullest_plane(objects.labels)
    labels = objects.labels[place]
    picture = draw_overlay(objects.image.array, objects.image.axes, objects.labels)
    height, width = labels.shape
    side = INCHES / max(height, width)
    text = objects.name if title is None else title
    head = 0.4 if text else 0.0
    size = (max(width * side, 1.5), max(height * side, 1.0) + head)
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1 - head / size[1]))
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest")
    axes.set_axis_off()
    halo = [patheffects.withStroke(linewidth=1.6, foreground="black")]
    if text:
        figure.text(0.5, 1 - head / 2 / size[1], text, ha="center", va="center", fontsize=11)
    if numbers:
        for number, (y, x), extent in _places(labels):
            points = float(np.clip(0.35 * np.sqrt(extent) * side * 72, 2.5, 9))
            axes.text(
                x,
                y,
                str(number),
                ha="center",
                va="center",
                color="white",
                fontsize=points,
                path_effects=halo,
                clip_on=True,
            )
    step = objects.scale[objects.axes.index("X")]
    if step is not None:
        _draw_bar(axes, step, width, height, halo)
    return figure


def bar_length(width: float) -> float:
    """Return the length of a scale bar for a picture of this width: a round number, about a fifth of it."""
    exponent = np.floor(np.log10(width / 5))
    return float(max(nice * 10**exponent for nice in NICE if nice * 10**exponent <= width / 5 * (1 + 1e-9)))


def _draw_bar(axes: Any, size: float, width: int, height: int, halo: Any) -> None:
    length = bar_length(width * size)
    long, margin = length / size, 0.03 * min(width, height)
    left, bottom = width - margin - long, height - margin
    axes.plot([left, left + long], [bottom, bottom], color="white", lw=3, solid_capstyle="butt", path_effects=halo)
    words = f"{length:g} µm" if length >= 1 else f"{length * 1000:g} nm"
    above = bottom - 0.015 * max(width, height)
    axes.text(left + long / 2, above, words, color="white", ha="center", va="bottom", fontsize=9, path_effects=halo)


def _places(labels: np.ndarray[Any, Any]) -> list[tuple[int, tuple[float, float], int]]:
    """Find for each object its number, a place well inside it, and its number of pixels."""
    from scipy import ndimage

    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mask = np.pad(labels[box] == number, 1)
        depth = ndimage.distance_transform_edt(mask)
        # of the deepest pixels the one nearest to the middle, so that a ring's number lies on the ring
        deepest = np.argwhere(depth >= depth.max() - 0.5)
        middle = deepest.mean(0)
        y, x = deepest[np.argmin(((deepest - middle) ** 2).sum(1))]
        found.append((number, (box[0].start + y - 0.5, box[1].start + x - 0.5), int(mask.sum())))
    return found
