"""How often one click gives the right object, or two clicks the right two, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, InstsegError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.editing.change import Box, Labels, Mask, Point, box_of
from napari_instseg.editing.grow import THRESHOLD, grow, grow_region
from napari_instseg.editing.likeness import Clues, clues_in
from napari_instseg.editing.split import split

RIGHT = 0.7
"""IoU with the true object from which on an edit was right."""
WHEEL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds that a user may turn the wheel to."""
SMALLEST = 30
"""Smaller true objects are not clicked on, in pixels."""
DEPTH = 0.5
"""Clicks lie at least this deep in an object, as a share of its deepest pixel's distance to the outline."""
TIMED_SIDE = 1024
"""Edits are timed in an image of at least this side, made of copies of the prediction."""


@dataclass(frozen=True)
class EditRow:
    """One way to edit, with one model.

    Parameters
    ----------
    model, what : str
    tries : int
        Clicks, or pairs of clicks.
    right : float
        Share of them with an IoU above `RIGHT`; of a split, of both parts.
    median, p95 : float
        Seconds of an edit in an image of `TIMED_SIDE`; NaN where there is none.
    """

    model: str
    what: str
    tries: int
    right: float
    median: float
    p95: float

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        return asdict(self)


@dataclass
class _Tally:
    right: list[bool]
    seconds: list[float]

    def row(self, model: str, what: str) -> EditRow:
        times = self.seconds or [float("nan")]
        share = float(np.mean(self.right)) if self.right else float("nan")
        return EditRow(model, what, len(self.right), share, float(np.median(times)), float(np.quantile(times, 0.95)))


GROWN, WHEELED, DECODED = "grow, one click", "grow, the best of the wheel", "decoded object under the click"
SPLIT, SPLIT_BY_DISTANCE = "split, two clicks", "split by distance alone"


def benchmark_edits(
    models: Sequence[str], folder: Path, *, clicks: int = 8, images: int | None = None, seed: int = 0
) -> Iterator[Event]:
    """Click on true objects of annotated images, and on pairs of touching ones, and compare.

    Parameters
    ----------
    models : sequence of str
        Names of shipped models, or folders.
    folder : Path
        ``images/`` and ``labels/``, see `napari_instseg.io.pairs`; where there is a ``val.txt``, those it names.
    clicks : int
        Objects clicked on in each image, at random; and as many pairs.
    images : int, optional
        Most images.
    seed : int
        The same seed gives the same clicks.

    Yields
    ------
    Progress
        In images.
    Result
        The rows, at last.

    Raises
    ------
    InputError
        If there are no such images.
    """
    from napari_instseg.inference.model import load_model
    from napari_instseg.io.pairs import open_pairs

    names = set((folder / "val.txt").read_text().split()) if (folder / "val.txt").is_file() else None
    pairs = [pair for pair in open_pairs(folder) if names is None or pair.name in names][:images]
    if not pairs:
        raise InputError(f"There are no annotated images in {folder} that val.txt names.")
    rows: list[EditRow] = []
    for number, name in enumerate(models):
        model = load_model(name)
        tallies = {what: _Tally([], []) for what in (DECODED, GROWN, WHEELED, SPLIT_BY_DISTANCE, SPLIT)}
        rng = np.random.default_rng(seed)
        for done, pair in enumerate(pairs):
            yield Progress(number * len(pairs) + done, len(models) * len(pairs), "images")
            example = pair.read()
            prediction = model.predict(example.image, axes=example.axes)
            clues = clues_in(prediction.outputs, getattr(prediction.parameters(), "bandwidth", None))
            _try_growing(tallies, clues, prediction.decode().labels, example.labels, rng, clicks)
            _try_splitting(tallies, clues, example.labels, rng, clicks)
        rows += [tally.row(name, what) for what, tally in tallies.items()]
    yield Result(tuple(rows))


def _try_growing(
    tallies: dict[str, _Tally], clues: Clues, decoded: Labels, truth: Labels, rng: np.random.Generator, clicks: int
) -> None:
    wide = _widened(clues)
    blank = np.zeros(wide.shape, np.int32)
    for label in rng.permutation(_large(truth))[:clicks]:
        own = truth == label
        point = click_in(own, rng)
        under = decoded[point]
        tallies[DECODED].right.append(bool(under) and iou(decoded == under, own) > RIGHT)
        found = {threshold: _grown(clues, point, threshold) for threshold in WHEEL}
        scores = {threshold: iou_in_box(*region, own) if region else 0.0 for threshold, region in found.items()}
        tallies[GROWN].right.append(scores[THRESHOLD] > RIGHT)
        tallies[WHEELED].right.append(max(scores.values()) > RIGHT)
        if found[THRESHOLD] is not None:
            start = time.perf_counter()
            with suppress(InstsegError):  # beside a copy, what is around a click at the border is another
                grow(blank, wide, point, 1)
            tallies[GROWN].seconds.append(time.perf_counter() - start)


