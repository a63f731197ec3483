"""What the user does to the objects of the present image: edits by what the network said, undone and redone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError, InstsegError
from napari_instseg.editing import shape
from napari_instseg.editing.change import Box, Change, Labels, Mask, Point, check_point
from napari_instseg.editing.grow import THRESHOLD, grow, grow_region
from napari_instseg.editing.likeness import Clues, clues_in
from napari_instseg.editing.pieces import words_on_pieces
from napari_instseg.editing.split import cut, split, stroke
from napari_instseg.inference.prediction import Prediction
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.edit_history import Edit
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Index
from napari_instseg.session.status import Tone

STEP = 0.05
"""Of the threshold, for one notch of the wheel."""
LOWEST, HIGHEST = 0.05, 0.95
MOST_NAMED = 6
"""More objects than these are not named one by one."""

Position = Sequence[float]
"""A pixel of the label image of the whole source: along the stack axes, then in the slice."""


class Annotating:
    """The edits that the user makes in the annotation of the present image.

    Whatever goes wrong is said in words, and changes nothing. Edits tell whether anything is another now.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._clues: tuple[Prediction | None, float, Clues | None] = (None, 0.0, None)
        self.threshold = THRESHOLD

    @property
    def annotation(self) -> Annotation | None:
        """That of the present image; None before there are objects."""
        return self._session.annotation

    # what is asked before an edit

    def object_at(self, position: Position) -> int:
        """Return the id of the object at a position, 0 for none or outside of the image."""
        try:
            annotation, index, point = self._place(position)
        except InstsegError:
            return 0
        return int(annotation.labels[(*index, *point)])

    def preview(self, position: Position) -> tuple[Index, Box, Mask] | None:
        """Return what would grow from a click: the slice, a box in it, and the pixels of the box; None if nothing."""
        try:
            _, index, point = self._place(position)
            return index, *grow_region(self._clues_of(index), point, self.threshold)
        except InstsegError:
            return None

    def turn_threshold(self, notches: float) -> None:
        """Let the wheel make what grows larger (above 0) or smaller."""
        self.threshold = round(float(np.clip(self.threshold - STEP * notches, LOWEST, HIGHEST)), 3)

    # edits

    def grow(self, position: Position) -> bool:
        """Make what is like the pixel under a click, and connected with it, an object."""

        def change(annotation: Annotation, labels: Labels, point: Point, index: Index) -> Change:
            accepted = annotation.accepted
            return grow(labels, self._clues_of(index), point, annotation.new_id(), self.threshold, accepted)

        return self._edit("grow", position, change)

    def split(self, positions: Sequence[Position]) -> bool:
        """Divide an object among clicks in its parts."""

        def change(annotation: Annotation, labels: Labels, point: Point, index: Index) -> Change:
            points = [self._place(position)[2] for position in positions]
            try:
                clues = self._clues_of(index)
            except InputError:
                clues = None  # the image distance alone serves
            return split(labels, points, annotation.new_ids(), clues)

        return self._edit("split", positions[0], change)

    def split_by_line(self, line: Sequence[Position]) -> bool:
        """Divide an object: between the line's ends if both lie in it, else along the line."""
        begin, end = self.object_at(line[0]), self.object_at(line[-1])
        if begin and begin == end:
            return self.split([line[0], line[-1]])

        def change(annotation: Annotation, labels: Labels, point: Point, index: Index) -> Change:
            return cut(labels, [position[len(index) :] for position in line], annotation.new_ids())

        return self._edit("split", self._inside(line), change)

    def merge(self, line: Sequence[Position], *, between: bool = True) -> bool:
        """Make objects one: all that a stroke touches, or only those under its points."""

        def change(annotation: Annotation, labels: Labels, point: Point, index: Index) -> Change:
            points = [position[len(index) :] for position in line]
            track = stroke(points, labels.shape) if between else np.array([self._place(each)[2] for each in line])
            return shape.merge(labels, np.unique(labels[tuple(track.T)]).tolist())

        return self._edit("merge", self._inside(line), change)

    def draw(self, outline: Sequence[Position]) -> bool:
        """Make what an outline encloses an object."""

        def change(annotation: Annotation, labels: Labels, point: Point, index: Index) -> Change:
            points = [position[len(index) :] for position in outline]
            return shape.draw(labels, points, annotation.new_id(), annotation.accepted)

        return self._edit("draw", self._inside(outline), change)

    def delete(self, position: Position) -> bool:
        """Make the object under a click background."""
        return self._edit("delete", position, lambda _, labels, point, __: shape.delete(labels, int(labels[point])))

    def smooth(self, position: Position) -> bool:
        """Round the outline of the object under a click."""
        return self._edit("smooth", position, lambda _, labels, point, __: shape.smooth(labels, int(labels[point])))

    def fill(self, position: Position) -> bool:
        """Fill the holes of the object under a click."""
        return self._edit("fill holes", position, lambda _, labels, point, __: shape.fill(labels, int(labels[point])))

    def accept(self, position: Position) -> bool:
        """Say that the object under a click is right, or take that back."""
        label = self.object_at(position)
        if not label:
            return self._refuse("There is no object there to accept. Click on one.")
        annotation, index, point = self._place(position)
        if label in annotation.accepted:
            done = annotation.reject(label, seen_at=(*index, *point))
            return done and self._tell(annotation, index, f"Object {label} is not accepted now.")
        return self.accept_object(label, index)

    def accept_object(self, label: int, index: Index) -> bool:
        """Say that an object of a slice is right."""
        annotation = self.annotation
        inside = annotation.labels[index] == label if annotation is not None else np.zeros(1, bool)
        if annotation is None or not inside.any():
            return self._refuse(f"There is no object {label} any more.")
        words = words_on_pieces(inside, label)
        if words:
            return self._refuse(words.replace("undo, and split", "split") + " It was not accepted.")
        seen_at = (*index, *(int(at) for at in np.unravel_index(inside.argmax(), inside.shape)))
        done = annotation.accept(label, seen_at=seen_at)
        return done and self._tell(annotation, index, f"Object {label} accepted.", "good")

    def mark(self, outline: Sequence[Position], complete: bool = True) -> bool:
        """Say that in a region every object is right and all else is background, or take that back."""
        try:
            annotation, index, _ = self._place(self._nearest(outline[0]))
            points = np.asarray([position[len(index) :] for position in outline], float)
            inside, depth = shape.enclosed(points, annotation.labels.shape[-annotation.ndim :])
        except InstsegError as error:
            return self._refuse(str(error))
        where = index if annotation.ndim == 2 else (depth,)
        box = (*(slice(at, at + 1) for at in where), *(slice(0, length) for length in inside.shape))
        if not annotation.mark(box, inside.reshape(annotation.complete[box].shape), complete):
            return self._refuse("That region was marked so already.")
        count = len(set(np.unique(annotation.labels[where][inside]).tolist()) - {0})
        what = "complete" if complete else "not complete"
        words = f"Region with {count} object{'' if count == 1 else 's'} marked as {what}."
        return self._tell(annotation, index, words, "good")

    def painted(self, results: Results, index: Index, whole: bool = False) -> bool:
        """Take note of a stroke of the viewer's own brush, fill or eraser in the slice in view, or in all."""
        annotation = self._session.annotation_of(results)
        where = () if whole else index
        negative = annotation.put_back_negative(where)
        shaped = annotation.painted("paint", where)
        if negative:
            self._session.take_edit(annotation, index)
            return self._refuse(
                "Labels below 0 are no objects, so nothing was painted. Choose another label, such as a new one by the "
                "key M; a pixel that belongs to nothing is 0."
            )
        if shaped is None:
            return False
        in_places = ((label, annotation.labels[index] == label) for label in sorted(shaped))
        words = next((words_on_pieces(inside, label) for label, inside in in_places if inside.any()), "")
        return self._tell(
            annotation, index, words or f"Paint: {_names(sorted(shaped))}.", "warning" if words else "plain"
        )

    # undo

    @property
    def undo_title(self) -> str:
        """What undo would take back; empty if nothing."""
        return self.annotation.history.undo_title if self.annotation is not None else ""

    @property
    def redo_title(self) -> str:
        """What redo would make again; empty if nothing."""
        return self.annotation.history.redo_title if self.annotation is not None else ""

    def undo(self) -> Edit | None:
        """Take the last step back, in whatever slice it was; give it, or None if there is none."""
        annotation = self.annotation
        return self._went(annotation.undo() if annotation is not None else None, "undone", "undo")

    def redo(self) -> Edit | None:
        """Make the step that was undone last again; give it, or None if there is none."""
        annotation = self.annotation
        return self._went(annotation.redo() if annotation is not None else None, "made again", "redo")

    def _went(self, edit: Edit | None, done: str, what: str) -> Edit | None:
        annotation = self.annotation
        if edit is None or annotation is None:
            self._refuse(f"There is nothing to {what}.")
            return None
        index = edit.place[: annotation.labels.ndim - annotation.ndim] if edit.place else self._session.state.index
        self._tell(annotation, index, f"{edit.title.capitalize()}: {done}.")
        return edit

    # helpers

    def _edit(
        self,
        title: str,
        position: Position,
        make: Callable[[Annotation, Labels, Point, Index], Change],
    ) -> bool:
        try:
            annotation, index, point = self._place(position)
            change = make(annotation, annotation.labels[index], point, index)
            done = annotation.edit(title, change, index)
        except InstsegError as error:
            return self._refuse(str(error))
        if not done:
            return self._refuse(f"{title.capitalize()}: it is so already.")
        what = f"{title.capitalize()}: {_names(change.objects)}."
        return self._tell(annotation, index, f"{what} {change.words}".strip(), "warning" if change.words else "plain")

    def _tell(self, annotation: Annotation, index: Index, words: str, tone: Tone = "plain") -> bool:
        """Bring the results up to date with the annotation, and say what was done."""
        self._session.take_edit(annotation, index)
        self._session.say(words, tone)
        return True

    def _refuse(self, words: str) -> bool:
        self._session.say(words, "warning")
        return False

    def _place(self, position: Position) -> tuple[Annotation, Index, Point]:
        """Return the slice, and the pixel in it, of a position.

        Raises
        ------
        InputError
            If there are no objects yet, or it lies outside of the image.
        """
        annotation = self.annotation
        if annotation is None:
            raise InputError("There are no objects to correct yet. Run the segmentation first.")
        place = check_point(tuple(position), annotation.labels.shape)
        stack = annotation.labels.ndim - annotation.ndim
        return annotation, place[:stack], place[stack:]

    def _inside(self, line: Sequence[Position]) -> Position:
        """Return the first position of a line that lies in the image, or the first one."""
        annotation = self.annotation
        sizes = annotation.labels.shape if annotation is not None else ()
        for position in line:
            if all(0 <= round(float(at)) < size for at, size in zip(position, sizes, strict=False)):
                return position
        return line[0]

    def _nearest(self, position: Position) -> Position:
        """Return the place in the image that is nearest to a position beside it, in the same slice."""
        if self.annotation is None:
            return position
        sizes = self.annotation.labels.shape[-2:]
        beside = (min(max(float(at), 0), size - 1) for at, size in zip(position[-2:], sizes, strict=True))
        return (*position[:-2], *beside)

    def _clues_of(self, index: Index) -> Clues:
        results = self._session.state.results
        prediction = results.predictions.get(index) if results is not None else None
        if results is None or prediction is None:
            raise InputError("What the network said of this slice is not kept; run it again, or use the brush.")
        plane = results.slices.get(index)
        bandwidth: Any = getattr(plane.parameters if plane is not None else None, "bandwidth", None) or 0.0
        if self._clues[0] is not prediction or self._clues[1] != bandwidth or self._clues[2] is None:
            self._clues = (prediction, bandwidth, clues_in(prediction.outputs, bandwidth))
        clues = self._clues[2]
        assert clues is not None
        return clues


def _names(ids: Sequence[int]) -> str:
    if not ids or len(ids) > MOST_NAMED:
        return f"{len(ids)} objects" if ids else "done"
    return f"object {ids[0]}" if len(ids) == 1 else f"objects {', '.join(map(str, ids))}"
