"""Segmenting an image block by block: no object is cut, lost or found twice where blocks meet.

Blocks are looked at one by one (`look`), neighbours are compared (`compare`), all comparisons together decide what is
kept and what is one object (`resolve`), and pixels are painted from that (`compose`). Each step needs only what the
step before it left, so blocks and pairs may be done in any order, by any process, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import imagecodecs
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


@dataclass(frozen=True)
class Blocks:
    """Where the blocks of an image lie, in raster order.

    Parameters
    ----------
    shape : tuple of int
        Of the image, in pixels.
    windows, cores : tuple of tuple of slice
        The blocks with and without their margins; the cores partition the image.
    """

    shape: tuple[int, ...]
    windows: tuple[Window, ...]
    cores: tuple[Window, ...]

    @classmethod
    def split(cls, shape: Sequence[int], block: int | Sequence[int], margin: int, stride: int = 1) -> Blocks:
        """Cover an image with blocks.

        Parameters
        ----------
        shape : sequence of int
            Of the image, in pixels.
        block : int or one int per axis
            Side of a block with its margins, in pixels.
        margin : int
            In pixels.
        stride : int
            Windows start at multiples of it.
        """
        size = (block,) * len(shape) if isinstance(block, int) else tuple(block)
        spans = list(split_grid(shape, size, margin, stride))
        windows = tuple(
            tuple(slice(span.start, min(span.stop, length)) for span, length in zip(one, shape, strict=True))
            for one in spans
        )
        return cls(tuple(shape), windows, tuple(tuple(span.core for span in one) for one in spans))

    def __len__(self) -> int:
        return len(self.windows)

    def meeting(self, window: Window) -> list[int]:
        """Return the blocks that see some of a window, in raster order."""
        return [number for number, other in enumerate(self.windows) if _common(other, window) is not None]

    def later_neighbours(self, number: int) -> list[int]:
        """Return the blocks after this one, in raster order, whose windows overlap its own."""
        return [other for other in self.meeting(self.windows[number]) if other > number]


@dataclass(frozen=True)
class Facts:
    """What one block says of its objects; row k is object k + 1.

    Attributes
    ----------
    size, core_size : int array (n,)
        Pixels in the window, and of these in the core.
    cut : bool array (n,)
        Whether the window's edge, where it is not the image's, cuts the object.
    values : mapping of str to array (n, ...)
        What decode said of each, such as its score.
    """

    size: npt.NDArray[np.int64]
    core_size: npt.NDArray[np.int64]
    cut: npt.NDArray[np.bool_]
    values: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What two blocks see in common; one row for each pair of objects that share pixels.

    Attributes
    ----------
    first, second : int
        The blocks, `first` before `second` in raster order.
    a, b : int array (m,)
        Object of the first and of the second block, from 1.
    common, in_core : int array (m,)
        Pixels that both have, and of these in the core of the first block.
    a_size, b_size : int array (m,)
        Pixels of each in what both blocks see.
    middle : bool array (m,)
        Whether they share a pixel that is not near the edge of either block.
    """

    first: int
    second: int
    a: npt.NDArray[np.int64]
    b: npt.NDArray[np.int64]
    common: npt.NDArray[np.int64]
    in_core: npt.NDArray[np.int64]
    a_size: npt.NDArray[np.int64]
    b_size: npt.NDArray[np.int64]
    middle: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Resolution:
    """What became of every object that any block saw.

    Attributes
    ----------
    ids : list of int64 array (n + 1,)
        For each block, the id in the whole image of its objects 0 to n; 0 for what is not painted.
    count : int
        The highest id.
    row_of : int64 array (count, 2)
        For id k + 1, the block and the object (from 1) whose row of values it has: its largest part.
    """

    ids: list[npt.NDArray[np.int64]]
    count: int
    row_of: npt.NDArray[np.int64]


@dataclass
class DoneBlocks:
    """What was found in the blocks of an image, so that a run that was stopped can go on with the others.

    Parameters
    ----------
    packed : list of Packed
        The objects of each block that is done, in raster order.
    facts : list of Facts
    total : int
        The number of blocks, 0 before the first.
    """

    packed: list[Packed] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    total: int = 0


