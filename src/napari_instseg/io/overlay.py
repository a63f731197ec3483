"""Overlay pictures: the outline of every object on its image, in colours that stay the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import to_channels
from napari_instseg.io.atomic import replacing
from napari_instseg.io.stamps import program

Picture = npt.NDArray[np.uint8]
Colors = npt.NDArray[np.float32]
"""RGB from 0 to 1 along the last axis."""

LARGE = 1000
"""A smaller picture is enlarged by a whole factor until its longer side has at least so many pixels."""

BAND = 1024
"""Rows drawn at a time, so that a large picture takes little more memory than itself."""

CHANNEL_COLORS = ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 0.6, 1.0), (1.0, 0.6, 0.0))
"""Green, magenta, blue, orange: shown for the channels of an image that is no colour picture."""

VIVID = 100.0
"""Chroma of the outlines' colours before they are cut to what a screen can show."""

GOLDEN = 0.618033988749895


def draw_overlay(array: Array, axes: str, labels: Array, fill: float = 0.0) -> Picture:
    """Draw objects on their image, stretched between percentiles.

    Parameters
    ----------
    array : array
        The image; colours of a picture are a last C of length 3.
    axes : str
        Its axes, such as ``"YXC"``; of a stack the plane with the most objects is drawn.
    labels : array of int
        The image's shape without C.
    fill : float
        Opacity of the objects' insides, from 0 to 1.

    Returns
    -------
    array of uint8 (Y, X, 3)
        A small image is enlarged by a whole factor, so that outlines stay thin.

    Raises
    ------
    InputError
        If the labels have not the image's shape.
    """
    channels, stack = to_channels(array, axes)
    if labels.shape != channels.shape[: len(stack)] + channels.shape[-2:]:
        raise InputError(f"The labels have the shape {labels.shape}; expected that of the image without channels.")
    place = fullest_plane(labels)
    plane, objects = channels[place], labels[place]
    show = _display(plane, is_picture=axes.upper().endswith("C") and len(plane) == 3)
    every = max(1, max(objects.shape) // BAND)
    colors = object_colors(np.arange(int(objects.max(initial=0)) + 1), *_contrasting(show(plane[:, ::every, ::every])))
    factor = math.ceil(LARGE / max(objects.shape))
    width = 2 if factor > 2 else 1
    drawn = np.empty((objects.shape[0] * factor, objects.shape[1] * factor, 3), np.uint8)
    for start in range(0, objects.shape[0], BAND):
        stop = start + BAND
        above = start - max(0, start - width)  # rows that only tell where objects end
        background = _enlarge(show(plane[:, start:stop]), factor)
        band = _enlarge_labels(objects[start - above : stop + width], factor)
        rows = slice(above * factor, above * factor + len(background))
        drawn[start * factor : stop * factor] = _draw(background, band, rows, colors, fill, width)
    return drawn


def write_overlay(path: str | Path, picture: Picture) -> Path:
    """Write a picture as PNG, atomically.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from PIL import Image as Pillow
    from PIL.PngImagePlugin import PngInfo

    # so that nobody takes it for an image
    about = PngInfo()
    about.add_text("Software", program())
    with replacing(path) as beside:
        Pillow.fromarray(picture).save(beside, format="PNG", pnginfo=about)
    return Path(path)


def object_colors(ids: npt.NDArray[np.integer], lightness: float, hues: tuple[float, float]) -> Colors:
    """Return each id a colour that depends on nothing else; ids that follow each other are far apart in hue.

    Parameters
    ----------
    ids : array of int (n,)
    lightness : float
        CIE L* of the colours, from 0 to 100.
    hues : (float, float)
        First and last hue angle in the CIE a*b* plane, in degrees.

    Returns
    -------
    array (n, 3)
        sRGB from 0 to 1.
    """
    from skimage.color import lab2rgb

    first, last = np.deg2rad(hues)
    hue = first + (last - first) * (ids * GOLDEN % 1.0)
    lab = np.stack([np.full(len(ids), lightness), VIVID * np.cos(hue), VIVID * np.sin(hue)], axis=-1)
    colors: Colors = np.clip(lab2rgb(lab), 0, 1).astype(np.float32)
    return colors


def fullest_plane(labels: Array) -> tuple[int, ...]:
    """Find the plane of a stack that has the most objects, by its place in the axes before (Y, X)."""
    stack = labels.shape[:-2]
    counts = [len(np.unique(labels[place])) for place in np.ndindex(stack)]
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(counts)), stack)) if stack else ()


def _display(channels: Array, is_picture: bool) -> Callable[[Array], Colors]:
    """Return the function that shows (C, Y, X), or some of its rows, as RGB (Y, X, 3) from 0 to 1."""
    every = max(1, max(channels.shape[1:]) // BAND)
    sample = channels[:, ::every, ::every].astype(np.float32)
    axis = None if is_picture else (1, 2)
    low, high = np.percentile(sample, (0.2, 99.8), axis=axis, keepdims=True).astype(np.float32)
    palette = ((1.0, 1.0, 1.0),) if len(channels) == 1 else CHANNEL_COLORS
    colors = np.array([palette[i % len(palette)] for i in range(len(channels))], np.float32)

    def show(part: Array) -> Colors:
        values: Colors = np.clip((part.astype(np.float32) - low) / np.maximum(high - low, 1e-6), 0, 1)
        if is_picture:
            return values.transpose(1, 2, 0)
        return np.clip(np.tensordot(values, colors, axes=(0, 0)), 0, 1)

    return show


def _enlarge(picture: Colors, factor: int) -> Colors:
    if factor == 1:
        return picture
    from scipy.ndimage import zoom

    smooth: Colors = zoom(picture, (factor, factor, 1), order=1, grid_mode=True, mode="nearest")
    return smooth


def _enlarge_labels(labels: Array, factor: int) -> Array:
    """Enlarge each object by itself, with the corners of its pixels cut off."""
    if factor == 1:
        return labels
    from scipy.ndimage import find_objects, zoom

    enlarged = np.zeros([side * factor for side in labels.shape], labels.dtype)
    for number, box in enumerate(find_objects(labels), start=1):
        if box is not None:
            part = np.pad(labels[box] == number, 1, mode="edge").astype(np.float32)
            smooth = zoom(part, factor, order=1, grid_mode=True, mode="nearest")[factor:-factor, factor:-factor]
            enlarged[tuple(slice(b.start * factor, b.stop * factor) for b in box)][smooth >= 0.5] = number
    return enlarged


def _draw(background: Colors, labels: Array, rows: slice, colors: Colors, fill: float, width: int) -> Picture:
    """Draw the objects of some rows of `labels` on the background of just these rows."""
    from scipy.ndimage import maximum_filter, minimum_filter

    near = {"size": 2 * width + 1, "mode": "nearest"}
    ends = (labels > 0) & (maximum_filter(labels, **near) != minimum_filter(labels, **near))
    labels, ends = labels[rows], ends[rows]
    drawn = background.copy()
    if fill > 0:
        inside = labels > 0
        drawn[inside] = (1 - fill) * drawn[inside] + fill * colors[labels[inside]]
    drawn[ends] = colors[labels[ends]]
    return np.rint(drawn * 255).astype(np.uint8)


def _contrasting(picture: Colors) -> tuple[float, tuple[float, float]]:
    """Choose lightness and hues that stand out: dark on bright images, and no purple and blue on stained tissue."""
    bright = float(np.median(picture)) > 0.5
    if float(np.ptp(picture, axis=-1).mean()) > 0.08 and bright:
        return 55.0, (40.0, 190.0)
    return (45.0 if bright else 65.0), (0.0, 360.0)
