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
    the margins, is put together, from what each block sees in its core. Two views are of one object if, where both
    blocks look, most of the smaller one lies in the other, and not only near the edges of the blocks.

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
    windows = [
        tuple(slice(span.start, min(span.stop, length)) for span, length in zip(spans, shape, strict=True))
        for spans in blocks
    ]
    canvas = Canvas(shape, windows, [tuple(span.core for span in spans) for spans in blocks])
    steps = 0
    for number, window in enumerate(windows):
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
        canvas.add(found)
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
    windows, cores : sequence of tuple of slice
        The places of the blocks, in the order in which they will be added, with and without their margins.
    """

    def __init__(self, shape: Sequence[int], windows: Sequence[Window], cores: Sequence[Window]) -> None:
        self.labels: npt.NDArray[np.int32] = np.zeros(tuple(shape), np.int32)
        self._windows, self._cores = windows, cores
        self._assured = [_halfway(window, core) for window, core in zip(windows, cores, strict=True)]
        self._added = 0
        self._objects = [_Object(parent=0, whole=True, seen=0, values={})]
        self._pieces: dict[int, list[tuple[int, Array]]] = {}
        """For a block to come: earlier blocks, and the pieces of cut objects that they see in its window."""
        self._empty: dict[str, Array] = {}

    def add(self, found: Mapping[str, Array]) -> None:
        """Add what was found in the next block.

        Parameters
        ----------
        found : mapping
            ``labels`` (int, 1 to n) of the block's window, and arrays with a row per object.
        """
        window, core = self._windows[self._added], self._cores[self._added]
        values = {name: array for name, array in found.items() if name != "labels" and array is not None}
        self._empty = self._empty or {name: array[:0] for name, array in values.items()}
        there = self.labels[window]
        there[...] = self._roots()[there]
        view = _view(found["labels"], window, core, self.labels.shape)
        ids = self._decide(view, there, values)
        self._join_pieces(view, ids, window)
        self._keep_pieces(view, ids, window)
        painted = ids[view.labels]
        painted[_outside(view.core, painted.shape) & view.cut[view.labels]] = 0
        painted[there != 0] = 0
        there += painted
        for new, pixels in _count(painted).items():
            self._objects[self._root(new)].size += pixels
        self._added += 1

    def finish(self) -> dict[str, Array]:
        """Give the label image with ids 1 to n in the order of finding, and the arrays with a row per object."""
        roots = self._roots()
        painted = np.array([part.size for part in self._objects]) > 0
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

    def _decide(self, view: _View, there: Array, values: Mapping[str, Array]) -> npt.NDArray[np.int32]:
        """Give an id to each object in view that is to be painted, 0 to the others; erase pieces of whole ones."""
        ids = np.zeros(len(view.size), np.int32)
        common = _count_pairs(view.labels, there)
        replaced: list[int] = []
        for found in np.flatnonzero(view.in_core).tolist():
            pixels = int(view.size[found])
            pairs = common.get(found, {})
            pieces = {old: n for old, n in pairs.items() if not self._objects[old].whole and old not in replaced}
            if sum(n for old, n in pairs.items() if self._objects[old].whole) > SAME * pixels:
                continue  # an earlier block saw this whole
            inside = [] if view.cut[found] else [old for old, n in pieces.items() if n > SAME * self._objects[old].size]
            if not view.cut[found] and any(n > SAME * pixels for old, n in pieces.items() if old not in inside):
                continue  # earlier blocks saw this as part of something larger
            ids[found] = len(self._objects)
            row = {name: array[found - 1] for name, array in values.items()}
            self._objects.append(_Object(int(ids[found]), not view.cut[found], pixels, row))
            for old in inside:
                self._join(old, int(ids[found]))
            replaced += inside
        erased = np.isin(there, replaced)
        for old, pixels in _count(there[erased]).items():
            self._objects[self._root(old)].size -= pixels
        there[erased] = 0
        return ids

    def _join_pieces(self, view: _View, ids: Array, window: Window) -> None:
        """Join the cut objects of the block with what earlier blocks saw of them."""
        for block, seen in self._pieces.pop(self._added, []):
            box = _common(self._windows[block], window)
            assured = _common(self._assured[block], self._assured[self._added])
            if box is None or assured is None:
                continue
            here = (ids * view.cut)[view.labels[_within(box, window)]]
            middle = _within(assured, box)
            common, in_middle = _count_pairs(seen, here), _count_pairs(seen[middle], here[middle])
            old_size, new_size = _count(seen), _count(here)
            for old, pairs in in_middle.items():
                for new in pairs:
                    root = self._root(old)
                    same = common[old][new] > SAME * min(old_size[old], new_size[new])
                    if same and not self._objects[root].whole:
                        self._join(root, self._root(new))

    def _keep_pieces(self, view: _View, ids: Array, window: Window) -> None:
        """Keep what the block sees of its cut objects where later blocks look too."""
        cut_ids = ids * view.cut
        if not cut_ids.any():
            return
        for later in range(self._added + 1, len(self._windows)):
            box = _common(window, self._windows[later])
            if box is not None:
                seen = cut_ids[view.labels[_within(box, window)]]
                self._pieces.setdefault(later, []).append((self._added, seen))

    def _join(self, old: int, new: int) -> None:
        if old != new:
            self._objects[old].parent = new
            self._objects[new].size += self._objects[old].size
            self._objects[old].size = 0

    def _root(self, number: int) -> int:
        while (parent := self._objects[number].parent) != number:
            number = parent
        return number

    def _roots(self) -> npt.NDArray[np.int32]:
        """For each id, the one that it was joined to at last."""
        roots = np.array([part.parent for part in self._objects], np.int32)
        while not np.array_equal(roots, further := roots[roots]):
            roots = further
        return roots


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
    inner = _within(core, window)
    size = np.bincount(labels.ravel(), minlength=1)
    in_core = np.bincount(labels[inner].ravel(), minlength=len(size)) > 0
    cut = np.zeros(len(size), bool)
    for axis, (part, length) in enumerate(zip(window, shape, strict=True)):
        if part.start > 0:
            cut[np.unique(labels.take(0, axis))] = True
        if part.stop < length:
            cut[np.unique(labels.take(-1, axis))] = True
    in_core[0] = cut[0] = False
    return _View(labels, inner, size, in_core, cut)


def _within(part: Window, window: Window) -> Window:
    """Give the place of a part in the coordinates of the window that holds it."""
    return tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))


def _halfway(window: Window, core: Window) -> Window:
    """Give the core with half of its margins: nearer to the window's edge, cut objects may be seen wrongly."""
    return tuple(slice((w.start + c.start) // 2, (w.stop + c.stop + 1) // 2) for w, c in zip(window, core, strict=True))


def _common(first: Window, second: Window) -> Window | None:
    both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return both if all(part.start < part.stop for part in both) else None


def _outside(core: Window, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.ones(shape, bool)
    mask[core] = False
    return mask


def _count(labels: Array) -> dict[int, int]:
    """Count the pixels of each id but 0."""
    counts = np.bincount(labels.ravel(), minlength=1)
    ids = np.flatnonzero(counts)
    return {number: count for number, count in zip(ids.tolist(), counts[ids].tolist(), strict=True) if number}


def _count_pairs(first: Array, second: Array) -> dict[int, dict[int, int]]:
    """Count the pixels that each object of one label image shares with each of another."""
    both = (first != 0) & (second != 0)
    width = int(second.max(initial=0)) + 1
    keys, counts = np.unique(first[both].astype(np.int64) * width + second[both], return_counts=True)
    pairs: dict[int, dict[int, int]] = {}
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        pairs.setdefault(key // width, {})[key % width] = count
    return pairs
