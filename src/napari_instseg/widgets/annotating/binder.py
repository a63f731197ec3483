"""Wires the Correct section to the session and the viewer: tools, marks of what is right, undo, the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import DirectLabelColormap
from qtpy.QtCore import QObject

from napari_instseg.annotating.commands import Annotating
from napari_instseg.annotating.next_object import Doubt, find_doubts
from napari_instseg.session.annotation import marks_of
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.state import State
from napari_instseg.widgets.annotating.section import KEYS, CorrectSection
from napari_instseg.widgets.annotating.tools import EditTools
from napari_instseg.widgets.camera import look_at, show_slice
from napari_instseg.widgets.images import images_in, known_source
from napari_instseg.widgets.layers import Mark, OwnLayers
from napari_instseg.widgets.painting import next_turn
from napari_instseg.widgets.placement import to_layer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_instseg.widgets.keys import Keys

MARKS = Mark(
    "accepted",
    "Accepted",
    "labels",
    look={
        "colormap": DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: "#39ff14", 2: "#26c6da"}),
        "opacity": 0.9,
    },
)


class AnnotatingBinder(QObject):
    """Between the Correct section, the viewer and the session.

    Parameters
    ----------
    viewer : Viewer
    section : CorrectSection
    session : Session
    annotating : Annotating
    layers : OwnLayers
    """

    def __init__(
        self, viewer: Viewer, section: CorrectSection, session: Session, annotating: Annotating, layers: OwnLayers
    ) -> None:
        super().__init__(section)
        self._viewer, self._section, self._session, self._layers = viewer, section, session, layers
        self.annotating = annotating
        self.tools = EditTools(viewer, annotating, layers, lambda: session.state.results)
        self._listened: Any = None
        self._marked: Results | None = None
        self._marks = np.zeros((0, 0), np.uint8)
        self._doubts: list[Doubt] = []
        self._doubts_of: tuple[Any, Any] = (None, None)
        self._here: Doubt | None = None
        self._answers = BackgroundWork(
            lambda asked, stale: iter([find_doubts(asked[0], asked[1], asked[2], stale)]),
            self._go,
            session.fail,
            session.post,
        )
        section.asked.connect(self._asked)
        self.tools.stepped.connect(self._asked)
        self.tools.tool_changed.connect(section.show_tool)
        self.tools.refused.connect(lambda words: session.say(words, "warning"))
        layers.made.connect(self._take_layer)
        session.changed.connect(self._redraw)

    def release(self) -> None:
        """End the thread, and listen to the viewer no more."""
        self._answers.close()
        self.tools.release()
        if self._listened is not None:
            self._listened.events.paint.disconnect(self._stroke)

    def list_keys(self, keys: Keys) -> None:
        """List the keys, which napari calls while the layer of objects is selected."""
        for key, does in KEYS.items():
            keys.tell(key, does)

    @property
    def idle(self) -> bool:
        """Whether all that was asked for is shown."""
        return self._answers.idle

    def _show(self, results: Results) -> None:
        self._layers.show_objects(results, self._session.annotation_of(results))
        self._attach(results)

    def _attach(self, results: Results) -> None:
        layer = self._layers.labels_layer(results)
        if layer is not None and layer is not self._listened:
            self._listen(layer)
            image = next((one for one in images_in(self._viewer) if known_source(one) is results.source), None)
            self.tools.attach(layer, results.reading, image)

    def _take_layer(self, results: Results) -> None:
        self._attach(results)
        self._show_marks()

    def _listen(self, layer: Labels) -> None:
        if self._listened is not None:
            self._listened.events.paint.disconnect(self._stroke)
        self._listened = layer
        layer.events.paint.connect(self._stroke)

    def _stroke(self, event: Any = None) -> None:
        self._painted()
        # where the layer tells of a change just before it is made, at the event loop's next turn
        next_turn(self._section, self._painted)

    def _painted(self) -> None:
        results = self._session.state.results
        shown = self._layers.labels_layer(results) if results is not None else None
        if results is None or shown is None or shown is not self._listened:
            return  # of an image that is not worked on, or a layer that the user took over
        index = self._session.state.index
        self.annotating.painted(results, index, whole=shown.n_edit_dimensions > shown.ndim - len(index))

    # the session changed

    def _redraw(self, before: State, now: State) -> None:
        edited = now.edits != before.edits
        if edited and not self.tools.tool:
            self.tools.hide_preview()
        if now.elsewhere is not before.elsewhere and now.elsewhere is not None and now.elsewhere.latest is not None:
            self._show(now.elsewhere)
        shown = now.results is not None and (edited or now.found_since(before) is not None)
        if shown and now.results is not None:
            self._show(now.results)
        if shown or edited or now.differs(before, "index", "source"):
            self._show_marks()
        if shown or now.offers_other_work(before):
            self._show_state()

    def _show_state(self) -> None:
        annotating, annotation = self.annotating, self._session.annotation
        obstacle = "" if annotation is not None else "Run the segmentation first."
        self._section.allow(obstacle, undo=annotating.undo_title, redo=annotating.redo_title)
        if annotation is None:
            self.tools.put_down()
            return
        complete = annotation.complete[self._session.state.index]
        self._section.show_facts(len(annotation.accepted), float(complete.mean()) if complete.any() else 0.0)

    def _show_marks(self) -> None:
        """Outline what is accepted, and hatch what is complete, in the slice in view."""
        results, annotation = self._session.state.results, self._session.annotation
        if self._marked is not None and (results is None or results.source is not self._marked.source):
            self._layers.hide_view(self._marked, MARKS)
            self._marked = None
        if results is None or annotation is None:
            return
        index = self._session.state.index
        if len(index) != annotation.labels.ndim - annotation.ndim:
            return
        shown = self._layers.shows(results, MARKS)
        if not shown and self._layers.labels_layer(results) is None:
            return  # so that they come to lie over the objects
        if not shown and not annotation.says_something:
            return  # as at every move of a slider before anything was corrected
        marks = marks_of(annotation, index)
        if marks.any() or shown:
            self._layers.show_view(results, MARKS, marks, index)
            self._marked = results

    # buttons and keys

    def _asked(self, name: str) -> None:
        if name == "undo":
            self._look_at_edit(self.annotating.undo())
        elif name == "redo":
            self._look_at_edit(self.annotating.redo())
        elif name == "next":
            self._next()
        elif name == "accept_next":
            self._accept_and_next()
        else:
            self.tools.take(name)
            self._section.show_tool(self.tools.tool)

    def _look_at_edit(self, edit: Any) -> None:
        """Show the slice in which something was undone or redone."""
        layer = self.tools.layer
        results = self._session.state.results
        if edit is not None and edit.place is not None and layer is not None and results is not None:
            show_slice(self._viewer, layer, to_layer(edit.place, results.reading))

    # the queue

    def _next(self) -> None:
        results, annotation = self._session.state.own_results, self._session.annotation
        parameters = self._session.state.parameters
        if results is None or annotation is None or parameters is None:
            self._session.say(self._session.missing(), "warning")
            return
        if self._doubts_of != (results.run, parameters):
            self._doubts_of = (results.run, parameters)
            self._session.say("Looking for doubtful objects…")
            self._answers.ask((results, annotation, parameters))
        else:
            self._go(self._doubts)

    def _go(self, doubts: list[Doubt]) -> None:
        """Move the view to the first of the doubtful objects that is still there and not accepted."""
        annotation, layer, results = self._session.annotation, self.tools.layer, self._session.state.results
        self._doubts = list(doubts)
        while self._doubts and annotation is not None and layer is not None and results is not None:
            doubt = self._doubts.pop(0)
            inside = annotation.labels[doubt.index] == doubt.label
            if doubt.label in annotation.accepted or not inside.any():
                continue
            self._here = doubt
            look_at(self._viewer, layer, to_layer((*doubt.index, *doubt.place), results.reading), doubt.side)
            layer.selected_label = doubt.label
            self.tools.outline(doubt.index, inside)
            self._session.say(f"{doubt.words} {len(self._doubts)} more.")
            return
        self._here, self._doubts_of = None, (None, None)
        self._session.say("That was the last one; Next begins again.", "good")

    def _accept_and_next(self) -> None:
        annotation, here = self._session.annotation, self._here
        if annotation is not None and here is not None and (annotation.labels[here.index] == here.label).any():
            if here.label not in annotation.accepted:
                self.annotating.accept_object(here.label, here.index)
            self._here = None
        self._next()
