"""Ties the Segment and the Export section to the session: image, model, object size, Run, advice, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject

from napari_instseg.inference.views import can_average
from napari_instseg.methods import get_method
from napari_instseg.segmenting.segmenting import Segmenting
from napari_instseg.session.session import Session
from napari_instseg.session.source import Source
from napari_instseg.session.state import State
from napari_instseg.widgets.layers import OwnLayers
from napari_instseg.widgets.placement import kept_of
from napari_instseg.widgets.segmenting.export import ExportSection
from napari_instseg.widgets.segmenting.section import SegmentSection


class SegmentingBinder(QObject):
    """Between the Segment and Export sections and the session.

    Parameters
    ----------
    section : SegmentSection
    export : ExportSection
    session : Session
    segmenting : Segmenting
    layers : OwnLayers
    """

    def __init__(
        self,
        section: SegmentSection,
        export: ExportSection,
        session: Session,
        segmenting: Segmenting,
        layers: OwnLayers,
    ) -> None:
        super().__init__(section)
        self._section, self._export, self._session = section, export, session
        self._segmenting, self._layers = segmenting, layers
        self._connect_choices()
        segmenting.advised.connect(section.show_advice)
        segmenting.timed.connect(section.show_price)
        segmenting.suggestion.judged.connect(self._show_ready)
        session.changed.connect(self._redraw)
        section.image.show_readings(session.readings(), session.state.reading)
        self._redraw(State(), session.state)
        self._show_ready()

    def release(self) -> None:
        """Listen to the viewer no more."""
        self._section.image.release()

    def run(self) -> None:
        """Find the objects of the image as it is now."""
        self._section.image.refresh()
        self._segmenting.run()

    def _connect_choices(self) -> None:
        section, session, image = self._section, self._session, self._section.image
        image.source_chosen.connect(session.choose_source)
        image.source_moved.connect(self._follow_image)
        image.source_closed.connect(session.lose_source)
        image.reading_chosen.connect(session.choose_reading)
        image.channel_chosen.connect(session.choose_channel)
        image.whole_stack_chosen.connect(session.choose_whole_stack)
        image.view_changed.connect(session.see)
        section.model.chosen.connect(session.guarded(session.choose_model))
        section.diameter.chosen.connect(session.choose_diameter)
        section.device_chosen.connect(session.choose_device)
        section.accurate_chosen.connect(session.choose_accurate)
        section.run.connect(self.run)
        self._export.asked.connect(self._write)

    def _follow_image(self, source: Source, name: str) -> None:
        """Take over that an image has another place, or another name than this one."""
        self._layers.follow(source, name)
        self._session.move_source(source)

    # the session changed

    def _redraw(self, before: State, now: State) -> None:
        section = self._section
        if now.differs(before, "source"):
            section.diameter.stop_measuring()
            if now.source is not None and now.source.path:
                self._export.start_in(Path(now.source.path).absolute().parent)
        if now.differs(before, "source", "moves"):
            section.diameter.show_image(section.image.layer, now.source.pixel_size if now.source is not None else None)
        if now.differs(before, "source", "moves", "diameter", "found_size", "spec"):
            finds = now.spec is not None and now.spec.knows_sizes
            section.diameter.show_diameter(now.diameter, now.found_size, finds=finds)
        if now.differs(before, "source", "reading"):
            section.image.show_readings(self._session.readings(), now.reading)
        if now.differs(before, "source", "reading", "channel", "whole_stack"):
            section.image.show_choices(now.channel, now.whole_stack)
        if now.differs(before, "models", "model"):
            section.model.show_models(dict(now.models), now.model)
        if now.differs(before, "spec"):
            section.allow_accurate(now.spec is not None and can_average(get_method(now.spec.method)))
        if now.differs(before, "status"):
            section.show_reason(now.status.device_reason)
        if now.offers_other_work(before) or now.differs(before, "moves", "parameters", "diameter", "whole_stack"):
            self._show_ready()

    def _show_ready(self) -> None:
        session, state, suggestion = self._session, self._session.state, self._segmenting.suggestion
        again = state.has_objects and not session.missing()
        self._section.allow_run(session.obstacle(), again=again, done=self._segmenting.goes_on())
        # who made a model for images like these needs no advice
        own = state.spec is not None and state.spec.is_fine_tuned
        other = "" if own or suggestion.suggested == state.model else suggestion.suggested
        self._section.image.show_look(suggestion.look, other)
        name = state.source.name if state.source is not None else ""
        self._export.allow("" if state.has_objects else "Run the segmentation first.", name)

    def _write(self, paths: dict[Any, Path]) -> None:
        results = self._session.state.results
        if results is not None:
            layer = self._layers.labels_layer(results)
            self._segmenting.export(paths, results.labels() if layer is None else kept_of(layer.data, results.reading))
