"""Wires the Look section to the session and the viewer: views, selection, reasons, the plot and its lasso."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import DirectLabelColormap
from qtpy.QtCore import QObject, QTimer
from qtpy.QtGui import QColor

from napari_instseg.core.method import View
from napari_instseg.inspecting.lens import Pixel
from napari_instseg.inspecting.plot import Plot, Projection, make_plot
from napari_instseg.inspecting.views import Inspector, why_not
from napari_instseg.inspecting.why import Listed, Reason, Reasons, list_objects
from napari_instseg.methods import get_method
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Index
from napari_instseg.session.state import State
from napari_instseg.widgets.camera import look_at
from napari_instseg.widgets.image_choice import ImageChoice
from napari_instseg.widgets.images import pixel_at
from napari_instseg.widgets.inspecting.lens import LENS_KEY, LensTool
from napari_instseg.widgets.inspecting.object_list import NEXT_KEY, PREVIOUS_KEY
from napari_instseg.widgets.inspecting.section import LookSection
from napari_instseg.widgets.layers import Mark, OwnLayers
from napari_instseg.widgets.placement import to_layer
from napari_instseg.widgets.pointer import Pointer

if TYPE_CHECKING:
    from napari import Viewer

    from napari_instseg.widgets.keys import Keys

SETTLED_MS = 200
"""The list, the reasons and the plot follow the objects when they have stood still for so long."""


def _one_color(color: str) -> DirectLabelColormap:
    return DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: color})


SELECTED = Mark(
    "selected", "Selected object", "labels", look={"colormap": _one_color("white"), "contour": 1, "opacity": 1.0}
)
LASSO = Mark("lasso", "Lasso", "labels", look={"colormap": _one_color("#ffd54f"), "opacity": 0.7})


class InspectingBinder(QObject):
    """Between the Look section, the viewer and the session.

    Parameters
    ----------
    viewer : Viewer
    section : LookSection
    session : Session
    layers : OwnLayers
    image : ImageChoice
    """

    def __init__(
        self,
        viewer: Viewer,
        section: LookSection,
        session: Session,
        layers: OwnLayers,
        image: ImageChoice,
    ) -> None:
        super().__init__(section)
        self._viewer, self._section, self._session = viewer, section, session
        self._layers, self._image = layers, image
        self.selected = 0
        self._plot: Plot | None = None
        self._projection: Projection = "main"
        self._listed: Listed | None = None
        self._labels_layer: Any = None
        self._seen: Results | None = None
        self.inspector = Inspector(self._show_view, session.fail, session.post)
        self.lens = LensTool(section.lens, session, layers, image)
        reasons = Reasons()
        self._reasons = BackgroundWork(
            lambda asked, is_stale: reasons.explain(asked[0], asked[1], asked[2], is_stale),
            self._show_reason,
            session.fail,
            session.post,
        )
        self._plots = BackgroundWork(_draw_plot, lambda answer: self._show_plot(*answer), session.fail, session.post)
        self._pointer = Pointer(viewer, self)
        self._later = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._later.timeout.connect(self._follow_objects)
        self._connect()

    def release(self) -> None:
        """End the threads, and listen to the viewer no more."""
        self._later.stop()
        self._pointer.release()
        self._listen_to(None)
        for part in (self.inspector, self.lens.answers, self._reasons, self._plots):
            part.close()

    @property
    def idle(self) -> bool:
        """Whether all that was asked for is shown."""
        parts = (self.inspector, self.lens.answers, self._reasons, self._plots)
        return not self._later.isActive() and all(part.idle for part in parts)

    def bind(self, keys: Keys) -> None:
        """Bind the keys of the section."""
        section = self._section
        keys.bind(LENS_KEY, "Lens on or off", section.lens.toggle)
        keys.bind(PREVIOUS_KEY, "Previous object in the list", lambda: self.step(-1))
        keys.bind(NEXT_KEY, "Next object in the list, the least certain first", lambda: self.step(1))

    def _connect(self) -> None:
        section = self._section
        self._layers.made.connect(self._watch_labels)
        section.views.toggled.connect(self._toggle_view)
        section.why.chosen.connect(self._go_to)
        section.why.table.color_of = self._color_of
        for part in (section.why_section, section.plot_section):
            part.unfolded.connect(self._follow_objects)
        section.plot.projection_chosen.connect(self._project)
        section.plot.view_lit.connect(self._light)
        section.plot.canvas.lassoed.connect(self._show_lasso)
        self.lens.pinned.connect(self._mark_pixels)
        self._pointer.hovered.connect(self.lens.hover)
        self._pointer.clicked.connect(self.lens.click)
        self._pointer.clicked.connect(self._pick)
        self._session.changed.connect(self._redraw)
        self._show_model()

    # the session changed

    def _redraw(self, before: State, now: State) -> None:
        if now.differs(before, "spec"):
            self._show_model()
        if now.offers_other_work(before):
            self._show_ready()
        made = now.found_since(before)
        if made is not None and now.results is not None:
            self._show_found(now.results, made)
        if now.differs(before, "window"):
            self._light_view()

    def _show_model(self) -> None:
        spec = self._session.state.spec
        if spec is not None:
            self._section.views.show_views(get_method(spec.method).inspect)
            self._show_ready()

    def _show_ready(self) -> None:
        results = self._session.state.results
        if self._seen is not None and (results is None or results.source is not self._seen.source):
            self._forget(self._seen)
        self._seen = results
        self._show_choice()
        self.lens.refresh()
        self._later_follow()

    def _show_choice(self) -> None:
        """Tell which views there are to see: another clusterer, for example, has other results."""
        results, index = self._session.state.results, self._session.state.index
        self._section.views.show_state(
            lambda view: why_not(results, index, view, self.selected),
            lambda view: results is not None and self._layers.shows(results, view),
        )

    def _show_found(self, results: Results, plane: DecodedSlice) -> None:
        self._watch_labels(results)
        if not plane.asked:
            self._show_ready()
        if plane.window is not None or plane.index != self._session.state.index:
            return
        outputs = results.predictions[plane.index].outputs if plane.index in results.predictions else {}
        # what depends on the network's outputs alone is as it was when only a parameter changed
        again = [v for v in self._section.views.wanted() if not plane.asked or not set(v.needs) <= set(outputs)]
        if again:
            self.inspector.ask(results, plane.index, again, self.selected)
        self._later_follow()

    def _later_follow(self) -> None:
        self._later.start()

    def _follow_objects(self) -> None:
        """Bring the list, the reasons and the plot up to date, as far as they are unfolded."""
        results, index = self._session.state.results, self._session.state.index
        self._later.stop()
        self._show_choice()
        self.lens.refresh()
        if results is None or not results.slices:
            return
        if self._section.why_section.opened:
            self._listed = list_objects(results)
            self._section.why.show_objects(self._listed, self.selected)
            self._outline()
            self._ask_why()
        if self._section.plot_section.opened:
            self._plots.ask((results, index, self._projection, self._plot, self._palette(results)))

    def _forget(self, results: Results) -> None:
        """Remove the marks of another image's results, which stay where they are."""
        for mark in (SELECTED, LASSO):
            self._layers.hide_view(results, mark)
        self._listed, self._plot, self.selected = None, None, 0
        self._section.why.show_reason(None)
        self._section.plot.canvas.show_picture(None, None)

    # views

    def _toggle_view(self, view: View, wanted: bool) -> None:
        results = self._session.state.results
        if results is None:
            return
        if wanted:
            index = self._session.state.index
            self.inspector.ask(results, index, self._section.views.wanted(), self.selected)
        else:
            self._layers.hide_view(results, view)

    def _show_view(self, results: Results, view: View, array: Any, index: Index) -> None:
        if not results.same_run(self._session.state.results) or view not in self._section.views.wanted():
            return
        self._layers.show_view(results, view, array, index)
        if view.layer in ("labels", "points", "vectors") and not np.any(array):
            self._session.say(f"{view.title}: there is none.")

    # the selected object

    def select(self, label: int) -> None:
        """Take an object for the one that is asked about; 0 for none."""
        if label == self.selected:
            return
        self.selected = label
        if self._labels_layer is not None and label and self._labels_layer.selected_label != label:
            self._labels_layer.selected_label = label
        self._section.why.show_selected(label)
        self._outline()
        self._ask_why()
        self._light()
        self._show_selection_views()

    def _show_selection_views(self) -> None:
        results, index = self._session.state.results, self._session.state.index
        self._show_choice()
        views = [view for view in self._section.views.wanted() if "selected" in view.needs]
        if views and results is not None:
            self.inspector.ask(results, index, views, self.selected)

    def _watch_labels(self, results: Results) -> None:
        """Follow the selection in the layer of objects, which may be another one now."""
        layer = self._layers.labels_layer(results)
        if layer is not None and layer is not self._labels_layer:
            self._listen_to(layer)

    def _listen_to(self, layer: Any) -> None:
        if self._labels_layer is not None:
            self._labels_layer.events.selected_label.disconnect(self._take_label)
        self._labels_layer = layer
        if layer is not None:
            layer.events.selected_label.connect(self._take_label)

    def _take_label(self, event: Any = None) -> None:
        results = self._session.state.results
        layer = self._layers.labels_layer(results) if results is not None else None
        if layer is not None and layer is self._labels_layer and self._looking:
            self.select(int(layer.selected_label))

    @property
    def _looking(self) -> bool:
        """Whether the user has a part open that is about the selected object."""
        return self._section.why_section.opened or self._section.plot_section.opened

    def _pick(self, position: tuple[float, ...]) -> None:
        results, layer, index = self._session.state.results, self._image.layer, self._session.state.index
        if not self._looking or results is None or layer is None or index not in results.slices:
            return
        found = pixel_at(layer, position, results)
        if found is not None and found[0] == index:
            self.select(int(results.slices[index].labels[found[1]]))

    def step(self, by: int) -> None:
        """Go to the next object of the list, or with -1 to the previous one."""
        self._section.why_section.open()
        self._section.why.step(by)

    def _go_to(self, label: int) -> None:
        """Select an object of the list, and move the view to it."""
        results, listed = self._session.state.results, self._listed
        layer = self._layers.labels_layer(results) if results is not None else None
        self.select(label)
        if listed is None or results is None or layer is None or label not in listed.row_of:
            return
        row = listed.row_of[label]
        place = to_layer(listed.centre[row], results.reading)
        look_at(self._viewer, layer, place, float(listed.area[row]) ** (1 / results.ndim))

    def _outline(self) -> None:
        """Draw a line around the selected object, in the slice in view."""
        results, index = self._session.state.results, self._session.state.index
        if results is None:
            return
        plane = results.slices.get(index)
        mask = plane.labels == self.selected if plane is not None and self.selected else np.zeros(1, bool)
        if not mask.any():
            self._layers.hide_view(results, SELECTED)
            return
        where = [np.flatnonzero(mask.any(axis=tuple(set(range(mask.ndim)) - {axis}))) for axis in range(mask.ndim)]
        start = [max(int(places[0]) - 2, 0) for places in where]
        box = tuple(slice(low, int(places[-1]) + 3) for low, places in zip(start, where, strict=True))
        self._mark(results, SELECTED, mask[box], index, start)

    def _mark(self, results: Results, mark: Mark, mask: Any, index: Index, start: Any = ()) -> None:
        self._layers.show_view(results, mark, mask.astype(np.uint8), index, start)

    def _ask_why(self) -> None:
        results = self._session.state.results
        if not self._section.why_section.opened or results is None or not self.selected:
            self._section.why.show_reason(None)
            self._reasons.drop()
            return
        self._reasons.ask((results, self._session.state.index, self.selected))

    def _show_reason(self, reason: Reason) -> None:
        if reason.label == self.selected:
            self._section.why.show_reason(reason)

    # the plot

    def _project(self, projection: Projection) -> None:
        self._projection = projection
        self._section.plot.canvas.clear_lasso()
        self._show_lasso(None)
        self._follow_objects()

    def _show_plot(self, plot: Plot | None, picture: Any) -> None:
        canvas, results = self._section.plot.canvas, self._session.state.results
        self._plot = plot
        if plot is None or results is None:
            canvas.show_picture(None, None)
            self._section.plot.say("This model gives neither an embedding nor colours.", "warning")
            return
        canvas.show_picture(picture, plot.bar)
        self._section.plot.say("")
        self._light()

    def _palette(self, results: Results) -> Any:
        """Return the colours of the objects as the layer shows them, those of no object grey; uint8 (n + 1, 3)."""
        highest = max(int(plane.ids.max(initial=0)) for plane in results.slices.values())
        palette = np.full((highest + 1, 3), 128, np.uint8)
        if self._labels_layer is not None and highest:
            mapped = self._labels_layer.colormap.map(np.arange(1, highest + 1))
            palette[1:] = np.rint(255 * np.asarray(mapped)[:, :3])
        return palette

    def _color_of(self, label: int) -> QColor | None:
        if self._labels_layer is None:
            return None
        return QColor.fromRgbF(*(float(part) for part in self._labels_layer.colormap.map(np.array([label]))[0][:3]))

    def _light(self) -> None:
        """Light the selected object in the plot, or what is in view."""
        plot, window = self._plot, self._session.state.window
        if plot is None or not self._section.plot_section.opened:
            return
        cells = None
        if self._section.plot.in_view and window is not None and len(window) == plot.cell.ndim:
            mask = np.zeros(plot.cell.shape, bool)
            mask[window] = True
            cells = plot.cells_of(mask)
        elif self.selected:
            mask = plot.labels == self.selected
            cells = plot.cells_of(mask) if mask.any() else None
        self._section.plot.canvas.light(cells)

    def _light_view(self) -> None:
        if self._section.plot.in_view:
            self._light()

    def _mark_pixels(self, pixels: list[Pixel]) -> None:
        places = [self._plot.place(pixel) for pixel in pixels] if self._plot is not None else []
        self._section.plot.canvas.mark([place for place in places if place is not None])

    def _show_lasso(self, corners: Any) -> None:
        results, plot, index = self._session.state.results, self._plot, self._session.state.index
        if results is None or plot is None:
            return
        if corners is None:
            self._layers.hide_view(results, LASSO)
            self._section.plot.say("")
            return
        mask = plot.pixels_in(corners)
        self._mark(results, LASSO, mask, index)
        self._section.plot.say(plot.describe(mask))


def _draw_plot(question: Any, is_stale: Callable[[], bool]) -> Iterator[tuple[Plot | None, Any]]:
    *what, palette = question
    plot = make_plot(*what)
    yield plot, None if plot is None else plot.picture(palette)
