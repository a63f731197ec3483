"""Running a network over an image in tiles: the result is that of the whole image at once, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt

from napari_instseg.core.events import Event, Message, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.core.rows import place_rows, rows_within

Run = Callable[[Array, tuple[int, ...]], Mapping[str, Array]]
"""``run(window, offset) -> outputs``: what a network says, float arrays (C, *S), of a window (C, *S) of float32.

Arrays (N, K) are detections, see `napari_instseg.core.rows`; their boxes count from the window's first pixel.

`offset` is the position of the window's first pixel in the whole image."""


TILE = 2576
"""Default side of the window that the network sees at once, in pixels: a block with its surroundings is one."""


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels: the network reads [start, stop), of which [core_start, core_stop) is kept."""

    start: int
    stop: int
    core_start: int
    core_stop: int

    @property
    def window(self) -> slice:
        """What is read."""
        return slice(self.start, self.stop)

    @property
    def core(self) -> slice:
        """What is kept."""
        return slice(self.core_start, self.core_stop)

    @property
    def inner(self) -> slice:
        """Where the core lies within the window."""
        return slice(self.core_start - self.start, self.core_stop - self.start)


@dataclass
class DoneTiles:
    """What a network has said of the tiles of an image, so that a run that was stopped can go on with the others.

    Parameters
    ----------
    outputs : dict of str to array (C, *S)
        See `Run`; 0 where nothing was said yet.
    cores : list of tuple of slice
        The parts that are done, in raster order.
    size : tuple of int
        Of a tile, in pixels.
    total : int
        The number of tiles, 0 before the first.
    """

    outputs: dict[str, Array] = field(default_factory=dict)
    cores: list[tuple[slice, ...]] = field(default_factory=list)
    size: tuple[int, ...] = ()
    total: int = 0

    def begin(self, size: Sequence[int], total: int) -> None:
        """Go on, or forget all where the tiles are of another size."""
        if self.size != tuple(size) or self.total != total:
            self.outputs, self.cores = {}, []
            self.size, self.total = tuple(size), total


def round_up(value: int, multiple: int) -> int:
    """Return the next multiple, at or above the value."""
    return -(-value // multiple) * multiple


def split_axis(length: int, size: int, halo: int, stride: int = 1) -> tuple[Span, ...]:
    """Cover an axis with overlapping windows of one size, as few as can be.

    The cores partition [0, length). Each window starts at a multiple of `stride` and reaches at least `halo` beyond
    its core, except at the ends of the axis. The last window may reach beyond `length`, by less than `stride`. They are
    no longer than their number needs: an axis a little longer than one of them is not read twice.

    Parameters
    ----------
    length, size, halo, stride : int
        Length of the axis and most of a window, context around a core, and what a window's start and size are multiples
        of, in pixels. `size` and `halo` are rounded up to multiples, `size` to hold at least one stride of core.

    Returns
    -------
    tuple of Span
        Of equal window sizes, in order.
    """
    padded, halo = round_up(length, stride), round_up(halo, stride)
    size = max(round_up(size, stride), 2 * halo + stride)
    if padded <= size:
        return (Span(0, padded, 0, length),)
    count = math.ceil((padded - 2 * halo) / (size - 2 * halo))
    size = round_up(math.ceil((padded - 2 * halo) / count), stride) + 2 * halo
    steps = (padded - size) // stride
    starts = [stride * (i * steps // (count - 1)) for i in range(count)]
    cuts = [(left + size + right) // 2 for left, right in pairwise(starts)]
    edges = [0, *cuts, length]
    return tuple(Span(start, start + size, *core) for start, core in zip(starts, pairwise(edges), strict=True))


def split_grid(shape: Sequence[int], size: Sequence[int], halo: int, stride: int = 1) -> Iterator[tuple[Span, ...]]:
    """Cover an image with tiles: the product over its axes of `split_axis`, in raster order."""
    return product(*(split_axis(length, side, halo, stride) for length, side in zip(shape, size, strict=True)))


def read_window(image: Array, window: Sequence[slice]) -> npt.NDArray[np.float32]:
    """Read a window (C, *S) of an image (C, *S); what lies beyond the image's end is its mirror image."""
    inside = image[(slice(None), *window)]
    beyond = [(0, max(0, part.stop - length)) for part, length in zip(window, image.shape[1:], strict=True)]
    if any(after for _, after in beyond):
        inside = np.pad(inside, [(0, 0), *beyond], mode="reflect")
    return np.ascontiguousarray(inside, dtype=np.float32)


