"""Between the viewer's layers and the session: images in, results out, refreshed in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_instseg.core.garbage import short_collection
from napari_instseg.core.method import Array, View
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Results
from napari_instseg.session.source import Index, Source
from napari_instseg.widgets.images import MARK
from napari_instseg.widgets.painting import draw_next_turn, next_turn
from napari_instseg.widgets.placement import Placement, in_slice, kept_of, shown_as, slice_as

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

OBJECTS = "objects"
DESCRIBE_AFTER_MS = 150
LIMITS_FROM = 100_000
"""Values that the display limits of a view are found from."""
OPACITY = 0.5
"""Of objects: the image is seen through them."""


@cache
def load_labels() -> None:
    """Load what napari's first Labels layer needs, in any thread: a tenth of a second that the window's is spared.

    A layer that no viewer shows is made for it and thrown away, and so are the dashes that its outlines may have.
    """
    from napari.layers import Labels

    layer = Labels(np.zeros((4, 4), np.int32))
    layer.colormap.map(layer.data)
    with suppress(ImportError):
        from vispy.visuals.line.dash_atlas import DashAtlas

        DashAtlas()


@dataclass(frozen=True)
class Mark:
    """A layer of the window's own beside the method's views, such as the lens.

    Parameters
    ----------
    name, title, layer, colormap, limits
        As those of a `View`.
    look : mapping
        Properties of the layer when it is made.
    """

    name: str
    title: str
    layer: str
    colormap: str = "gray"
    limits: tuple[float, float] | None = None
    look: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class _Own:
    """A layer that was made here."""

    layer: ref[Layer]
    name: str
    data: Any
    place: Placement


class OwnLayers:
    """The layers that show results: made once, then refreshed.

    A layer that the user deleted is made again; one that was renamed or given other data is the user's from then on,
    and the next result goes to a new layer. What the user painted in objects is a correction, see `Annotation`.

    Parameters
    ----------
    viewer : Viewer
    tell : callable
        Gets a sentence when a layer is left to the user.
    part : QWidget
        The dock: while it is there, layers are made, and its window is drawn in a later turn of the event loop.
    """

    made = Signal(object)
    """The layer of objects of these `Results` is there."""

    def __init__(self, viewer: Viewer, tell: Callable[[str], None], part: QWidget) -> None:
        self._viewer, self._tell, self._part = viewer, tell, part
        self._own: dict[tuple[str, str], _Own] = {}
        self._to_make: dict[tuple[str, str], tuple[Results, Annotation]] = {}
        self._to_fill: dict[tuple[str, str], Labels] = {}
        self._described: Results | None = None
        self._describe = QTimer(singleShot=True, interval=DESCRIBE_AFTER_MS)
        self._describe.timeout.connect(self._describe_objects)

    def labels_layer(self, results: Results) -> Labels | None:
        """Return the layer that shows the objects of these results, as far as it is still there."""
        own = self._own.get((results.source.name, OBJECTS))
        layer = own.layer() if own is not None else None
        return layer if layer is not None and layer in self._viewer.layers else None

    def show_objects(self, results: Results, corrections: Annotation) -> None:
        """Show the objects as they are now; what is known of each follows when changes pause.

        The layer holds the very array of the corrections, so that what is painted in it is painted there. Napari takes
        most of 100 ms to make one, so it is made in one later turn of the event loop and filled in the next; `made`
        tells when.
        """
        key = (results.source.name, OBJECTS)
        self._described = results
        self._describe.start()
        own = self._alive(key) or self._found_again(results, corrections)
        same = own is not None and kept_of(own.data, own.place.reading).shape == results.shape
        layer = own.layer() if own is not None and same and own.place.grid == Placement(results.reading).grid else None
        if own is None or layer is None:
            if any(_holds(other, corrections.labels) for other in self._viewer.layers):
                corrections.move()  # a layer that the user took over keeps what it shows
            if key not in self._to_make:
                next_turn(self._part, lambda: self._make_objects(key))
            self._to_make[key] = (results, corrections)
        elif not _holds(layer, corrections.labels):
            layer.data = own.data = shown_as(corrections.labels, results.reading)
        else:
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _found_again(self, results: Results, corrections: Annotation) -> _Own | None:
        """Go on with the layer that an earlier dock made for these corrections, if it is as that left it."""
        key = (results.source.name, OBJECTS)
        for layer in self._viewer.layers if key not in self._to_make else ():
            known = layer.metadata.get(MARK) == OBJECTS and layer.name == f"{results.source.name} {OBJECTS}"
            if known and _holds(layer, corrections.labels) and layer.ndim == len(Placement(results.reading).axes):
                self._keep(key, layer, Placement(results.reading))
                return self._own[key]
        return None

    def follow(self, source: Source, name: str) -> None:
        """Let the results of an image that was called `name` lie where it is now, and be called after it."""
        for key in [key for key in self._own if key[0] == name]:
            own = self._alive(key)
            layer = own.layer() if own is not None else None
            if own is None or layer is None:
                continue
            for what, value in own.place.in_world(source).items():
                setattr(layer, what, value)
            if name != source.name:
                layer.name = source.name + own.name.removeprefix(name)
                own.name = layer.name
                self._own[source.name, key[1]] = self._own.pop(key)

    def release(self) -> None:
        """Leave the objects to the user, and remove all else."""
        self._describe.stop()
        shown = [self._alive(key, tell=False) for key in list(self._own) if key[1] != OBJECTS]
        for layer in [*self._to_fill.values(), *(own.layer() for own in shown if own is not None)]:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        for kept in (self._to_make, self._to_fill, self._own):
            kept.clear()

    def _make_objects(self, key: tuple[str, str]) -> None:
        if key not in self._to_make:
            return  # the dock was closed
        results, _ = self._to_make[key]
        draw_next_turn(self._part)
        layer = self._viewer.add_labels(
            shown_as(np.zeros((1,) * len(results.shape), np.int32), results.reading),
            name=f"{results.source.name} {OBJECTS}",
            metadata={MARK: OBJECTS},
            opacity=OPACITY,
            **Placement(results.reading).in_world(results.source),
        )
        self._to_fill[key] = layer
        next_turn(self._part, lambda: self._fill_objects(key))

    def _fill_objects(self, key: tuple[str, str]) -> None:
        if key not in self._to_fill:
            return
        layer, (results, corrections) = self._to_fill.pop(key), self._to_make.pop(key)
        layer.data = shown_as(corrections.labels, results.reading)
        self._keep((results.source.name, OBJECTS), layer, Placement(results.reading))
        self._described = results
        self._describe.start()  # again, where that was due before there was a layer
        self.made.emit(results)

    @property
    def idle(self) -> bool:
        """Whether the layers are there, and tell all that is known of their objects."""
        return not self._to_make and not self._describe.isActive()

    def _describe_objects(self) -> None:
        layer = self.labels_layer(self._described) if self._described is not None else None
        if layer is not None and self._described is not None:
            layer.features = _features(self._described)
            layer.refresh(extent=False, data_displayed=False, highlight=False)
        self._described = None

    def show_view(
        self, results: Results, view: View | Mark, array: Array, index: Index, start: Sequence[int] = ()
    ) -> None:
        """Show one of the method's views of a slice.

        Parameters
        ----------
        results, view, index
            What of what is shown.
        array : array
            What the view computed. One that lies in the memory of what is shown already is taken as written in place,
            and only drawn anew.
        start : sequence of int
            Place of its first pixel in the slice, where it is a part of that.
        """
        key = (results.source.name, view.name)
        own = self._alive(key)
        data, extra = _in_stack(view, array, results, index)
        place = Placement.within(results.reading, index, start, extra)
        placed = place.in_world(results.source)
        layer = own.layer() if own is not None else None
        if own is not None and layer is not None and layer.ndim == len(placed["scale"]):
            own.place = place
            if np.may_share_memory(own.data, data) and own.data.shape == data.shape:
                layer.refresh(extent=False, thumbnail=False, highlight=False)
            else:
                layer.data = own.data = data
            if list(layer.translate) != placed["translate"]:
                layer.translate = placed["translate"]
            return
        name = f"{results.source.name} {view.title.lower()}"
        selected = list(self._viewer.layers.selection)
        layer = self._add(view, data, name, {**placed, "metadata": {MARK: view.name}})
        for name, value in view.look.items() if isinstance(view, Mark) and view.layer != "points" else ():
            setattr(layer, name, value)
        self._keep(key, layer, place)
        # the user goes on with the layer that was active, not with one that came up beside it
        if selected:
            self._viewer.layers.selection = set(selected)

    def find(self, results: Results, view: View | Mark) -> Layer | None:
        """Return a view's layer, if it is there and still ours."""
        own = self._alive((results.source.name, view.name), tell=False)
        return own.layer() if own is not None else None

    def hide_view(self, results: Results, view: View | Mark) -> None:
        """Remove a view's layer, unless the user took it over."""
        own = self._alive((results.source.name, view.name))
        layer = own.layer() if own is not None else None
        if layer is not None:
            with short_collection():
                self._viewer.layers.remove(layer)

    def shows(self, results: Results, view: View | Mark) -> bool:
        """Tell whether a view's layer is there."""
        return self._alive((results.source.name, view.name), tell=False) is not None

    def _add(self, view: View | Mark, data: Array, name: str, how: dict[str, Any]) -> Layer:
        viewer = self._viewer
        draw_next_turn(self._part)
        if view.layer == "labels":
            return viewer.add_labels(data, name=name, **how)
        if view.layer == "points":
            points = view.look if isinstance(view, Mark) else {"size": 5, "face_color": "yellow"}
            return viewer.add_points(data, name=name, **points, **how)
        if view.layer == "vectors":
            return viewer.add_vectors(data, name=name, edge_width=0.7, edge_color="yellow", **how)
        limits = view.limits if view.limits is not None or view.layer == "rgb" else _range(data)
        look = {} if view.layer == "rgb" else {"colormap": view.colormap, "contrast_limits": limits}
        # below the objects, so that these stay in sight
        layer = viewer.add_image(data, name=name, rgb=view.layer == "rgb", **look, **how)
        objects = [i for i, other in enumerate(viewer.layers) if other.metadata.get(MARK) == OBJECTS]
        if objects and viewer.layers.index(layer) > objects[0]:
            viewer.layers.move(viewer.layers.index(layer), objects[0])
        return layer

    def _keep(self, key: tuple[str, str], layer: Layer, place: Placement) -> None:
        self._own[key] = _Own(ref(layer), layer.name, layer.data, place)

    def _alive(self, key: tuple[str, str], *, tell: bool = True) -> _Own | None:
        """Return a layer that is still ours; forget one that is not."""
        own = self._own.get(key)
        if own is None:
            return None
        layer = own.layer()
        if layer is None or layer not in self._viewer.layers:
            del self._own[key]
            return None
        if layer.name != own.name or layer.data is not own.data:
            del self._own[key]
            if tell:
                why = "renamed" if layer.name != own.name else "changed"
                self._tell(f"You {why} '{layer.name}', so it was kept as it is; the new result has its own layer.")
            return None
        return own


