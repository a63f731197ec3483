"""The tools of the Correct section: mouse and keys over the layer of objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.utils import DirectLabelColormap
from qtpy.QtCore import QObject, QTimer, Signal

from napari_instseg.annotating.commands import Annotating, Position
from napari_instseg.core.garbage import short_collection
from napari_instseg.editing.change import Mask, box_of
from napari_instseg.editing.split import stroke
from napari_instseg.session.results import Results
from napari_instseg.session.source import Index, Reading
from napari_instseg.widgets.annotating.section import ACTIONS, Action
from napari_instseg.widgets.images import MARK
from napari_instseg.widgets.layers import Mark, OwnLayers
from napari_instseg.widgets.placement import from_layer, layer_axes, place_like
from napari_instseg.widgets.pointer import STILL

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer, Shapes

BY_NAME = {action.name: action for action in ACTIONS}
STROKES = ("split", "merge", "draw")
"""Tools that are drawn with, so that dragging does not pan."""
PREVIEWING = ("grow", *STROKES)
AFTER_DRAWING_MS = 100
"""Until the canvas has drawn itself without a layer that was hidden."""
LINE_PX = 3.0
"""Width of a stroke on the screen."""
AREA, LINE = 1, 2
"""What a preview shows: an area that one sees through, and lines."""
FLAT = "Objects are corrected in slices. Return to the flat display by the cube at napari's bottom left, or Ctrl+Y."
ROLLED = "Objects are corrected in slices seen from the front. Roll the axes back by Ctrl+E, or turn them by Ctrl+T."
PREVIEW = Mark(
    "preview",
    "Preview",
    "labels",
    look={
        "colormap": DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: "#ffd54f80", 2: "white"}),
        "opacity": 1.0,
    },
)


class EditTools(QObject):
    """Which tool is in the hand, and what the mouse does with it.

    Parameters
    ----------
    viewer : Viewer
    annotating : Annotating
    layers : OwnLayers
    results : callable
        Gives the present results, or None.
    """

    tool_changed = Signal(str)
    """Name of the tool in use; "" for none."""
    stepped = Signal(str)
    """Name of an action of the kind "step" whose key was pressed."""
    refused = Signal(str)
    """Why a tool cannot be used now."""

    def __init__(
        self, viewer: Viewer, annotating: Annotating, layers: OwnLayers, results: Callable[[], Results | None]
    ) -> None:
        super().__init__()
        self._viewer, self._annotating, self._layers, self._results = viewer, annotating, layers, results
        self.tool = ""
        self._layer: ref[Labels] | None = None
        self._image: ref[Layer] | None = None
        self._reading: Reading | None = None
        self._position: Position | None = None
        self._clicked: Position | None = None
        self._shapes: Shapes | None = None
        self._previewed: Results | None = None
        viewer.layers.selection.events.active.connect(self._selected)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._turned)
        viewer.dims.events.order.connect(self._turned)

    def release(self) -> None:
        """Listen to the viewer no more."""
        self._viewer.layers.selection.events.active.disconnect(self._selected)
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._viewer.dims.events.ndisplay.disconnect(self._turned)
        self._viewer.dims.events.order.disconnect(self._turned)
        self._detach()

    @property
    def layer(self) -> Labels | None:
        """The layer of objects, as long as it is there."""
        layer = self._layer() if self._layer is not None else None
        return layer if layer is not None and layer in self._viewer.layers else None

    def attach(self, layer: Labels, reading: Reading, image: Layer | None = None) -> None:
        """Work on this layer of the objects of an image from now on; keys act while the image is selected, too."""
        if self.layer is layer:
            return
        self._detach()
        self._layer, self._reading = ref(layer), reading
        if image is not None:
            self._image = ref(image)
            image.mouse_move_callbacks.append(self._move_over_image)
            _bind(image, self._key_on_image)
        for callbacks, own in self._callbacks(layer):
            callbacks.append(own)
        layer.events.mode.connect(self._other_mode)
        _bind(layer, self._key)

    def _detach(self) -> None:
        """Leave the layer as napari makes it; it may be the user's from now on."""
        self.put_down()
        layer = self._layer() if self._layer is not None else None
        image = self._image() if self._image is not None else None
        self._layer = self._image = None
        if image is not None:
            image.mouse_move_callbacks.remove(self._move_over_image)
            _bind(image, None)
        if layer is None:
            return
        for callbacks, own in self._callbacks(layer):
            callbacks.remove(own)
        layer.events.mode.disconnect(self._other_mode)
        _bind(layer, None)

    def _callbacks(self, layer: Labels) -> tuple[tuple[list[Any], Any], ...]:
        return (
            (layer.mouse_move_callbacks, self._move),
            (layer.mouse_drag_callbacks, self._drag),
            (layer.mouse_wheel_callbacks, self._wheel),
        )

    # choosing

    def take(self, name: str) -> None:
        """Take a tool into the hand, or put it down if it is there already."""
        layer = self.layer
        if name == self.tool or layer is None or not self._flat():
            self.put_down()
            return
        self.put_down()
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        self.tool = name
        if BY_NAME[name].kind == "region":
            self._draw_region(layer, "add_polygon" if name == "polygon" else "add_rectangle")
        layer.mouse_pan = name not in STROKES
        # only meanwhile, since napari has uses of its own for these keys
        layer.bind_key("Escape", lambda _: self.put_down(), overwrite=True)
        layer.bind_key("Space", self._pan_meanwhile, overwrite=True)
        self.tool_changed.emit(name)
        if name in PREVIEWING:
            # now, since making the layer takes so long that the beginning of a stroke would be missed
            results = self._results()
            self._show(np.zeros((1,) * (len(results.shape) if results is not None else 0), np.uint8), (), ())
        if name == "grow" and self._position is not None:
            self._show_growth(self._position)

    def put_down(self) -> None:
        """Use no tool; the mouse pans and zooms again."""
        layer, shapes, tool = self.layer, self._shapes, self.tool
        self.tool, self._shapes, self._clicked = "", None, None
        self.hide_preview()
        if not tool:
            return
        if shapes is not None and shapes in self._viewer.layers:
            with short_collection():
                self._viewer.layers.remove(shapes)
        if layer is not None:
            layer.mouse_pan = layer.mouse_zoom = True
            layer.bind_key("Escape", None)
            layer.bind_key("Space", None)
            if shapes is not None:
                self._viewer.layers.selection.active = layer
        self.tool_changed.emit("")

    def _pan_meanwhile(self, layer: Labels) -> Iterator[None]:
        """Let dragging pan while the key is held."""
        layer.mouse_pan = True
        yield
        layer.mouse_pan = self.tool not in STROKES

    def _selected(self, event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if self.tool and active is not None and active is not self.layer and active is not self._shapes:
            if MARK in active.metadata:
                return  # a layer of ours that just came up; the selection returns to the objects
            self.put_down()

    def _removed(self, event: Any) -> None:
        """Put the tool down when the user removes what it is used on."""
        if self.tool and event.value in (self._shapes, self._layer() if self._layer is not None else None):
            self.put_down()

    def _turned(self, event: Any = None) -> None:
        if self.tool and not self._flat():
            self.put_down()

    def _flat(self) -> bool:
        """Tell whether slices are shown, which is where tools work; say so if not."""
        dims = self._viewer.dims
        layer, reading = self.layer, self._reading
        planes: tuple[int, ...] = (dims.ndim - 2, dims.ndim - 1)
        if layer is not None and reading is not None:
            axes, lead = layer_axes(reading), dims.ndim - layer.ndim
            planes = tuple(lead + axes.index(axis) for axis in reading.plane_axes)
        if dims.ndisplay == 2 and tuple(dims.displayed) == planes:
            return True
        self.refused.emit(FLAT if dims.ndisplay != 2 else ROLLED)
        return False

    def _other_mode(self, event: Any = None) -> None:
        layer = self.layer
        if layer is not None and str(layer.mode) != "pan_zoom":
            self.put_down()

    # the mouse

    def _key(self, action: Action) -> None:
        if action.kind == "step":
            self.stepped.emit(action.name)
        elif action.kind == "object" and self._position is not None:
            if self._flat():
                getattr(self._annotating, action.name)(self._position)
        else:
            self.take(action.name)

    def _key_on_image(self, action: Action) -> None:
        """Do what a key does, on the objects over the image that is selected."""
        if self.layer is not None:
            self._viewer.layers.selection.active = self.layer
            self._key(action)

    def _move_over_image(self, image: Layer, event: Any) -> None:
        if self.layer is not None:
            self._position = self._place(self.layer, event)

    def _move(self, layer: Labels, event: Any) -> None:
        self._position = self._place(layer, event)
        if self.tool == "grow":
            self._show_growth(self._position)

    def _wheel(self, layer: Labels, event: Any) -> None:
        if self.tool == "grow" and not layer.mouse_zoom and self._position is not None:
            self._annotating.turn_threshold(float(np.sign(event.delta[1])))
            self._show_growth(self._position)

    def _drag(self, layer: Labels, event: Any) -> Iterator[None]:
        kind = BY_NAME[self.tool].kind if self.tool else ""
        if event.button != 1 or kind not in ("tool", "object") or self._viewer.dims.ndisplay != 2:
            return
        if self.tool in STROKES and layer.mouse_pan:
            return  # while Space is held
        tool, begin = self.tool, np.array(event.pos)
        line = [self._place(layer, event)]
        farthest = 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(np.array(event.pos) - begin).max()))
            line.append(self._place(layer, event))
            if tool in STROKES and farthest > STILL:
                self._show_stroke(line, closed=tool == "draw")
            yield
        if self.tool != tool:
            return
        if farthest <= STILL:
            self._click(line[0])
        elif tool in STROKES:
            self._stroke(line)

    def _click(self, position: Position) -> None:
        annotating = self._annotating
        if self.tool not in ("split", "merge"):
            if self.tool == "draw":
                return
            getattr(annotating, self.tool)(position)
            if self.tool == "grow":
                self.hide_preview()
        elif self._clicked is None:
            if annotating.object_at(position):
                self._clicked = position
                self._show_stroke([position])
        else:
            first, self._clicked = self._clicked, None
            self.hide_preview()
            if self.tool == "split":
                annotating.split([first, position])
            else:
                annotating.merge([first, position], between=False)

    def _stroke(self, line: list[Position]) -> None:
        self._clicked = None
        self.hide_preview()
        act = {"split": self._annotating.split_by_line, "merge": self._annotating.merge, "draw": self._annotating.draw}
        act[self.tool](line)

    def _place(self, layer: Labels, event: Any) -> Position:
        return self._place_of(layer.world_to_data(event.position))

    def _place_of(self, values: Sequence[float]) -> Position:
        """Return a place in the label image, which may have an axis less than its layer."""
        return from_layer(values, self._reading) if self._reading is not None else tuple(map(float, values))

    # regions

    def _draw_region(self, layer: Labels, mode: str) -> None:
        self._shapes = self._viewer.add_shapes(
            ndim=layer.ndim,
            name="complete region",
            face_color="transparent",
            edge_color="#26c6da",
            edge_width=max(LINE_PX / self._zoom(), 0.1),
            metadata={MARK: "region"},
            **place_like(layer),
        )
        self._shapes.mode = mode
        self._shapes.events.data.connect(self._region_drawn)
        self._shapes.bind_key("Escape", lambda _: self.put_down(), overwrite=True)
        self._viewer.layers.selection.active = self._shapes

    def _region_drawn(self, event: Any) -> None:
        if self._shapes is None or str(getattr(event, "action", "")) not in ("added", "ActionType.ADDED"):
            return
        corners = [self._place_of(corner) for corner in self._shapes.data[-1]]
        complete = self.tool != "unmark"
        self.put_down()
        self._annotating.mark(corners, complete)

    # what is seen while a tool is used

    def _show_growth(self, position: Position) -> None:
        found = self._annotating.preview(position)
        layer = self.layer
        if layer is not None:
            layer.mouse_zoom = found is None  # else the wheel is for the threshold
        if found is None:
            self.hide_preview()
            return
        index, box, inside = found
        self._show(inside * np.uint8(AREA), index, [part.start for part in box])

    def _show_stroke(self, line: list[Position], closed: bool = False) -> None:
        annotation = self._annotating.annotation
        if annotation is None:
            return
        stack = annotation.labels.ndim - annotation.ndim
        shape = annotation.labels.shape[stack:]
        points = [position[stack:] for position in ([*line, line[0]] if closed else line)]
        try:
            track = stroke(points, shape)
        except ValueError:
            return  # outside of the image
        width = max(round(LINE_PX / self._zoom() * (3 if len(line) == 1 else 1)), 1)
        low = np.maximum(track.min(axis=0) - width, 0)
        high = np.minimum(track.max(axis=0) + width + 1, shape)
        drawn = np.zeros(tuple(high - low), np.uint8)
        drawn[tuple((track - low).T)] = LINE
        if width > 1:
            from scipy import ndimage

            drawn = ndimage.maximum_filter(drawn, (*(1,) * (drawn.ndim - 2), width, width))
        self._show(drawn, tuple(round(at) for at in line[0][:stack]), low.tolist())

    def outline(self, index: Index, inside: Mask) -> None:
        """Draw a line around an object of a slice, until something else is shown."""
        from scipy import ndimage

        box = box_of(inside, 2)
        flat = np.ones((*(1,) * (inside.ndim - 2), 3, 3), bool)
        around = ndimage.binary_dilation(inside[box], flat) & ~inside[box]
        self._show(around * np.uint8(LINE), index, [part.start for part in box])

    def _zoom(self) -> float:
        """Return the size of a pixel on the screen."""
        layer = self.layer
        camera = getattr(self._viewer, "scene", self._viewer).camera
        return float(camera.zoom) * abs(float(layer.scale[-1]) if layer is not None else 1.0)

    def _show(self, array: Any, index: Any, start: Any) -> None:
        results = self._results()
        if results is None:
            return
        self._layers.show_view(results, PREVIEW, array, index, start)
        self._previewed = results
        layer = self._layers.find(results, PREVIEW)
        if layer is not None and not layer.visible:
            layer.visible = True

    def hide_preview(self) -> None:
        """Show no preview."""
        if self._previewed is None:
            return
        layer = self._layers.find(self._previewed, PREVIEW)
        if layer is not None:
            layer.visible = False
        if not self.tool:
            # removed once a drawing that was asked for is done: it would miss the textures of a layer that is gone
            QTimer.singleShot(AFTER_DRAWING_MS, partial(self._drop, self._previewed))
            self._previewed = None

    def _drop(self, results: Results) -> None:
        """Remove the layer of a preview, unless it shows something again or soon will."""
        layer = self._layers.find(results, PREVIEW)
        if layer is not None and not layer.visible and self.tool not in PREVIEWING:
            self._layers.hide_view(results, PREVIEW)


def _bind(layer: Layer, call: Callable[[Action], None] | None) -> None:
    """Let the keys of the actions call something while a layer is selected; None gives them back to napari."""
    for action in ACTIONS:
        if action.key and action.name != "put_down":
            own = None if call is None else _calling(call, action)
            layer.bind_key(_binding(action.key), own, overwrite=True)


def _calling(call: Callable[[Action], None], action: Action) -> Callable[[Layer], None]:
    return lambda _layer: call(action)  # a function, since napari asks what a key calls for its name


def _binding(key: str) -> str:
    """Return a key as napari writes it: on macOS the command key, as with napari's own undo."""
    return key.replace("Ctrl+", "Meta+") if sys.platform == "darwin" else key
