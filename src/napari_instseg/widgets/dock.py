"""The dock: sections in the order of the work above a status line. It only puts them together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_instseg.annotating.commands import Annotating
from napari_instseg.segmenting.advice import Advice
from napari_instseg.segmenting.segmenting import Segmenting
from napari_instseg.session.session import Session
from napari_instseg.session.state import State
from napari_instseg.tuning.values import Tuning
from napari_instseg.widgets.annotating.binder import AnnotatingBinder
from napari_instseg.widgets.annotating.section import CorrectSection
from napari_instseg.widgets.inspecting.binder import InspectingBinder
from napari_instseg.widgets.inspecting.section import LookSection
from napari_instseg.widgets.keys import Keys
from napari_instseg.widgets.layers import OwnLayers, load_labels
from napari_instseg.widgets.parts import SPACE, Section, column
from napari_instseg.widgets.posting import Poster
from napari_instseg.widgets.projects.binder import ProjectsBinder
from napari_instseg.widgets.projects.rest import RestNote
from napari_instseg.widgets.projects.section import RetrainSection
from napari_instseg.widgets.segmenting.binder import SegmentingBinder
from napari_instseg.widgets.segmenting.export import ExportSection
from napari_instseg.widgets.segmenting.section import RUN_KEY, SegmentSection
from napari_instseg.widgets.status import CANCEL_KEY, StatusLine
from napari_instseg.widgets.tuning.binder import TuningBinder
from napari_instseg.widgets.tuning.section import REDO_KEY, UNDO_KEY, TuneSection

if TYPE_CHECKING:
    from napari import Viewer

WIDTH = 320
LOAD_AFTER_MS = 500
"""After the dock has opened, what the first run needs is loaded behind it."""
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
        Folder of the presets, of the list of projects and of corrections that are in none; the user's folders if None.
    """

    def __init__(self, napari_viewer: Viewer, presets: Path | None = None) -> None:
        super().__init__()
        self.setMinimumWidth(WIDTH)
        # napari hands plugins a proxy that wraps each layer anew, so that one could not be told from another
        napari_viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session = session = Session(Poster(self))
        self.segmenting = Segmenting(session, load_labels)
        self.tuning = Tuning(session, presets)
        self.annotating = Annotating(session)
        self.layers = OwnLayers(napari_viewer, lambda text: session.say(text, "warning"), self)
        self.segment, self.export = SegmentSection(napari_viewer), ExportSection()
        self.tune = TuneSection(napari_viewer)
        self.look = LookSection()
        self.correct = CorrectSection()
        self.retrain = RetrainSection()
        self.rest = RestNote()
        self.keys = Keys(self)
        self.status = StatusLine()
        self._has_found = False
        self._tune_section = Section("Tune", self.tune, opened=False)
        self._look_section = Section("Look", self.look, opened=False)
        self._correct_section = Section("Correct", self.correct, opened=False)
        self._retrain_section = Section("Retrain", self.retrain, opened=False)
        self._lay_out()
        image = self.segment.image
        self.segmenter = SegmentingBinder(self.segment, self.export, session, self.segmenting, self.layers)
        self.corrector = AnnotatingBinder(napari_viewer, self.correct, session, self.annotating, self.layers)
        self.tuner = TuningBinder(self.tune, session, self.tuning)
        self.explorer = InspectingBinder(napari_viewer, self.look, session, self.layers, image)
        self.retrainer = ProjectsBinder(
            napari_viewer, self.retrain, session, image, self.segmenting.run, self.rest, presets
        )
        self.segment.advice_taken.connect(self._follow_advice)
        self.status.cancelled.connect(session.cancel)
        session.failed.connect(show_error)
        session.changed.connect(self._redraw)
        self.keys.bind(RUN_KEY, "Run", self.segmenter.run)
        self.keys.bind(CANCEL_KEY, "Cancel what runs", session.cancel)
        self.keys.bind(UNDO_KEY, "Undo the last change of a value", self.tuning.undo)
        self.keys.bind(REDO_KEY, "Redo it", self.tuning.redo)
        self.explorer.bind(self.keys)
        self.corrector.list_keys(self.keys)
        image.start()
        loading = QTimer(self, singleShot=True, interval=LOAD_AFTER_MS)
        loading.timeout.connect(self.segmenting.load)
        loading.start()
        # the widgets may be gone when this is called, their Python sides are not
        binders = (self.retrainer, self.corrector, self.explorer, self.tuner, self.segmenter)
        works = (self.segmenting, self.tuning, session)
        self.stop = once(lambda: _release(binders, works))
        self.destroyed.connect(self.stop)

    @property
    def idle(self) -> bool:
        """Whether nothing runs, is decoded or looked at, and nothing of that waits to be shown."""
        return self.session.idle and self.tuning.idle and self.segmenting.idle

    def changeEvent(self, event: QEvent) -> None:
        """End when napari takes the widget out of its dock, which is how the X closes a plugin; hiding does not."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.end()

    def end(self) -> None:
        """Stop all that works, save, give the project back, and leave the viewer with images and objects."""
        self.retrainer.leave()
        if self.stop():
            self.layers.release()
            self.segment.diameter.stop_measuring()
            self.deleteLater()

    def _lay_out(self) -> None:
        inner = QWidget()
        keys = Section("Keys", self.keys, opened=False)
        steps = (self._tune_section, self._look_section, self._correct_section, self._retrain_section, keys)
        self._steps = steps
        for step in steps:
            step.unfolded.connect(partial(_fold_others, step, steps))
        inner.setLayout(
            column(
                self.rest,
                Section("Segment", self.segment),
                *steps,
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
        self.export.setContentsMargins(SPACE, SPACE, SPACE, 0)
        self.setLayout(column(scroll, self.export, self.status))
        self.layout().setStretch(0, 1)

    def _redraw(self, before: State, now: State) -> None:
        if now.differs(before, "status"):
            self.status.show_status(now.status)
        made = now.found_since(before)
        has_run = made is not None and made.window is None and not made.asked and made.index == now.index
        if has_run and not self._has_found:  # later they stay as the user folded them
            self._has_found = True
            if not any(step.opened for step in self._steps):
                self._tune_section.open()

    def _follow_advice(self, advice: Advice) -> None:
        """Do what an advice offers."""
        parameters = self.session.state.parameters
        if advice.parameters and parameters is not None:
            self.tuning.take(parameters.changed(**advice.parameters))
            self.tuning.apply()
        self.segmenting.follow(advice)


def _fold_others(opened: Section, sections: tuple[Section, ...]) -> None:
    """Leave one section open: one fits on a screen."""
    for section in sections:
        if section is not opened:
            section.close_up()


def _release(binders: tuple[Any, ...], works: tuple[Any, ...]) -> None:
    for binder in binders:
        binder.release()
    for work in works:
        work.close()


def once(call: Callable[[], None]) -> Callable[..., bool]:
    """Return a callable that calls this the first time only, and tells whether it did."""
    calls = [call]

    def do(*_: object) -> bool:
        if not calls:
            return False
        calls.pop()()
        return True

    return do
