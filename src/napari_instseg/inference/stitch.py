"""Segmenting an image block by block: no object is cut, lost or found twice where blocks meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.inference.tiles import round_up, split_grid

Window = tuple[slice, ...]
Decode = Callable[[Window], Iterator[Event]]
"""``decode(window)`` gives events, the last a `Result` of ``labels`` (int, 1 to n) and arrays with a row per object."""

SAME = 0.5
"""Share of common pixels above which what two blocks see is one object."""


def segment_blocks(
    shape: Sequence[int], decode: Decode, *, block: int | Sequence[int], margin: int, stride: int = 1
) -> Iterator[Event]:
    """Segment a large image from the objects found in overlapping blocks.

    A block is a core with a margin around it; the cores partition the image. An object that a block sees whole is
    taken whole from the first such block whose core it touches, and what later blocks see in its place is dropped: no
    object is made of two views, and none is there twice. Only an object that no block sees whole, being larger than
    the margins, is put together, from what each block sees in its core. Two views are of one object if they agree
    where both blocks look (intersection over union above one half).

    Parameters
    ----------
    shape : sequence of int
        Of the image, in pixels.
    decode : callable
        ``decode(window)``, see `Decode`; called for one block at a time, in raster order.
    block : int or one int per axis
        Side of a block with its margins, in pixels.
    margin : int
        In pixels; best at least the diameter of an object.
    stride : int
        Windows start at multiples of it.

    Yields
    ------
    Progress
        Those of `decode`, counted over all blocks.
    Message
        Those of `decode`.
    Result
        At last: ``labels``, int32, ids 1 to n, and the other arrays that `decode` gave, a row per object; an object
        that was put together has the row of its largest part.
    """
    size = (block,) * len(shape) if isinstance(block, int) else tuple(block)
    blocks = list(split_grid(shape, size, margin, stride))
    canvas = Canvas(shape)
    steps = 0
    for number, spans in enumerate(blocks):
        window = tuple(slice(span.start, min(span.stop, length)) for span, length in zip(spans, shape, strict=True))
        found: Mapping[str, Array] | None = None
        for event in decode(window):
            if isinstance(event, Result):
                found = event.value
            elif isinstance(event, Progress):
                steps = steps or event.total
                yield Progress(round((number + event.done / event.total) * steps), len(blocks) * steps, event.what)
            else:
                yield event
        if found is None:
            raise RuntimeError(f"decode ended without a Result for the window {window}")
        canvas.add(found, window, tuple(span.core for span in spans))
        del found  # before the next block's arrays are made
    yield Result(canvas.finish())


def expand(window: Sequence[slice], shape: Sequence[int], halo: int, stride: int) -> tuple[slice, ...]:
    """Widen a window by the halo, to a start that is a multiple of the stride, as far as the image goes.

    What a network says inside `window` when it reads the widened one is what it says when it reads the whole image.
    """
    return tuple(
        slice(max(0, part.start - halo) // stride * stride, min(length, round_up(part.stop + halo, stride)))
        for part, length in zip(window, shape, strict=True)
    )


class Canvas:
    """The label image as far as blocks have been added, and what is known of each object on it.

    Its ids count up and are never given twice; an object that was joined to a later one points to that as its parent.

    Parameters
    ----------
    shape : sequence of int
        Of the image.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.labels: npt.NDArray[np.int32] = np.zeros(tuple(shape), np.int32)
        self._objects = [_Object(parent=0, whole=True, seen=0, values={})]
        self._cores: list[Window] = []
        self._empty: dict[str, Array] = {}

    def add(self, found: Mapping[str, Array], window: Window, core: Window) -> None:
        """Add what was found in a block.

        Parameters
        ----------
        found : mapping
            ``labels`` (int, 1 to n) of the window, and arrays with a row per object.
        window, core : tuple of slice
            The block's place on the canvas, with and without its margins.
        """
        values = {name: array for name, array in found.items() if name != "labels" and array is not None}
        self._empty = self._empty or {name: array[:0] for name, array in values.items()}
        there = self.labels[window]
        there[...] = self._roots()[there]
        view = _view(found["labels"], window, core, self.labels.shape)
        ids = self._decide(view, there, self._looked_at(window), values)
        painted = ids[view.labels]
        painted[_outside(view.core, painted.shape) & view.cut[view.labels]] = 0
        painted[there != 0] = 0
        there += painted
        for new, pixels in _count(painted).items():
            self._objects[new].size += pixels
        self._cores.append(core)

    def finish(self) -> dict[str, Array]:
        """Give the label image with ids 1 to n in the order of finding, and the arrays with a row per object."""
        roots = self._roots()
        painted = np.bincount(roots, [part.size for part in self._objects], len(roots)) > 0
        numbers = (np.cumsum(painted) * painted).astype(np.int32)[roots]
        for row in self.labels:  # one after the other, so that no second canvas is needed
            row[...] = numbers[row]
        largest: dict[int, _Object] = {}
        for number, part in zip(numbers.tolist(), self._objects, strict=True):
            if number and (number not in largest or part.seen > largest[number].seen):
                largest[number] = part
        rows = [largest[number].values for number in sorted(largest)]
        columns = {name: np.stack([row[name] for row in rows]) if rows else none for name, none in self._empty.items()}
        return {"labels": self.labels, **columns}

    def _decide(
        self, view: _View, there: Array, looked_at: Array, values: Mapping[str, Array]
    ) -> npt.NDArray[np.int32]:
        """Choose the id that each object in view is painted with, 0 for none; join and erase what is there."""
        ids = np.zeros(len(view.size), np.int32)
        common = _count_pairs(view.labels, there)
        new_before, old_before = _count(view.labels[looked_at]), _count(there[looked_at])
        replaced: list[int] = []
        for found in np.flatnonzero(view.in_core).tolist():
            pixels = int(view.size[found])
            pairs = common.get(found, {})
            parts = {old: n for old, n in pairs.items() if not self._objects[old].whole}
            if sum(pairs.values()) - sum(parts.values()) > SAME * pixels:
                continue  # an earlier block saw this whole
            if view.cut[found]:
                union = {old: new_before.get(found, 0) + old_before.get(old, 0) - n for old, n in parts.items()}
                same = [old for old, n in parts.items() if n > SAME * union[old]]
            else:
                same = [old for old, n in parts.items() if n > SAME * self._objects[old].size]
                if any(n > SAME * pixels for old, n in parts.items() if old not in same):
                    continue  # an earlier block saw this as a piece of something larger
                replaced += same
            ids[found] = len(self._objects)
            row = {name: array[found - 1] for name, array in values.items()}
            self._objects.append(_Object(int(ids[found]), not view.cut[found], pixels, row))
            for old in same:
                self._join(old, int(ids[found]))
        erased = np.isin(there, replaced)
        for old, pixels in _count(there[erased]).items():
            self._objects[self._objects[old].parent].size -= pixels
        there[erased] = 0
        return ids

    def _join(self, old: int, new: int) -> None:
        self._objects[old].parent = new
        self._objects[new].size += self._objects[old].size
        self._objects[old].size = 0

    def _roots(self) -> npt.NDArray[np.int32]:
        """For each id, the one that it was joined to at last."""
        roots = np.array([part.parent for part in self._objects], np.int32)
        while not np.array_equal(roots, further := roots[roots]):
            roots = further
        return roots

    def _looked_at(self, window: Window) -> npt.NDArray[np.bool_]:
        """Where in the window are cores of earlier blocks."""
        mask = np.zeros(self.labels[window].shape, bool)
        for core in self._cores:
            common = [
                slice(max(c.start, w.start) - w.start, min(c.stop, w.stop) - w.start)
                for c, w in zip(core, window, strict=True)
            ]
            if all(part.start < part.stop for part in common):
                mask[tuple(common)] = True
        return mask