def predict_tiles(
    run: Run,
    image: Array,
    *,
    tile: int | Sequence[int],
    halo: int,
    stride: int,
    dtype: npt.DTypeLike = np.float32,
    offset: Sequence[int] | None = None,
    release: Callable[[], None] = lambda: None,
    done: DoneTiles | None = None,
    only_done: bool = False,
) -> Iterator[Event]:
    """Run a network over an image, tile by tile; a tile that does not fit into memory is halved and tried again.

    Parameters
    ----------
    run : callable
        ``run(window, offset) -> outputs``, see `Run`.
    image : array (C, *S)
        Any real type; each tile is converted by itself, so a large image may stay in 8 or 16 bits.
    tile : int or one int per axis
        Side of the window that the network sees, in pixels; at least ``2 * halo + stride`` is used.
    halo : int
        How far the network looks around a pixel, in pixels.
    stride : int
        What the sides and the position of a window must be multiples of, in pixels.
    dtype : dtype
        Of the outputs, such as float16.
    offset : sequence of int, optional
        Position of the image's first pixel in a larger one, a multiple of `stride`.
    release : callable
        Called after an out-of-memory error, to give cached memory back.
    done : DoneTiles, optional
        What is done already of this image, with this network; tiles are added to it.
    only_done : bool
        Do no more tiles: what is not done is 0.

    Yields
    ------
    Progress
        After every tile.
    Message
        When the tile had to be made smaller.
    Result
        At last: a dict of arrays (C', *S).

    Raises
    ------
    Exception
        What `run` raised; running out of memory only when the tile cannot be made smaller.
    """
    shape = image.shape[1:]
    origin = tuple(offset) if offset is not None else (0,) * len(shape)
    smallest = 2 * round_up(halo, stride) + stride
    wanted = tuple(int(side) for side in np.broadcast_to(np.asarray(tile), len(shape)))
    size = [
        min(max(round_up(side, stride), smallest), round_up(n, stride)) for side, n in zip(wanted, shape, strict=True)
    ]
    done = done if done is not None else DoneTiles()
    if done.cores:
        size = list(done.size)
    while True:
        try:
            yield from _predict(run, image, size, halo, stride, np.dtype(dtype), origin, done, only_done)
            return
        except Exception as error:
            if not is_out_of_memory(error) or all(side <= smallest for side in size):
                raise
        # outside the except clause, where the error's traceback no longer holds the tensors
        release()
        size = [min(side, max(round_up(side // 2, stride), smallest)) for side in size]
        yield Message(f"Not enough memory for a tile; trying tiles of {' x '.join(map(str, size))} pixels.")


def _predict(
    run: Run,
    image: Array,
    size: Sequence[int],
    halo: int,
    stride: int,
    dtype: np.dtype,
    origin: tuple[int, ...],
    done: DoneTiles,
    only_done: bool,
) -> Iterator[Event]:
    shape = image.shape[1:]
    tiles = list(split_grid(shape, size, halo, stride))
    done.begin(size, len(tiles))
    outputs = done.outputs
    for tile in [] if only_done else tiles[len(done.cores) :]:
        place = tuple(start + span.start for start, span in zip(origin, tile, strict=True))
        said = run(read_window(image, [span.window for span in tile]), place)
        for name, array in said.items():
            if array.ndim == 2:
                rows = rows_within(array, [span.inner for span in tile])
                rows = place_rows(rows, [span.start for span in tile])
                outputs[name] = np.concatenate([outputs[name], rows]) if name in outputs else rows
                continue
            if name not in outputs:
                outputs[name] = np.zeros((array.shape[0], *shape), dtype)
            outputs[name][(slice(None), *(span.core for span in tile))] = array[
                (slice(None), *(span.inner for span in tile))
            ]
        done.cores.append(tuple(span.core for span in tile))
        yield Progress(len(done.cores), len(tiles), "tiles")
    yield Result(outputs)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out: Python's, NumPy's, or torch's on CUDA, MPS or the CPU."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in words for sign in ("out of memory", "not enough memory", "can't allocate memory")
    )