def segment_blocks(
    blocks: Blocks, decode: Decode, done: DoneBlocks | None = None, *, only_done: bool = False
) -> Iterator[Event]:
    """Segment a large image from the objects found in overlapping blocks.

    A block is a core with a margin around it; the cores partition the image. An object that a block sees whole is
    taken whole from the first such block whose core it touches, and what later blocks see in its place is dropped: no
    object is made of two views, and none is there twice. Only an object that no block sees whole, being larger than
    the margins, is put together, from what each block sees in its core. Two views are of one object if, where both
    blocks look, most of the smaller one lies in the other, and not only near the edges of the blocks.

    Parameters
    ----------
    blocks : Blocks
        Their margins are best at least the diameter of an object.
    decode : callable
        ``decode(window)``, see `Decode`; called for one block at a time, in raster order.
    done : DoneBlocks, optional
        What is done already of this image; blocks are added to it.
    only_done : bool
        Do no more blocks: where there is none, there are no objects.

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
    done = done if done is not None else DoneBlocks()
    done.total, steps = len(blocks), 0
    for number in range(len(done.facts), 0 if only_done else len(blocks)):
        window = blocks.windows[number]
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
        facts, packed = look(found, blocks, number), Packed.of(found["labels"])
        done.facts.append(facts)
        done.packed.append(packed)
        del found  # before the next block's arrays are made
    missing = [None] * (len(blocks) - len(done.facts))
    yield Result(_join(blocks, done.packed, [*done.facts, *missing]))


def _join(blocks: Blocks, packed: Sequence[Packed], facts: Sequence[Facts | None]) -> dict[str, Array]:
    """Put the blocks of an image in memory together, with ids 1 to n."""
    evidence = []
    for number in range(len(packed)):
        first = packed[number].labels()
        evidence += [
            compare(first, packed[later].labels(), blocks, number, later)
            for later in blocks.later_neighbours(number)
            if later < len(packed)
        ]
    resolution = resolve(facts, evidence)
    labels = np.zeros(blocks.shape, np.int32)
    for core in blocks.cores:
        labels[core] = compose(core, blocks, lambda number: packed[number].labels(), facts, resolution)
    there = np.zeros(resolution.count + 1, bool)
    for row in labels:  # one after the other, so that no second image is needed
        there[row] = True
    there[0] = False
    numbers = (np.cumsum(there) * there).astype(np.int32)
    for row in labels:
        row[...] = numbers[row]
    return {"labels": labels, **rows(facts, resolution.row_of[there[1:]])}


def rows(facts: Sequence[Facts | None], row_of: npt.NDArray[np.int64]) -> dict[str, Array]:
    """Collect the rows of values of objects, given the block and the object that each is taken from."""
    known = [one for one in facts if one is not None]
    if not known:
        return {}
    columns = {}
    for name, like in known[0].values.items():
        column = np.empty((len(row_of), *like.shape[1:]), like.dtype)
        for number in np.unique(row_of[:, 0]).tolist():
            of = row_of[:, 0] == number
            one = facts[number]
            assert one is not None
            column[of] = one.values[name][row_of[of, 1] - 1]
        columns[name] = column
    return columns


def expand(window: Sequence[slice], shape: Sequence[int], halo: int, stride: int) -> tuple[slice, ...]:
    """Widen a window by the halo, to a start that is a multiple of the stride, as far as the image goes.

    What a network says inside `window` when it reads the widened one is what it says when it reads the whole image.
    """
    return tuple(
        slice(max(0, part.start - halo) // stride * stride, min(length, round_up(part.stop + halo, stride)))
        for part, length in zip(window, shape, strict=True)
    )


@dataclass(frozen=True)
class Packed:
    """A label image, compressed."""

    shape: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, labels: Array) -> Packed:
        """Compress a label image of ids that fit into int32."""
        plain = np.ascontiguousarray(labels, dtype="<i4")
        return cls(plain.shape, bytes(imagecodecs.zstd_encode(plain.tobytes(), level=1)))

    def labels(self) -> npt.NDArray[np.int32]:
        """Return the label image."""
        plain = np.frombuffer(imagecodecs.zstd_decode(self.content), "<i4")
        return plain.astype(np.int32, copy=False).reshape(self.shape)


def look(found: Mapping[str, Array], blocks: Blocks, number: int) -> Facts:
    """Say what a block sees of its objects.

    Parameters
    ----------
    found : mapping
        ``labels`` (int, 1 to n) of the block's window, and arrays with a row per object; None is left out.
    blocks : Blocks
    number : int
        Of the block.
    """
    labels, window, core = found["labels"], blocks.windows[number], blocks.cores[number]
    size = np.bincount(labels.ravel(), minlength=1)
    core_size = np.bincount(labels[_within(core, window)].ravel(), minlength=len(size))
    cut = np.zeros(len(size), bool)
    for axis, (part, length) in enumerate(zip(window, blocks.shape, strict=True)):
        if part.start > 0:
            cut[np.unique(labels.take(0, axis))] = True
        if part.stop < length:
            cut[np.unique(labels.take(-1, axis))] = True
    values = {name: array for name, array in found.items() if name != "labels" and array is not None}
    return Facts(size[1:], core_size[1:], cut[1:], values)


def compare(first_labels: Array, second_labels: Array, blocks: Blocks, first: int, second: int) -> Evidence:
    """Compare what two blocks with overlapping windows see, `first` before `second` in raster order."""
    windows, cores = blocks.windows, blocks.cores
    box = _common(windows[first], windows[second])
    if box is None:
        raise ValueError(f"blocks {first} and {second} see nothing in common")
    a, b = first_labels[_within(box, windows[first])], second_labels[_within(box, windows[second])]
    width = int(b.max(initial=0)) + 1

    def count(part: Window | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if part is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        of_a, of_b = a[_within(part, box)], b[_within(part, box)]
        both = (of_a != 0) & (of_b != 0)
        keys, counts = np.unique(of_a[both].astype(np.int64) * width + of_b[both], return_counts=True)
        return keys, counts.astype(np.int64)

    keys, common = count(box)
    core_keys, core_counts = count(_common(cores[first], box))
    in_core = np.zeros(len(keys), np.int64)
    in_core[np.searchsorted(keys, core_keys)] = core_counts
    halves = [_halfway(windows[number], cores[number]) for number in (first, second)]
    middle = np.isin(keys, count(_common(*halves))[0])
    of_a, of_b = keys // width, keys % width
    a_size, b_size = np.bincount(a.ravel(), minlength=1), np.bincount(b.ravel(), minlength=1)
    return Evidence(first, second, of_a, of_b, common, in_core, a_size[of_a], b_size[of_b], middle)


def resolve(facts: Sequence[Facts | None], evidence: Iterable[Evidence]) -> Resolution:
    """Decide which objects are kept and which are one; the order of the evidence does not matter.

    Parameters
    ----------
    facts : sequence of Facts or None
        Of all blocks; None for one that is missing, whose objects are not known.
    evidence : iterable of Evidence
        Of all pairs of blocks with overlapping windows.
    """
    counts = [0 if one is None else len(one.size) for one in facts]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    state = _State(facts, int(starts[-1]))
    by_second: dict[int, list[Evidence]] = {}
    for one in sorted(evidence, key=lambda one: (one.second, one.first)):
        by_second.setdefault(one.second, []).append(one)
    for number, count in enumerate(counts):
        if count:
            state.decide(int(starts[number]), count, by_second.get(number, []), starts)
            state.join_pieces(int(starts[number]), by_second.get(number, []), starts)
    return state.finish(starts)


class _State:
    """Decisions so far; objects of all blocks are numbered from 0 in raster order of their blocks."""

    def __init__(self, facts: Sequence[Facts | None], total: int) -> None:
        known = [one for one in facts if one is not None]

        def joined(name: str, dtype: npt.DTypeLike) -> Array:
            return np.concatenate([getattr(one, name) for one in known] or [np.zeros(0)]).astype(dtype)

        self.size: Array = joined("size", np.int64)
        self.core_size: Array = joined("core_size", np.int64)
        self.cut: Array = joined("cut", bool)
        self.kept = np.zeros(total, bool)
        self.parent = np.arange(total)
        self.group_size = self.core_size.copy()
        """Of the root of pieces that were joined: pixels of all of them in their cores."""

    def decide(self, start: int, count: int, evidence: Sequence[Evidence], starts: Array) -> None:
        """Keep or drop each object of a block, from what earlier blocks see in its place."""
        pairs: dict[int, list[tuple[int, int, int]]] = {}
        for one in evidence:
            firsts, seconds = starts[one.first] + one.a - 1, start + one.b - 1
            kept = self.kept[firsts]
            for a, b, common, in_core in zip(
                firsts[kept].tolist(),
                seconds[kept].tolist(),
                one.common[kept].tolist(),
                one.in_core[kept].tolist(),
                strict=True,
            ):
                pairs.setdefault(b, []).append((a, common, in_core))
        self.kept[start : start + count] = self.core_size[start : start + count] > 0
        for found in sorted(pairs):
            if self.kept[found]:
                self.kept[found] = self._keeps(found, pairs[found])

    def _keeps(self, found: int, pairs: Sequence[tuple[int, int, int]]) -> bool:
        pixels, whole = int(self.size[found]), 0
        pieces: dict[int, int] = {}
        for a, common, in_core in pairs:
            root = self.root(a)
            if not self.cut[a]:
                whole += common
            elif self.cut[root]:  # else it became a part of one that is whole
                pieces[root] = pieces.get(root, 0) + in_core
        if whole > SAME * pixels:
            return False  # an earlier block saw this whole
        if self.cut[found]:
            return True
        inside = [root for root, n in pieces.items() if n > SAME * self.group_size[root]]
        if any(n > SAME * pixels for root, n in pieces.items() if root not in inside):
            return False  # earlier blocks saw this as part of something larger
        for root in inside:
            self.parent[root] = found
        return True

    def join_pieces(self, start: int, evidence: Sequence[Evidence], starts: Array) -> None:
        """Join the cut objects of a block with what earlier blocks saw of them."""
        for one in evidence:
            firsts, seconds = starts[one.first] + one.a - 1, start + one.b - 1
            same = one.middle & (one.common > SAME * np.minimum(one.a_size, one.b_size))
            same &= self.kept[firsts] & self.kept[seconds] & self.cut[firsts] & self.cut[seconds]
            for a, b in zip(firsts[same].tolist(), seconds[same].tolist(), strict=True):
                old, new = self.root(a), self.root(b)
                if old != new and self.cut[old]:
                    self.parent[old] = new
                    self.group_size[new] += self.group_size[old]

    def root(self, number: int) -> int:
        """Find the object that it was joined to at last."""
        while (parent := int(self.parent[number])) != number:
            self.parent[number] = number = int(self.parent[parent])
        return number

    def finish(self, starts: Array) -> Resolution:
        roots = self.parent
        while not np.array_equal(roots, further := roots[roots]):
            roots = further
        # a piece that lies in one that was seen whole later is not painted: the whole one is
        painted = self.kept & (self.cut[roots] | ~self.cut)
        first = np.full(len(roots), len(roots))
        np.minimum.at(first, roots[painted], np.flatnonzero(painted))
        with_object = np.flatnonzero(first < len(roots))
        order = with_object[np.argsort(first[with_object], kind="stable")]
        numbers = np.zeros(len(roots), np.int64)
        numbers[order] = np.arange(1, len(order) + 1)
        ids = np.where(painted, numbers[roots], 0) if len(roots) else np.zeros(0, np.int64)
        # the largest part of each, the first one of equals
        parts = np.flatnonzero(ids)
        parts = parts[np.lexsort((parts, -self.size[parts], ids[parts]))]
        largest = parts[np.unique(ids[parts], return_index=True)[1]]
        block = np.searchsorted(starts, largest, side="right") - 1
        row_of = np.stack([block, largest - starts[block] + 1], axis=1).astype(np.int64)
        per_block = [np.concatenate([[0], ids[a:b]]).astype(np.int64) for a, b in pairwise(starts)]
        return Resolution(per_block, len(order), row_of)


def compose(
    region: Window,
    blocks: Blocks,
    labels_of: Callable[[int], Array],
    facts: Sequence[Facts | None],
    resolution: Resolution,
) -> npt.NDArray[np.int64]:
    """Paint a region of the image: what is seen whole wherever it lies, what is cut in its block's core.

    Parameters
    ----------
    region : tuple of slice
        Any part of the image.
    blocks : Blocks
    labels_of : callable
        Gives the labels of a block's window by its number.
    facts : sequence of Facts or None
    resolution : Resolution

    Returns
    -------
    int64 array of the region's shape
        Ids in the whole image.
    """
    painted = np.zeros(tuple(part.stop - part.start for part in region), np.int64)
    for number in blocks.meeting(region):
        known, window, core = facts[number], blocks.windows[number], blocks.cores[number]
        box = _common(window, region)
        if known is None or box is None or not resolution.ids[number].any():
            continue
        local = labels_of(number)[_within(box, window)]
        into = painted[_within(box, region)]
        whole = resolution.ids[number] * np.concatenate([[True], ~known.cut])
        np.copyto(into, whole[local], where=into == 0)
        inner = _common(core, box)
        if inner is not None:
            own = into[_within(inner, box)]
            np.copyto(own, resolution.ids[number][local[_within(inner, box)]], where=own == 0)
    return painted


def regions(shape: Sequence[int], side: Sequence[int]) -> list[Window]:
    """Cut an image into regions of one size, without overlap; those at its ends may be smaller."""
    starts = [range(0, length, size) for length, size in zip(shape, side, strict=True)]
    return [
        tuple(slice(a, min(a + size, length)) for a, size, length in zip(corner, side, shape, strict=True))
        for corner in product(*starts)
    ]


def _within(part: Window, window: Window) -> Window:
    """Return the place of a part in the coordinates of the window that holds it."""
    return tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))


def _halfway(window: Window, core: Window) -> Window:
    """Return the core with half of its margins: nearer to the window's edge, cut objects may be seen wrongly."""
    return tuple(slice((w.start + c.start) // 2, (w.stop + c.stop + 1) // 2) for w, c in zip(window, core, strict=True))


def _common(first: Window, second: Window) -> Window | None:
    both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return both if all(part.start < part.stop for part in both) else None
