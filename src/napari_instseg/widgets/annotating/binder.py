"""Wires the Correct section to the workspace and the viewer: tools, marks of what is right, undo, the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import DirectLabelColormap
from qtpy.QtCore import QObject

from napari_instseg.annotating.next_object import Doubt, find_doubts
from napari_instseg.session.annotation import marks_of
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.jobs import Post
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.widgets.annotating.section import KEYS, CorrectSection
from napari_instseg.widgets.annotating.tools import EditTools
from napari_instseg.widgets.camera import look_at, show_slice
from napari_instseg.widgets.layers import Mark, OwnLayers
from napari_instseg.widgets.painting import next_turn
from napari_instseg.workspace.controller import Controller

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
    """Between the Correct section, the viewer and the workspace.

    Parameters
    ----------
    viewer : Viewer
    section : CorrectSection
    controller : Controller
    layers : OwnLayers
    post : callable
        See `Post`.
    """

    def __init__(
        self, viewer: Viewer, section: CorrectSection, controller: Controller, layers: OwnLayers, post: Post
    ) -> None:
        super().__init__(section)
        self._viewer, self._section, self._controller, self._layers = viewer, section, controller, layers
        self.correcting = controller.annotating
        self.tools = EditTools(viewer, self.correcting, layers, lambda: controller.results)
        self._listened: Any = None
        self._marked: Results | None = None
        self._marks = np.zeros((0, 0), np.uint8)
        self._doubts: list[Doubt] = []
        self._doubts_of: tuple[Any, Any] = (None, None)
        self._here: Doubt | None = None
        self._answers = BackgroundWork(
            lambda asked, stale: iter([find_doubts(asked[0], asked[1], asked[2], stale)]),
            self._go,
            controller.fail,
            post,
        )
        section.asked.connect(self._asked)
        self.tools.stepped.connect(self._asked)
        self.tools.tool_changed.connect(section.show_tool)
        self.tools.refused.connect(lambda words: controller.say(words, "warning"))
        self.correcting.changed.connect(self._changed)
        layers.made.connect(self._take_layer)
        controller.ready.connect(self._show_state)
        controller.workspace.events.index.connect(self._show_marks)

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

    def show_found(self, results: Results, plane: DecodedSlice) -> None:
        """Show what was decoded."""
        self._show(results)
        if plane.index == self._controller.workspace.index:
            self._show_marks()
        self._show_state()

    def _show(self, results: Results) -> None:
        self._layers.show_objects(results, self.correcting.of(results))
        self._attach(results)

    def _attach(self, results: Results) -> None:
        layer = self._layers.labels_layer(results)
        if layer is not None and layer is not self._listened:
            self._listen(layer)
            self.tools.attach(layer)

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
        results = self._controller.results
        shown = self._layers.labels_layer(results) if results is not None else None
        if results is None or shown is None or shown is not self._listened:
            return  # of an image that is not worked on, or a layer that the user took over
        index = self._controller.workspace.index
        self.correcting.painted(results, index, whole=shown.n_edit_dimensions > shown.ndim - len(index))

    # the workspace changed

    def _changed(self) -> None:
        results = self._controller.results
        if not self.tools.tool:
            self.tools.hide_preview()
        if results is not None:
            self._show(results)
        self._show_marks()
        self._controller.ready.emit()

    def _show_state(self) -> None:
        correcting = self.correcting
        corrections = correcting.corrections
        obstacle = "" if corrections is not None else "Run the segmentation first."
        self._section.allow(obstacle, undo=correcting.undo_title, redo=correcting.redo_title)
        if corrections is None:
            self.tools.put_down()
            return
        complete = corrections.complete[self._controller.workspace.index]
        self._section.show_facts(len(corrections.accepted), float(complete.mean()) if complete.any() else 0.0)

    def _show_marks(self) -> None:
        """Outline what is accepted, and hatch what is complete, in the slice in view."""
        results, corrections = self._controller.results, self.correcting.corrections
        if self._marked is not None and (results is None or results.source is not self._marked.source):
            self._layers.hide_view(self._marked, MARKS)
            self._marked = None
        if results is None or corrections is None:
            return
        index = self._controller.workspace.index
        if len(index) != corrections.labels.ndim - corrections.ndim:
            return
        shown = self._layers.shows(results, MARKS)
        if not shown and self._layers.labels_layer(results) is None:
            return  # so that they come to lie over the objects
        if not shown and not corrections.says_something:
            return  # as at every move of a slider before anything was corrected
        marks = marks_of(corrections, index)
        if marks.any() or shown:
            self._layers.show_view(results, MARKS, marks, index)
            self._marked = results

    # buttons and keys

    def _asked(self, name: str) -> None:
        if name == "undo":
            self._look_at_edit(self.correcting.undo())
        elif name == "redo":
            self._look_at_edit(self.correcting.redo())
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
        if edit is not None and edit.place is not None and layer is not None:
            show_slice(self._viewer, layer, edit.place)

    # the queue

    def _next(self) -> None:
        results, corrections = self._controller.own_results, self.correcting.corrections
        parameters = self._controller.workspace.parameters
        if results is None or corrections is None or parameters is None:
            self._controller.say(self._controller.missing(), "warning")
            return
        if self._doubts_of != (results.run, parameters):
            self._doubts_of = (results.run, parameters)
            self._controller.say("Looking for doubtful objects…")
            self._answers.ask((results, corrections, parameters))
        else:
            self._go(self._doubts)

    def _go(self, doubts: list[Doubt]) -> None:
        """Move the view to the first of the doubtful objects that is still there and not accepted."""
        corrections, layer = self.correcting.corrections, self.tools.layer
        self._doubts = list(doubts)
        while self._doubts and corrections is not None and layer is not None:
            doubt = self._doubts.pop(0)
            inside = corrections.labels[doubt.index] == doubt.label
            if doubt.label in corrections.accepted or not inside.any():
                continue
            self._here = doubt
            look_at(self._viewer, layer, (*doubt.index, *doubt.place), doubt.side)
            layer.selected_label = doubt.label
            self.tools.outline(doubt.index, inside)
            self._controller.say(f"{doubt.words} {len(self._doubts)} more.")
            return
        self._here, self._doubts_of = None, (None, None)
        self._controller.say("That was the last one; Next begins again.", "good")

    def _accept_and_next(self) -> None:
        corrections, here = self.correcting.corrections, self._here
        if corrections is not None and here is not None and (corrections.labels[here.index] == here.label).any():
            if here.label not in corrections.accepted:
                self.correcting.accept_object(here.label, here.index)
            self._here = None
        self._next()
