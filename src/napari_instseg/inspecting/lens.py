"""The lens: how alike all pixels are to the one under the cursor, and how far apart two of them are, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.affinity import Yardstick, show_alike, show_same_color, yardstick
from napari_instseg.decoding.merging import MergeParams
from napari_instseg.inspecting.views import looked_at
from napari_instseg.session.results import Results
from napari_instseg.session.source import Index

Pixel = tuple[int, ...]

SAME_COLOR = 0.5
"""Probability of a common colour above which two pixels are said to have the same one."""

JOIN = str(next(one.title for one in MergeParams.parameters() if one.name == "merge_alike"))

VIEW_FIRST = 1 << 20
"""Pixels of an image above which those in view are answered first."""


class Lens:
    """Looks at one slice of results, as far as its network gave an embedding or colours.

    Parameters
    ----------
    results : Results
    index : tuple of int
        The slice.

    Raises
    ------
    InputError
        If there is nothing to compare pixels by; the message says why.
    """

    def __init__(self, results: Results, index: Index) -> None:
        obstacle = why_no_lens(results, index)
        if obstacle:
            raise InputError(obstacle)
        data = looked_at(results, index)
        plane = results.slices[index]
        self.results, self.index, self.plane = results, index, plane
        self._labels = plane.labels
        self._scored = results.predictions[index].shape
        name = "embedding" if "embedding" in data else "colors"
        self.channels = np.ascontiguousarray(data[name], np.float32)
        self._mask = np.ascontiguousarray(data["mask"]) if "mask" in data else np.ones(self._scored, bool)
        self._clusters = data.get("clusters")
        self._decoded = results.predictions[index].pipeline.data.get("labels", self._labels)
        self._joins = "likeness" in data and getattr(plane.parameters, "merge_alike", 0) > 0
        self.judge: Yardstick | None = None
        if name == "embedding":
            self.judge = yardstick(data, plane.parameters)
        self.picture: npt.NDArray[np.uint8] = np.zeros(self._scored, np.uint8)
        """The last answer: similarity of each pixel, in percent. Written in place."""

    def fits(self, results: Results | None, index: Index) -> bool:
        """Return whether it still shows what is there."""
        return results is not None and index == self.index and results.slices.get(index) is self.plane

    def show(
        self, pixel: Pixel, window: tuple[slice, ...] | None = None, go_on: Callable[[], bool] = lambda: True
    ) -> None:
        """Write the similarity of each pixel to one of them into `picture`; with `window` only there."""
        where: tuple[Any, ...] = window if window is not None else (...,)
        part = np.zeros_like(self.picture[where]) if window is not None else self.picture
        channels, mask = self.channels, self._mask
        if window is not None:
            channels, mask = np.ascontiguousarray(channels[(slice(None), *window)]), mask[window]
        point = self._point(pixel)
        if self.judge is not None:
            show_alike(channels, mask, point, self.judge, part, go_on)
        else:
            show_same_color(channels, point, part, go_on)
        if window is not None:
            self.picture[where] = part

    def distance(self, one: Pixel, other: Pixel) -> float:
        """Return the distance of two pixels in embedding space; of colours, the probability that they differ."""
        a, b = self._point(one).astype(np.float64), self._point(other).astype(np.float64)
        return float(np.linalg.norm(a - b)) if self.judge is not None else 1 - float(a[1:] @ b[1:])

    def _point(self, pixel: Pixel) -> npt.NDArray[np.float32]:
        where: tuple[Any, ...] = (slice(None), *pixel)
        point: npt.NDArray[np.float32] = self.channels[where]
        return point

    def describe(self, pixel: Pixel) -> str:
        """Say where a pixel is and which object it is in."""
        place = ", ".join(str(position) for position in pixel)
        label = int(self._labels[pixel])
        if label:
            return f"Pixel ({place}) in object {label}"
        where = "no object" if self._mask[pixel] else "the background"
        return f"Pixel ({place}) in {where}"

    def compare(self, one: Pixel, other: Pixel) -> str:
        """Say how far apart two pixels are, what that is compared with, and what became of them."""
        distance = self.distance(one, other)
        if self.judge is None:
            near = distance < 1 - SAME_COLOR
            measured = f"Same colour with probability {1 - distance:.2f}"
        else:
            near = distance <= self.judge.limit
            measured = f"{distance:.2g} apart, {self.judge.name} {self.judge.limit:.2g}"
        return f"{measured}: {self._fate(one, other, near)}"

    def _fate(self, one: Pixel, other: Pixel, near: bool) -> str:
        a, b = int(self._labels[one]), int(self._labels[other])
        if a == 0 or b == 0:
            which = "neither is" if a == b else f"the {'first' if a == 0 else 'second'} is not"
            return f"{which} in an object."
        decoded = {int(self._decoded[one]), int(self._decoded[other])}
        if a == b:
            return (
                f"same object ({a})." if near else f"yet the same object ({a}), {self._why_one(one, other, decoded)}."
            )
        if not near:
            return f"different objects ({a} and {b})."
        if len(decoded) == 1:
            why = "as they were corrected"
        elif self._same_group(one, other):
            why = "pieces that do not touch"
        else:
            why = "each nearer to the middle of its own"
        return f"alike, yet different objects ({a} and {b}), {why}."

    def _why_one(self, one: Pixel, other: Pixel, decoded: set[int]) -> str:
        """Say why two pixels that are not alike are in one object."""
        if len(decoded) > 1 or 0 in decoded:
            return "as it was corrected"
        if not self._same_group(one, other):
            return f"of two that '{JOIN}' joined" if self._joins else "to which one was added after grouping"
        if self._clusters is None or self.judge is None:
            return "of one colour all the same"
        centre = self._clusters.centres[self._clusters.map[one] - 1]
        away = max(float(np.linalg.norm(self._point(pixel) - centre)) for pixel in (one, other))
        return "whose middle is near both" if away <= self.judge.limit else "by the pixels between them"

    def _same_group(self, one: Pixel, other: Pixel) -> bool:
        """Return whether the decoder had put two pixels together, before it looked at what touches."""
        if self._clusters is not None:
            same = self._clusters.map[one] == self._clusters.map[other] > 0
        elif self.judge is None:
            same = self._point(one)[1:].argmax() == self._point(other)[1:].argmax()
        else:
            same = True  # a detector's objects are not grouped
        return bool(same)


def why_no_lens(results: Results | None, index: Index) -> str:
    """Say why a slice cannot be looked at through the lens; empty if it can."""
    if results is None or not results.slices:
        return "Run the segmentation first."
    if index not in results.predictions or index not in results.slices:
        return "What the network said of this slice is not kept; run it again."
    outputs = results.predictions[index].outputs
    if not {"embedding", "colors"} & set(outputs):
        return "This model gives neither an embedding nor colours by which pixels could be compared."
    return ""


@dataclass(frozen=True, eq=False)
class Glance:
    """A question: how alike is all to this pixel of a slice? `window` is what is in view, and is answered first."""

    results: Results
    index: Index
    pixel: Pixel
    window: tuple[slice, ...] | None = None


class Lenses:
    """Answers glances, and keeps the lens of the slice that it looked at last."""

    def __init__(self) -> None:
        self.lens: Lens | None = None

    def look(self, glance: Glance, is_stale: Callable[[], bool]) -> Iterator[tuple[Lens, Glance]]:
        """Return the lens when it shows what is in view, and again when it shows all."""
        lens = self.lens
        if lens is None or not lens.fits(glance.results, glance.index):
            lens = self.lens = Lens(glance.results, glance.index)
        window = glance.window
        if window is not None and len(window) == lens.picture.ndim and lens.picture.size > VIEW_FIRST:
            lens.show(glance.pixel, window)
            yield lens, glance
        lens.show(glance.pixel, go_on=lambda: not is_stale())
        yield lens, glance