def _try_splitting(
    tallies: dict[str, _Tally], clues: Clues, truth: Labels, rng: np.random.Generator, clicks: int
) -> None:
    wide = _widened(clues)
    for joined, first, second in touching(truth, rng, clicks):
        points = [click_in(first, rng), click_in(second, rng)]
        labels = joined.astype(np.int32)
        for what, used in ((SPLIT, clues), (SPLIT_BY_DISTANCE, None)):
            after = split(labels, points, count(2), used).apply(labels)
            parts = [after == after[point] for point in points]
            tallies[what].right.append(min(iou(parts[0], first), iou(parts[1], second)) > RIGHT)
        large = np.zeros(wide.shape, np.int32)
        large[tuple(slice(0, length) for length in labels.shape)] = labels
        start = time.perf_counter()
        split(large, points, count(2), wide)
        tallies[SPLIT].seconds.append(time.perf_counter() - start)


def click_in(own: Mask, rng: np.random.Generator) -> Point:
    """Return a pixel of an object, at random among those that are not near its outline."""
    from scipy import ndimage

    box = box_of(own)
    depth = ndimage.distance_transform_edt(np.pad(own[box], 1))[tuple(slice(1, -1) for _ in box)]
    deep = np.argwhere(depth >= DEPTH * depth.max())
    return tuple(int(at + part.start) for at, part in zip(deep[rng.integers(len(deep))], box, strict=True))


def touching(truth: Labels, rng: np.random.Generator, most: int) -> Iterator[tuple[Mask, Mask, Mask]]:
    """Return pairs of true objects that touch, or nearly so, as a network may join them: both as one, and each."""
    from scipy import ndimage

    neighbours = set()
    for axis in range(truth.ndim):
        first, second = (
            np.take(truth, range(truth.shape[axis] - 2), axis),
            np.take(truth, range(2, truth.shape[axis]), axis),
        )
        meet = (first != second) & (first > 0) & (second > 0)
        neighbours |= {(min(pair), max(pair)) for pair in zip(first[meet].tolist(), second[meet].tolist(), strict=True)}
    large = set(_large(truth).tolist())
    pairs = sorted(pair for pair in neighbours if set(pair) <= large)
    for at in rng.permutation(len(pairs))[:most]:
        first, second = truth == pairs[at][0], truth == pairs[at][1]
        closed = ndimage.binary_closing(first | second, np.ones((3,) * truth.ndim))
        joined = (closed & (truth == 0)) | first | second
        if ndimage.label(joined)[1] == 1:
            yield joined, first, second


def iou(first: Mask, second: Mask) -> float:
    """Return the intersection over the union of two masks."""
    return int(np.count_nonzero(first & second)) / max(int(np.count_nonzero(first | second)), 1)


def iou_in_box(box: Box, inside: Mask, own: Mask) -> float:
    """Return the IoU of a region, given in a box, with a mask of the image."""
    both = int(np.count_nonzero(inside & own[box]))
    return both / max(int(np.count_nonzero(inside)) + int(np.count_nonzero(own)) - both, 1)


def _grown(clues: Clues, point: Point, threshold: float) -> tuple[Box, Mask] | None:
    try:
        return grow_region(clues, point, threshold)
    except InstsegError:
        return None


def _large(truth: Labels) -> npt.NDArray[np.intp]:
    sizes = np.bincount(np.maximum(truth, 0).ravel())
    sizes[0] = 0
    return np.flatnonzero(sizes >= SMALLEST)


def _widened(clues: Clues) -> Clues:
    """Repeat a prediction to the side that edits are timed in."""
    times = tuple(-(-TIMED_SIDE // length) for length in clues.shape[-2:])
    lead = (1,) * (len(clues.shape) - 2)
    foreground = None if clues.foreground is None else np.tile(clues.foreground, (*lead, *times))
    return Clues(np.tile(clues.features, (1, *lead, *times)), foreground, clues.scale)