def _holds(layer: Layer, labels: Array) -> bool:
    """Return whether a layer shows this very label image, maybe by a view with one more axis."""
    data = layer.data
    return isinstance(data, np.ndarray) and data.size == labels.size and np.may_share_memory(data, labels)


def _features(results: Results) -> Any:
    """Return what is known of each object, with its id as ``index``, as label layers want it."""
    table = results.table().rename(columns={"label": "index"})
    first = ["index", *[name for name in ("score", "class", "area") if name in table]]
    return table[[*first, *[name for name in table if name not in first]]]


def _range(data: Array) -> tuple[float, float] | None:
    """Return the limits of what is shown from a part of it: outliers do not matter, and all channels share them."""
    low, high = np.percentile(data.ravel()[:: max(data.size // LIMITS_FROM, 1)], [1, 99])
    return (float(low), float(high)) if high > low else None


def _in_stack(view: View | Mark, array: Array, results: Results, index: Index) -> tuple[Array, int]:
    """Give a view's array the axes of the stack that its slice is from; and how many axes come before those."""
    if view.layer in ("points", "vectors"):
        kept = in_slice(results.reading, index)
        wide = np.zeros((*array.shape[:-1], len(kept)), array.dtype)
        wide[..., kept] = array
        return wide, 0
    rgb = view.layer == "rgb"
    extra = array.ndim - (len(results.shape) - len(index)) - rgb
    return slice_as(array, results.reading, index, extra), extra
