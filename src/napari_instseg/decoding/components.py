"""From a map of groups (colours, clusters) to objects: connected pieces, and what becomes of the small ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.compiled import njit
from napari_instseg.decoding.parallel import in_bands
from napari_instseg.decoding.regions import Regions, measure_regions
from napari_instseg.decoding.runs import Runs, connect_runs, find_runs, paint_runs, runs_with_cores, touching_runs

IntArray = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of a map of groups.

    Parameters
    ----------
    runs : Runs
        Of the map of groups.
    piece : int32 array (runs,)
        The piece that each run is of, 1 to n.
    group : int array (n + 1,)
        The group that each piece is of, 0 for the background.
    size : int array (n + 1,)
        Pixels of each piece, 0 for the background.
    """

    runs: Runs
    piece: IntArray
    group: Counts
    size: Counts

    @property
    def n(self) -> int:
        """Number of pieces."""
        return len(self.group) - 1

    @cached_property
    def map(self) -> IntArray:
        """The pieces as an image: 0 background, pieces 1 to n; (Y, X) or (Z, Y, X)."""
        return paint_runs(self.runs, self.piece)

    @cached_property
    def regions(self) -> Regions:
        """Sizes, centroids and boxes of the pieces."""
        return measure_regions(self.map, self.n)

    @cached_property
    def contacts(self) -> tuple[Counts, Counts, Counts]:
        """Pairs of pieces that share pixel faces: lower id, higher id, and the number of faces."""
        pairs: tuple[Counts, Counts, Counts] = _sum_by_pair(*touching_runs(self.runs, self.piece), self.n)
        return pairs

    @cached_property
    def seams(self) -> npt.NDArray[np.bool_]:
        """Pieces that only lie between others, (n + 1,): touching them by half as many faces as pixels, without a core.

        A pixel is in the core if all its face neighbours are of the piece. Where outputs of touching objects run into
        each other, such pieces come up, a pixel or two thick, however long.
        """
        lower, higher, faces = self.contacts
        touching = np.bincount(np.concatenate([lower, higher]), np.concatenate([faces, faces]), self.n + 1)
        seam: npt.NDArray[np.bool_] = (2 * touching >= self.size) & ~runs_with_cores(self.runs, self.piece, self.n)
        return seam

    @property
    def nbytes(self) -> int:
        """Memory taken, in bytes."""
        # with what is worked out when it is asked for
        return int(self.runs.nbytes + 2 * self.piece.nbytes + 40 * self.group.nbytes)


def connected_pieces(groups: npt.NDArray[Any]) -> Pieces:
    """Find the connected pieces of each group; diagonal neighbours are connected.

    Parameters
    ----------
    groups : unsigned or int32 array (Y, X) or (Z, Y, X)
        0 background; pixels of one value are of one group.
    """
    runs = find_runs(groups)
    piece, n = connect_runs(runs)
    return Pieces(runs, piece, *_survey(runs.start, runs.stop, runs.value, piece, n))


def whole_groups(groups: IntArray, n: int) -> Pieces:
    """Take each group 1 to n as one piece, connected or not."""
    runs = find_runs(groups)
    _, size = _survey(runs.start, runs.stop, runs.value, runs.value, n)
    return Pieces(runs, runs.value, np.arange(n + 1), size)


def find_contacts(labels: IntArray) -> tuple[Counts, Counts, Counts]:
    """Count the pixel faces that each pair of touching objects shares.

    Returns
    -------
    lower, higher, faces : int64 arrays, one entry per touching pair
    """
    runs = find_runs(labels)
    pairs: tuple[Counts, Counts, Counts] = _sum_by_pair(*touching_runs(runs, runs.value), int(labels.max(initial=0)))
    return pairs


def keep_and_absorb(pieces: Pieces, min_size: int, absorb: bool) -> tuple[npt.NDArray[np.bool_], Counts]:
    """Decide which pieces are objects, and what becomes of the others.

    Parameters
    ----------
    pieces : Pieces
        All pieces.
    min_size : int
        Smallest object, in pixels.
    absorb : bool
        Smaller pieces, and mere seams between others, join the object that they touch most; otherwise smaller pieces
        become background.

    Returns
    -------
    kept : bool array (n + 1,)
    target : int64 array (n + 1,)
        The kept piece that each piece belongs to, 0 background.
    """
    kept = pieces.size >= max(min_size, 1)
    if not absorb:
        return kept, np.where(kept, np.arange(pieces.n + 1), 0)
    kept &= ~pieces.seams
    return kept, absorb_small(pieces, kept)


def absorb_small(pieces: Pieces, kept: npt.NDArray[np.bool_]) -> Counts:
    """Return every piece the kept piece that it joins: itself, or the one that it shares most faces with.

    A piece that touches no kept one joins through its neighbours; a piece with no such way gets 0.

    Parameters
    ----------
    pieces : Pieces
        All pieces.
    kept : bool array (n + 1,)
        Those that stay.

    Returns
    -------
    int64 array (n + 1,)
    """
    target = np.where(kept, np.arange(pieces.n + 1), 0)
    if not kept[1:].all():
        lower, higher, faces = pieces.contacts
        _absorb(target, lower, higher, faces)
    return target