@dataclass
class _Object:
    """What is known of an id on the canvas."""

    parent: int
    """The id that it was joined to; its own if to none."""
    whole: bool
    """Whether a block saw all of it."""
    seen: int
    """Pixels as its block saw it."""
    values: dict[str, Array]
    """Its row of the arrays that decode gave."""
    size: int = 0
    """Pixels on the canvas, with those of the ids joined to it."""


@dataclass(frozen=True)
class _View:
    """A block's labels, and facts about each of its objects, by id."""

    labels: Array
    core: Window
    size: Array
    in_core: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]


def _view(labels: Array, window: Window, core: Window, shape: Sequence[int]) -> _View:
    inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, window, strict=True))
    size = np.bincount(labels.ravel(), minlength=1)
    in_core, cut = np.zeros(len(size), bool), np.zeros(len(size), bool)
    in_core[np.unique(labels[inner])] = True
    in_core[0] = False
    for axis, (part, length) in enumerate(zip(window, shape, strict=True)):
        if part.start > 0:
            cut[np.unique(labels.take(0, axis))] = True
        if part.stop < length:
            cut[np.unique(labels.take(-1, axis))] = True
    cut[0] = False
    return _View(labels, inner, size, in_core, cut)


def _outside(core: Window, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.ones(shape, bool)
    mask[core] = False
    return mask


def _count(labels: Array) -> dict[int, int]:
    """Count the pixels of each id but 0."""
    ids, counts = np.unique(labels[labels != 0], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _count_pairs(first: Array, second: Array) -> dict[int, dict[int, int]]:
    """Count the pixels that each object of one label image shares with each of another."""
    both = (first != 0) & (second != 0)
    width = int(second.max(initial=0)) + 1
    pairs: dict[int, dict[int, int]] = {}
    for key, count in _count(first[both].astype(np.int64) * width + second[both]).items():
        pairs.setdefault(key // width, {})[key % width] = count
    return pairs
