"""The dock: sections in the order of the work above a status line. It only wires them to the workspace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.session.source import Source
from napari_instseg.widgets.annotating.binder import AnnotatingBinder
from napari_instseg.widgets.annotating.section import CorrectSection
from napari_instseg.widgets.inspecting.binder import InspectingBinder
from napari_instseg.widgets.inspecting.section import LookSection
from napari_instseg.widgets.keys import Keys
from napari_instseg.widgets.layers import OwnLayers, load_labels
from napari_instseg.widgets.parts import SPACE, Section, column
from napari_instseg.widgets.posting import Poster
from napari_instseg.widgets.projects.binder import ProjectsBinder
from napari_instseg.widgets.projects.section import RetrainSection
from napari_instseg.widgets.segmenting.export import ExportSection
from napari_instseg.widgets.segmenting.section import RUN_KEY, SegmentSection
from napari_instseg.widgets.status import CANCEL_KEY, StatusLine
from napari_instseg.widgets.tuning.binder import TuningBinder
from napari_instseg.widgets.tuning.section import REDO_KEY, UNDO_KEY, TuneSection
from napari_instseg.workspace.controller import Controller

if TYPE_CHECKING:
    from napari import Viewer

WIDTH = 320
LAID_OUT_MS = 50
"""Until what came up has its place."""
GROWING_MS = 2000
"""In which what has come up is kept in sight while the dock is laid out."""


class SegmentDock(QWidget):
    """Segment, tune, look, export: the window of napari-instseg.

    Parameters
    ----------
    napari_viewer : Viewer
    presets : Path, optional
        Folder of the presets and of the list of projects; the user's configuration folder if None.
    """

    def __init__(self, napari_viewer: Viewer, presets: Path | None = None) -> None:
        super().__init__()
        self.setMinimumWidth(WIDTH)
        # napari hands plugins a proxy that wraps each layer anew, so that one could not be told from another
        napari_viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        post = Poster(self)
        self.controller = controller = Controller(post, presets, load_labels)
        self.layers = OwnLayers(napari_viewer, lambda text: controller.say(text, "warning"), self)
        self.segment = SegmentSection(napari_viewer)
        self.tune = TuneSection(napari_viewer)
        self.tuner = TuningBinder(self.tune, controller, post)
        self.look = LookSection()
        self.correct = CorrectSection()
        self.retrain = RetrainSection()
        self.export = ExportSection()
        self._has_found = False
        self.keys = Keys(self)
        self.status = StatusLine()
        self._tune_section = Section("Tune", self.tune, opened=False)
        self._correct_section = Section("Correct", self.correct, opened=False)
        self._retrain_section = Section("Retrain", self.retrain, opened=False)
        self._export_section = Section("Export", self.export, opened=False)
        self.corrector = AnnotatingBinder(napari_viewer, self.correct, controller, self.layers, post)
        self.tuner.take_corrections(self.corrector.correcting)
        self.corrector.correcting.changed.connect(self._show_corrected)
        self._lay_out()
        self._connect_choices()
        self._connect_workspace()
        # after the above, so that it finds the objects' layer up to date
        self.explorer = InspectingBinder(napari_viewer, self.look, controller, self.layers, self.segment.image, post)
        correcting = self.corrector.correcting
        self.retrainer = ProjectsBinder(
            napari_viewer, self.retrain, controller, correcting, self.segment.image, post, presets
        )
        self.retrainer.models_changed.connect(self._show_models)
        self.keys.bind(RUN_KEY, "Run", self._run)
        self.keys.bind(CANCEL_KEY, "Cancel what runs", controller.cancel)
        self.keys.bind(UNDO_KEY, "Undo the last change of a value", controller.tuning.undo)
        self.keys.bind(REDO_KEY, "Redo it", controller.tuning.redo)
        self.explorer.bind(self.keys)
        self.corrector.list_keys(self.keys)
        for show in (self._show_source, self._show_reading, self._show_model, self._show_ready):
            show()
        self.segment.image.start()
        # the widgets may be gone when this is called, their Python sides are not
        parts = (self.retrainer, self.corrector, self.explorer, self.tuner, self.segment.image)
        self._release = once(lambda: _release(controller, parts))
        self.destroyed.connect(self._release)

    def changeEvent(self, event: QEvent) -> None:
        """End when napari takes the widget out of its dock, which is how the X closes a plugin; hiding does not."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.end()

    def end(self) -> None:
        """Stop all that works, save, give the project back, and leave the viewer with images and objects."""
        self.retrainer.leave()
        if self._release():
            self.layers.release()
            self.segment.diameter.stop_measuring()
            self.deleteLater()

    def _lay_out(self) -> None:
        inner = QWidget()
        inner.setLayout(
            column(
                Section("Segment", self.segment),
                self._tune_section,
                Section("Look", self.look, opened=False),
                self._correct_section,
                self._retrain_section,
                self._export_section,
                Section("Keys", self.keys, opened=False),
                margins=(SPACE, SPACE, SPACE, SPACE),
            )
        )
        inner.layout().addStretch(1)
        scroll = QScrollArea()
        laid_out = QTimer(self, singleShot=True, interval=LAID_OUT_MS)
        laid_out.timeout.connect(lambda: scroll.ensureWidgetVisible(self.retrain.newest))
        # what comes up takes its room only when it is laid out, on a busy machine after a while
        growing = QTimer(self, singleShot=True, interval=GROWING_MS)
        scroll.verticalScrollBar().rangeChanged.connect(lambda *_: laid_out.start() if growing.isActive() else None)
        self.retrain.came_up.connect(laid_out.start)
        self.retrain.came_up.connect(growing.start)
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setLayout(column(scroll, self.status))
        self.layout().setStretch(0, 1)

    def _connect_choices(self) -> None:
        controller, image, segment = self.controller, self.segment.image, self.segment
        image.source_chosen.connect(controller.choose_source)
        image.source_moved.connect(self._follow_image)
        image.source_closed.connect(controller.lose_source)
        image.reading_chosen.connect(controller.choose_reading)
        image.channel_chosen.connect(controller.choose_channel)
        image.whole_stack_chosen.connect(controller.choose_whole_stack)
        image.view_changed.connect(controller.see)
        segment.model.chosen.connect(controller.guarded(controller.choose_model))
        segment.diameter.chosen.connect(controller.choose_diameter)
        segment.device_chosen.connect(controller.choose_device)
        segment.run.connect(self._run)
        segment.advice_taken.connect(controller.follow)
        self.status.cancelled.connect(controller.cancel)
        self.export.asked.connect(self._export)

    def _connect_workspace(self) -> None:
        controller, events = self.controller, self.controller.workspace.events
        events.source.connect(self._show_source)
        events.reading.connect(self._show_reading)
        events.spec.connect(self._show_model)
        events.diameter.connect(self._show_diameter)
        events.status.connect(self._show_status)
        controller.found.connect(self._show_found)
        controller.advised.connect(self.segment.show_advice)
        controller.failed.connect(show_error)
        controller.ready.connect(self._show_ready)

    def _run(self) -> None:
        self.segment.image.refresh()
        self.controller.run()

    # the workspace changed

    def _show_source(self) -> None:
        self.segment.diameter.stop_measuring()
        self.tune.clear_outcome()
        self._show_place()

    def _show_place(self) -> None:
        source = self.controller.workspace.source
        micrometres = source.pixel_size if source is not None else None
        self.segment.diameter.show_image(self.segment.image.layer, micrometres)
        self.tune.show_pixel_size(micrometres)
        self._show_diameter()

    def _follow_image(self, source: Source, name: str) -> None:
        """Take over that an image has another place, or another name than this one."""
        self.layers.follow(source, name)
        if source is self.controller.workspace.source:
            self._show_place()
            self._show_ready()

    def _show_reading(self) -> None:
        workspace = self.controller.workspace
        self.segment.image.show_readings(self.controller.readings(), workspace.reading)
        self.segment.image.show_choices(workspace.channel, workspace.whole_stack)

    def _show_models(self) -> None:
        self.segment.model.show_models(self.controller.models, self.controller.workspace.model)

    def _show_model(self) -> None:
        self._show_models()
        if self.controller.workspace.spec is None:
            return
        self.tune.clear_outcome()
        self._show_ready()

    def _show_diameter(self) -> None:
        self.segment.diameter.show_diameter(self.controller.workspace.diameter)

    def _show_status(self) -> None:
        status = self.controller.workspace.status
        self.status.show_status(status)
        self.segment.show_reason(status.device_reason)

    def _show_ready(self) -> None:
        controller, workspace = self.controller, self.controller.workspace
        results = controller.results
        has_objects = results is not None and bool(results.slices)
        self.segment.allow_run(controller.obstacle(), again=has_objects and not controller.missing())
        looking = controller.looking
        # who made a model for images like these needs no advice
        own = workspace.spec is not None and workspace.spec.is_fine_tuned
        other = "" if own or looking.suggested == workspace.model else looking.suggested
        self.segment.image.show_look(looking.look, other)
        name = workspace.source.name if workspace.source is not None else ""
        self.export.allow("" if has_objects else "Run the segmentation first.", name)

    def _show_found(self, results: Results, plane: DecodedSlice) -> None:
        self.corrector.show_found(results, plane)
        if plane.window is not None:
            return
        seconds = time.perf_counter() - plane.asked if plane.asked else None
        self.tune.show_outcome(results.n_objects, seconds)
        if plane.index != self.controller.workspace.index:
            return
        if not plane.asked:
            if not self._has_found:  # later they stay as the user folded them
                self._has_found = True
                self._tune_section.open()
                self._export_section.open()
            self._show_ready()

    def _show_corrected(self) -> None:
        """Say how many objects there are after an edit."""
        results = self.controller.results
        if results is not None and results.slices:
            self.tune.show_outcome(results.n_objects, None)

    def _export(self, paths: dict[Any, Path]) -> None:
        results = self.controller.results
        if results is not None:
            layer = self.layers.labels_layer(results)
            labels = results.labels() if layer is None else layer.data
            self.controller.export(paths, labels)


def _release(controller: Controller, parts: tuple[Any, ...]) -> None:
    for part in parts:
        part.release()
    controller.close()


def once(call: Callable[[], None]) -> Callable[..., bool]:
    """Give a callable that calls this the first time only, and tells whether it did."""
    calls = [call]

    def do(*_: object) -> bool:
        if not calls:
            return False
        calls.pop()()
        return True

    return do
