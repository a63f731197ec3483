"""The corrected objects of one image: which are right, where every object is right, and the history of edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.labels import UNKNOWN
from napari_instseg.core.method import Array
from napari_instseg.editing.change import Change, Labels, Mask, box_of
from napari_instseg.session.edit_history import Box, Edit, EditHistory, Patch
from napari_instseg.session.plane_memory import PlaneMemory
from napari_instseg.session.source import Index

RING = 2
"""Pixels around an accepted object that are known not to be of it; where no object is, they are background."""


class Annotation:
    """What the user said of the objects of one image, or of all slices of a stack.

    All changes go through its methods, in one thread such as the window's; each is a step that can be undone, and
    everything in `changed` is called after it.

    Parameters
    ----------
    labels : int32 array
        (Y, X), (Z, Y, X), or with the axes of a stack in front; 0 background. It is changed in place, so that a
        viewer may show the same array.
    ndim : int
        Number of axes in space, 2 or 3; the axes before are of the stack.

    Attributes
    ----------
    accepted : set of int
        Ids of objects that the user accepted or edited: these are right.
    complete : bool array
        Regions in which every object is right, and all else is background.
    emptied : bool array
        Where the user deleted or erased something, so that it is not found there again.
    changed : list of callable
        Called without arguments after every change, undo and redo.
    saved_as : tuple
        A mark of the file that they were last read from or written to; empty if there is none.
    """

    def __init__(self, labels: Labels, ndim: int = 2) -> None:
        if labels.dtype != np.int32 or ndim not in (2, 3) or labels.ndim < ndim:
            raise InputError(
                f"Expected an int32 label image of {ndim} or more axes; got {labels.dtype} {labels.shape}."
            )
        self.labels = labels
        self.ndim = ndim
        self.accepted: set[int] = set()
        self.complete: Mask = np.zeros(labels.shape, bool)
        self.emptied: Mask = np.zeros(labels.shape, bool)
        self.changed: list[Callable[[], None]] = []
        self.history = EditHistory()
        self.saved_as: tuple[Any, ...] = ()
        self._highest = int(labels.max(initial=0))
        # as they were after the last step: what `painted` compares with, and what is saved
        self._seen = {name: PlaneMemory(array, ndim) for name, array in self._arrays.items()}

    # what is known

    def training_labels(self, index: Index = (), ring: int = RING) -> Labels:
        """Return what is known of the image, as training takes it.

        Parameters
        ----------
        index : tuple of int
            Slice along the axes of the stack; ``()`` gives all.
        ring : int
            Width in pixels of the ring around an accepted object that is known to be background where it holds no
            other object: accepting an outline says that it does not go on there. 0 for none.

        Returns
        -------
        int32 array, of the slice's shape
            Ids of accepted and edited objects, and of all objects inside complete regions (of those that a region
            cuts, the part inside); 0 where it is known that there is no object: in complete regions and in rings;
            -1 where nothing is known. Deleted objects leave the unknown, unless a complete region says more.
        """
        from scipy import ndimage

        labels, complete = self.labels[index], self.complete[index]
        right = self._holds(self.accepted, labels)
        known = right | complete
        if ring > 0 and right.any():
            across = (1,) * (labels.ndim - self.ndim) + (3,) * self.ndim
            around = ndimage.binary_dilation(right, np.ones(across, bool), iterations=ring)
            known |= around & (labels == 0)
        return np.where(known, labels, UNKNOWN).astype(np.int32)

    @property
    def says_something(self) -> bool:
        """Whether anything was accepted, edited, deleted or marked."""
        return bool(self.accepted) or bool(self.complete.any()) or bool(self.emptied.any())

    def new_id(self) -> int:
        """Return an id that no object has, nor had as far as undo can reach."""
        self._highest += 1
        return self._highest

    def new_ids(self) -> Iterator[int]:
        """Yield new ids without end."""
        return iter(self.new_id, None)

    @property
    def highest(self) -> int:
        """The highest id that any object has or had."""
        return self._highest

    def move(self) -> None:
        """Go on in a copy of the label image; the array so far is left to whoever shows it."""
        self.labels = self.labels.copy()

    # edits

    def edit(self, title: str, change: Change, index: Index = ()) -> bool:
        """Make a change of a slice; what it shaped is accepted. Tell whether anything is another now.

        Raises
        ------
        InputError
            If it does not fit into the image.
        """
        box = (*(slice(position, position + 1) for position in index), *change.box)
        view = self.labels[box]
        after = change.labels.reshape(change.labels.shape if view.ndim == change.labels.ndim else view.shape)
        if view.shape != after.shape:
            raise InputError(f"An edit of {after.shape} pixels does not fit into {view.shape}. Nothing was changed.")
        before = view.copy()
        view[...] = after
        return self._settle(title, box, before, set(change.objects))

    def painted(self, title: str, index: Index = ()) -> set[int] | None:
        """Take note of what was changed in `labels` itself, such as by a viewer's brush.

        What got pixels is accepted; so is what lost some to the background and has some left.

        Parameters
        ----------
        title : str
        index : tuple of int
            The slice that was painted in; ``()`` looks at all.

        Returns
        -------
        set of int
            The objects that got or lost pixels so; None if nothing was changed.
        """
        seen = self._seen["labels"]
        boxes = {}
        for plane in seen.within(index):
            different = self.labels[plane] != seen[plane]
            if different.any():
                boxes[plane] = (*(slice(position, position + 1) for position in plane), *box_of(different))
        if not boxes:
            return None
        sides = zip(*boxes.values(), strict=True)
        box = tuple(slice(min(part.start for part in side), max(part.stop for part in side)) for side in sides)
        before, after = seen.read(box), self.labels[box]
        where = before != after
        drawn = set(np.unique(after[where]).tolist())
        erased = set(np.unique(before[where & (after == 0)]).tolist())
        self._settle(title, box, before, drawn | erased)
        return (drawn | erased) - {0}

    def put_back_negative(self, index: Index = ()) -> bool:
        """Undo what was painted with a label below 0, which is no object; tell whether there was any.

        Parameters
        ----------
        index : tuple of int
            The slice that was painted in; ``()`` looks at all.
        """
        seen, found = self._seen["labels"], False
        for plane in seen.within(index):
            negative = self.labels[plane] < 0
            if negative.any():
                self.labels[plane][negative] = seen[plane][negative]
                found = True
        return found

    def accept(self, *ids: int, seen_at: tuple[int, ...] | None = None) -> bool:
        """Say that these objects are right; `seen_at` is a pixel of theirs, where undo shall look."""
        return self._record(Edit("accept", accepted=frozenset(ids) - self.accepted - {0}, seen_at=seen_at))

    def reject(self, *ids: int, seen_at: tuple[int, ...] | None = None) -> bool:
        """Say of these objects that they are not accepted any more."""
        return self._record(Edit("accept no more", rejected=frozenset(ids) & self.accepted, seen_at=seen_at))

    def mark(self, box: Box, inside: Mask, complete: bool = True) -> bool:
        """Say that in a region, given by a mask of a box of `labels`, every object is right, or take that back."""
        before = self.complete[box].copy()
        self.complete[box][inside] = complete
        patch = Patch.between("complete", box, before, self.complete[box])
        title = "mark as complete" if complete else "mark as not complete"
        return self._record(Edit(title, [patch] if patch else []))

    def undo(self) -> Edit | None:
        """Take the last step back; give it, or None if there is none."""
        return self._told(self.history.undo(self._arrays, self.accepted))

    def redo(self) -> Edit | None:
        """Make the step that was undone last again; give it, or None if there is none."""
        return self._told(self.history.redo(self._arrays, self.accepted))

    # decoding again

    def take_decoded(self, decoded: Labels, index: Index = (), window: Box | None = None) -> Labels:
        """Take over newly decoded objects of a slice: what the user said stays, all else is replaced.

        Accepted and edited objects and those in complete regions stay as they are. Decoded objects yield to them, and
        to where something was deleted; one that yields more than half of its pixels is that object, and is dropped.

        Parameters
        ----------
        decoded : int32 array
            Of the slice, or of the window; ids as they shall be shown.
        index : tuple of int
            The slice.
        window : tuple of slice, optional
            The part of the slice that was decoded.

        Returns
        -------
        int32 array
            What is there now, a view of `labels`.
        """
        self.painted("paint", index)  # nothing that was written into the labels is lost
        where: Any = (*index, *(window or (slice(None),) * self.ndim))
        view: Labels = self.labels[where]
        complete = self.complete[where]
        if self.accepted or complete.any() or self.emptied[where].any():
            stays = self.accepted | set(np.unique(view[complete]).tolist())
            decoded = self._yielding(decoded, view, self._holds(stays, view) | complete, self.emptied[where], stays)
        view[...] = decoded
        at = tuple(slice(position, position + 1) for position in index)
        self._seen["labels"].take(self.labels, (*at, *where[len(index) :]))
        self._highest = max(self._highest, int(decoded.max(initial=0)))
        return view

    def _yielding(self, decoded: Labels, old: Labels, kept: Mask, emptied: Mask, ids: set[int]) -> Labels:
        """Put what is kept of the old objects over decoded ones, of which those that lose most are dropped."""
        theirs = kept | emptied
        size = np.bincount(decoded.ravel())
        left = np.bincount(decoded[~theirs], minlength=len(size))
        table = np.where(2 * left < size, 0, np.arange(len(size)))
        # an id that a kept object has cannot be that of what is left of a decoded one
        for label in np.intersect1d(table[table > 0], list(ids)):
            table[label] = self.new_id()
        table[0] = 0
        new: Labels = np.where(kept, old, np.where(theirs, 0, table[decoded])).astype(np.int32)
        return new

    @property
    def _arrays(self) -> dict[str, Array]:
        return {"labels": self.labels, "complete": self.complete, "emptied": self.emptied}

    def _settle(self, title: str, box: Box, before: Labels, shaped: set[int]) -> bool:
        """Record new labels of a box: whose pixels went is accepted no more if it is gone, emptied if nothing came."""
        after = self.labels[box]
        patch = Patch.between("labels", box, before, after)
        if patch is None:
            return self._record(Edit(title, accepted=frozenset(shaped - self.accepted - {0})))
        touched = set(np.unique(patch.before).tolist()) - {0}
        left = set(np.unique(after).tolist())
        slices = self.labels[box[: self.labels.ndim - self.ndim]]
        gone = {label for label in touched - left if not (slices == label).any()}
        emptied = self.emptied[box].copy()
        self.emptied[box] = (emptied | ((before > 0) & patch.where)) & (after == 0)
        patches = [patch, Patch.between("emptied", box, emptied, self.emptied[box])]
        self._highest = max(self._highest, int(after.max(initial=0)))
        return self._record(
            Edit(
                title,
                [each for each in patches if each is not None],
                accepted=frozenset(shaped - self.accepted - gone - {0}),
                rejected=frozenset(gone & self.accepted),
            )
        )

    def _record(self, edit: Edit) -> bool:
        if not edit.changes:
            return False
        self.accepted |= edit.accepted
        self.accepted -= edit.rejected
        self.history.add(edit)
        self._told(edit)
        return True

    def _told(self, edit: Edit | None) -> Edit | None:
        if edit is not None:
            for patch in edit.patches:
                self._seen[patch.name].take(self._arrays[patch.name], patch.box)
            for call in list(self.changed):
                call()
        return edit

    @staticmethod
    def _holds(ids: set[int], labels: Labels) -> Mask:
        """Tell of each pixel whether its object is one of these."""
        table = np.zeros(max(int(labels.max(initial=0)), *ids, 0) + 1, bool)
        table[list(ids)] = True
        table[0] = False
        inside: Mask = table[np.maximum(labels, 0)]
        return inside

    # to and from a file

    def snapshot(self) -> Callable[[], dict[str, Array]]:
        """Hold on to the state after the last step.

        That copies nothing, however large the stack is.

        Returns
        -------
        callable
            Gives all that is needed to go on, but the history, as arrays by name that are the caller's own. It may be
            called in another thread, while the user goes on.
        """
        planes = {name: (seen, seen.give()) for name, seen in self._seen.items()}
        others: dict[str, Array] = {
            "accepted": np.array(sorted(self.accepted), np.int32),
            "highest": np.array(self._highest, np.int64),
            "ndim": np.array(self.ndim, np.int64),
        }
        return lambda: {**others, **{name: seen.whole(given) for name, (seen, given) in planes.items()}}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Annotation:
        """Make what a `snapshot` gave, with a history that begins anew.

        Raises
        ------
        InputError
            If an array is missing or does not fit the others.
        """
        missing = {"labels", "accepted", "complete", "emptied", "highest", "ndim"} - set(arrays)
        if missing:
            raise InputError(
                f"The corrections lack {', '.join(sorted(missing))}; the file is damaged or of another kind."
            )
        made = cls(np.array(arrays["labels"]), int(arrays["ndim"]))
        for name in ("complete", "emptied"):
            mask = np.asarray(arrays[name])
            if mask.shape != made.labels.shape or mask.dtype != bool:
                raise InputError(
                    f"The corrections' '{name}' is {mask.dtype} {mask.shape}; expected bool {made.labels.shape}. "
                    "The file is damaged."
                )
            getattr(made, name)[...] = mask
            made._seen[name] = PlaneMemory(mask, made.ndim)
        made.accepted = {int(label) for label in np.asarray(arrays["accepted"]).ravel()}
        made._highest = max(made._highest, int(arrays["highest"]))
        return made


OUTLINE, REGION = 1, 2
HATCH_PX = 12
"""Distance of the lines that a complete region is hatched with."""


def marks_of(corrections: Annotation, index: Index = ()) -> npt.NDArray[np.uint8]:
    """Draw what is known of a slice: outlines of accepted objects as 1, complete regions outlined and hatched as 2."""
    labels, complete = corrections.labels[index], corrections.complete[index]
    marks = np.zeros(labels.shape, np.uint8)
    if complete.any():
        y, x = (np.arange(length) for length in labels.shape[-2:])
        hatched = (y[:, None] + x) % HATCH_PX == 0
        marks[(complete & hatched & (labels == 0)) | _edge(complete.astype(np.int32), complete)] = REGION
    right = corrections._holds(corrections.accepted, labels)
    if right.any():
        marks[_edge(labels, right)] = OUTLINE
    return marks


def _edge(labels: Labels, inside: Mask) -> Mask:
    """Return the pixels inside with a neighbour of another label in their plane, or at the image's border."""
    edge = np.zeros(labels.shape, bool)
    for axis in (-2, -1):
        first = tuple(slice(None) if a != axis % labels.ndim else slice(None, -1) for a in range(labels.ndim))
        second = tuple(slice(None) if a != axis % labels.ndim else slice(1, None) for a in range(labels.ndim))
        differs = labels[first] != labels[second]
        edge[first] |= differs
        edge[second] |= differs
    return edge & inside
