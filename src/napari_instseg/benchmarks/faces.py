"""Joining blocks by their faces, as Cellpose's distributed run is described, beside the joining of this program.

Neighbouring blocks are segmented with an overlap, cut back to their cores, and numbered. Where two cores meet, labels
that touch across the face are one object; before, each label is made thinner by a pixel in the face, so that what
merely grazes another is not joined. (Cellpose's documentation of `cellpose.contrib.distributed_segmentation`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_instseg.core.events import Event, Result
from napari_instseg.inference.stitch import Blocks, segment_blocks

Labels = npt.NDArray[Any]
THIN = 1.0
"""Pixels within this distance of a label's border, in the face, do not count."""


RIGHT = 0.9
"""The decoder is exact, so what is not nearly the same was joined wrongly."""


@dataclass(frozen=True)
class AtFaces:
    """What became of the objects that lie across the faces of blocks.

    Attributes
    ----------
    across : int
        True objects that reach into more than one core, or touch another one's core.
    ours, by_faces : int
        How many of them are not found as one object: none has an IoU with it of `RIGHT` or more.
    """

    across: int
    ours: int
    by_faces: int


def compare_at_faces(truth: Labels, blocks: Blocks) -> AtFaces:
    """Cut a scene whose objects are known into blocks, find each block's objects exactly, and join them both ways.

    Parameters
    ----------
    truth : int array
    blocks : Blocks
        Of the scene.
    """
    parts = [_pieces(truth[window]) for window in blocks.windows]
    ours: Labels = np.zeros(0)
    for event in segment_blocks(blocks, _decoded(blocks, parts)):
        if isinstance(event, Result):
            ours = event.value["labels"]
    across = _across(truth, blocks)
    return AtFaces(len(across), _missed(truth, ours, across), _missed(truth, join_by_faces(blocks, parts), across))


def _decoded(blocks: Blocks, parts: Sequence[Labels]) -> Callable[[tuple[slice, ...]], Iterator[Event]]:
    by_window = dict(zip(map(str, blocks.windows), parts, strict=True))

    def decode(window: tuple[slice, ...]) -> Iterator[Event]:
        yield Result({"labels": by_window[str(window)]})

    return decode


def _pieces(part: Labels) -> Labels:
    """Number the objects of a window from 1."""
    ids, local = np.unique(part, return_inverse=True)
    numbered: Labels = (local.reshape(part.shape) + (ids[0] != 0)).astype(np.int32)
    return numbered


def join_by_faces(blocks: Blocks, parts: Sequence[Labels]) -> Labels:
    """Join the labels of blocks by what touches across their faces.

    Parameters
    ----------
    blocks : Blocks
    parts : sequence of int array
        Labels of each block's window, from 1.
    """
    joined = np.zeros(blocks.shape, np.int64)
    start = 0
    for window, core, part in zip(blocks.windows, blocks.cores, parts, strict=True):
        inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, window, strict=True))
        own = part[inner]
        joined[core] = np.where(own > 0, own + start, 0)
        start += int(part.max(initial=0))
    pairs = []
    for axis in range(joined.ndim):
        for cut in sorted({core[axis].start for core in blocks.cores} - {0}):
            before, after = _thin(joined.take(cut - 1, axis)), _thin(joined.take(cut, axis))
            both = (before > 0) & (after > 0)
            pairs.append(np.stack([before[both], after[both]]))
    a, b = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int64)
    graph = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(start + 1, start + 1))
    _, group = connected_components(graph, directed=False)
    return np.where(joined > 0, group[joined] + 1, 0)


def _thin(face: Labels) -> Labels:
    border = np.zeros(face.shape, bool)
    for axis in range(face.ndim):
        step = np.diff(face, axis=axis) != 0
        border |= np.pad(step, [(int(a == axis), 0) for a in range(face.ndim)])
        border |= np.pad(step, [(0, int(a == axis)) for a in range(face.ndim)])
    inner = face.copy()
    inner[ndimage.distance_transform_edt(~border) < THIN] = 0
    return inner


def _across(truth: Labels, blocks: Blocks) -> npt.NDArray[np.int64]:
    """Return the objects that touch a face of a core."""
    found = [np.zeros(0, np.int64)]
    for axis in range(truth.ndim):
        for cut in {core[axis].start for core in blocks.cores} - {0}:
            found += [np.unique(truth.take(at, axis)) for at in (cut - 1, cut)]
    ids = np.unique(np.concatenate(found))
    return ids[ids > 0].astype(np.int64)


def _missed(truth: Labels, found: Labels, whose: npt.NDArray[np.int64]) -> int:
    width = int(found.max(initial=0)) + 1
    keys, common = np.unique(truth.astype(np.int64) * width + found, return_counts=True)
    of_truth, of_found = keys // width, keys % width
    size, found_size = np.bincount(truth.ravel()), np.bincount(found.ravel())
    iou = np.where(of_found > 0, common / (size[of_truth] + found_size[of_found] - common), 0)
    return len(np.setdiff1d(whose, of_truth[iou >= RIGHT]))