def label_objects(pieces: Pieces, target: Counts) -> tuple[IntArray, Counts]:
    """Number the objects that the pieces were gathered into.

    Parameters
    ----------
    pieces : Pieces
        All pieces.
    target : int array (n + 1,)
        For each piece, the piece whose object it is in; 0 background.

    Returns
    -------
    labels : int32 array, ids 1 to m
    leader : int64 array (m,)
        The piece that each object was gathered around.
    """
    leader = np.unique(target[target > 0])
    new_id = np.zeros(pieces.n + 1, np.int32)
    new_id[leader] = np.arange(1, len(leader) + 1)
    return paint_runs(pieces.runs, new_id[target][pieces.piece]), leader


def look_up(table: npt.NDArray[np.int32], index: npt.NDArray[Any]) -> IntArray:
    """Return ``table[index]`` for an image of indices, on all cores."""
    flat = np.ascontiguousarray(index).reshape(-1, index.shape[-1])
    out = np.empty(flat.shape, np.int32)
    in_bands(_look_up, len(flat), table, flat, out)
    return out.reshape(index.shape)


def present_ids(labels: IntArray, n: int) -> npt.NDArray[np.bool_]:
    """Tell which of the ids 1 to n a label image holds, (n + 1,); the first, of the background, is never told of."""
    rows = np.ascontiguousarray(labels).reshape(-1, labels.shape[-1])
    present = np.zeros(n + 1, np.bool_)
    # bands may write the same, true, at once
    in_bands(_find_present, len(rows), rows, present)
    present[0] = False
    return present


def renumber(labels: IntArray, n: int) -> tuple[IntArray, Counts]:
    """Number the objects that are left of ids 1 to n from 1 on; give the labels and the former id of each, (m,)."""
    left = np.flatnonzero(present_ids(labels, n))
    new_id = np.zeros(n + 1, np.int32)
    new_id[left] = np.arange(1, len(left) + 1)
    return look_up(new_id, labels), left


@njit(nogil=True, cache=True)
def _find_present(rows, present, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        before = 0
        for x in range(rows.shape[1]):
            if rows[row, x] != before:
                before = rows[row, x]
                present[before] = True


@njit(nogil=True, cache=True)
def _look_up(table, index, out, first, last):  # type: ignore[no-untyped-def]
    for row in range(first, last):
        for x in range(index.shape[1]):
            out[row, x] = table[index[row, x]]


def _survey(start: IntArray, stop: IntArray, value: IntArray, piece: IntArray, n: int) -> tuple[Counts, Counts]:
    """Return each piece's group and number of pixels."""
    group = np.zeros(n + 1, np.int64)
    group[piece] = value
    return group, np.bincount(piece, stop - start, n + 1).astype(np.int64)


@njit(nogil=True, cache=True)
def _sum_by_pair(lower, higher, faces, n):  # type: ignore[no-untyped-def]
    """Bring equal pairs together: a counting sort by the lower id, then a look through the few partners of each."""
    start = np.zeros(n + 2, np.int64)
    for i in range(lower.size):
        start[lower[i] + 1] += 1
    for k in range(n + 1):
        start[k + 1] += start[k]
    end = start[:-1].copy()
    partner, total = np.empty(lower.size, np.int64), np.empty(lower.size, np.int64)
    n_pairs = 0
    for i in range(lower.size):
        low, found = lower[i], False
        for at in range(start[low], end[low]):
            if partner[at] == higher[i]:
                total[at] += faces[i]
                found = True
                break
        if not found:
            partner[end[low]], total[end[low]] = higher[i], faces[i]
            end[low] += 1
            n_pairs += 1
    pairs = np.empty((3, n_pairs), np.int64)
    k = 0
    for low in range(n + 1):
        for at in range(start[low], end[low]):
            pairs[0, k], pairs[1, k], pairs[2, k] = low, partner[at], total[at]
            k += 1
    return pairs[0], pairs[1], pairs[2]


@njit(nogil=True, cache=True)
def _absorb(target, lower, higher, faces):  # type: ignore[no-untyped-def]
    """Grow the kept pieces over their neighbours, one ring of pieces at a time."""
    n = target.size
    most = np.zeros(n, np.int64)
    choice = np.zeros(n, np.int64)
    changed = True
    while changed:
        changed = False
        most[:] = 0
        for i in range(lower.size):
            a, b = lower[i], higher[i]
            if (target[a] > 0) == (target[b] > 0):
                continue
            if target[a] == 0:
                a, b = b, a
            if faces[i] > most[b]:
                most[b] = faces[i]
                choice[b] = target[a]
        for piece in range(1, n):
            if most[piece] > 0:
                target[piece] = choice[piece]
                changed = True
