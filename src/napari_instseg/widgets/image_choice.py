"""The part of the Segment section in which the image and the meaning of its axes are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_instseg.segmenting.appearance import Appearance
from napari_instseg.session.source import Channel, Reading, Source, channels_of, stack_shape
from napari_instseg.widgets.images import describe_source, forget_source, images_in, known_source, view_of
from napari_instseg.widgets.parts import Choice, Note, column, labelled
from napari_instseg.widgets.placement import MOVES

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

LOOK_AFTER_MS = 60


class ImageChoice(QWidget):
    """Which image layer, how its axes are read, which channel, which slices.

    Parameters
    ----------
    viewer : Viewer
    """

    source_chosen = Signal(object)
    """A `Source`, or None when no image is left."""
    source_moved = Signal(object, str)
    """A `Source` that has another place or name, and the name that it had."""
    source_closed = Signal(object)
    """A `Source` whose layer was removed."""
    reading_chosen = Signal(object)
    channel_chosen = Signal(object)
    """A channel, or None for all."""
    whole_stack_chosen = Signal(object)
    """True for all slices, False for the one in view."""
    view_changed = Signal(object, object)
    """The slice in view, and the window of it, or None."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._reading: Reading | None = None
        self._is_turned = False
        self._layer: Image | None = None
        self._source: Source | None = None
        self._followed: list[Image] = []
        self._image = Choice("The image to segment.")
        self._axes = Choice("What the axes of the image are.")
        self._channel = Choice(
            "The channel that shows the objects. Haematoxylin is the blue of stained nuclei, told apart from the brown "
            "or pink that lies over them; try it where a model misses nuclei in tissue."
        )
        self._slices = Choice("Which slices Run segments. Each slice is segmented by itself.")
        self._look = Note()
        self._rows = {
            "axes": labelled("Axes", self._axes),
            "channel": labelled("Channel", self._channel),
            "slices": labelled("Slices", self._slices),
        }
        self.setLayout(column(labelled("Image", self._image), *self._rows.values(), self._look))
        self._image.chosen.connect(self.choose)
        self._axes.chosen.connect(self.reading_chosen)
        self._channel.chosen.connect(self.channel_chosen)
        self._slices.chosen.connect(self.whole_stack_chosen)
        self._later = QTimer(self, singleShot=True, interval=LOOK_AFTER_MS)
        self._later.timeout.connect(self._tell_view)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        viewer.layers.events.reordered.connect(self._refresh)
        viewer.layers.selection.events.active.connect(self._selected)
        viewer.dims.events.current_step.connect(self._later_view)
        self._camera = getattr(viewer, "scene", viewer).camera  # moved there by napari 0.9
        self._camera.events.zoom.connect(self._later_view)
        self._camera.events.center.connect(self._later_view)

    def start(self) -> None:
        """Take the newest image, once all signals are connected."""
        self._refresh()

    def release(self) -> None:
        """Listen to the viewer no more."""
        events = self._viewer.layers.events
        for emitter, callback in (
            (events.inserted, self._inserted),
            (events.removed, self._removed),
            (events.reordered, self._refresh),
            (self._viewer.layers.selection.events.active, self._selected),
            (self._viewer.dims.events.current_step, self._later_view),
            (self._camera.events.zoom, self._later_view),
            (self._camera.events.center, self._later_view),
        ):
            emitter.disconnect(callback)
        self._follow([])
        self._later.stop()

    @property
    def layer(self) -> Image | None:
        """The layer that was chosen, as long as it is there."""
        return self._layer

    def show_readings(self, options: tuple[Reading, ...], reading: Reading | None) -> None:
        """Offer the ways to read the image; rows without a choice are hidden."""
        other, self._reading = reading != self._reading, reading
        if other:
            self._turn_to_planes()
        self._axes.offer([(option.title, option) for option in options], reading)
        self._rows["axes"].setVisible(len(options) > 1)
        source = self.source
        channels = channels_of(source, reading) if source is not None and reading is not None else ()
        self._channel.offer(channels, None)
        self._rows["channel"].setVisible(bool(channels))
        slices = stack_shape(source, reading) if source is not None and reading is not None else ()
        total = 1
        for size in slices:
            total *= size
        self._rows["slices"].setVisible(total > 1)
        self._slices.offer([("The one in view", False), (f"All {total}", True)], False)
        self._tell_view()

    def show_choices(self, channel: Channel | None, whole_stack: bool) -> None:
        """Show what was chosen elsewhere."""
        self._channel.show_value(channel)
        self._slices.show_value(whole_stack)

    def show_look(self, look: Appearance | None, model: str) -> None:
        """Say what the image looks like, and what that means for the model."""
        if look is None:
            self._look.say("")
        elif look.flat:
            self._look.say("All pixels have the same value: there is nothing to segment.", "warning")
        else:
            suits = f" Suggested model: {model}." if model else ""
            kind = f", taken for {look.kind.words}" if look.kind is not None else ""
            doubt = f" {look.kind.warning}" if look.kind is not None and look.kind.warning else ""
            self._look.say(f"The image is {look.words}{kind}.{suits}{doubt}", "warning" if doubt else "plain")

    @property
    def source(self) -> Source | None:
        """The image that was chosen."""
        return self._source

    def refresh(self) -> None:
        """See whether the image is still as it was described."""
        self.choose(self._layer)

    def choose(self, layer: Image | None) -> None:
        """Take another image."""
        self._layer = layer
        self._image.show_value(layer)
        source = describe_source(layer) if layer is not None else None
        if source is not self._source:
            self._source = source
            self.source_chosen.emit(source)

    def _inserted(self, event: object = None) -> None:
        images = images_in(self._viewer)
        newest = getattr(event, "value", None)
        self._refresh()
        if newest is not None and newest in images:
            self.choose(newest)

    def _selected(self, event: Any) -> None:
        """Work on the image that the user selects in the list of layers."""
        if event.value is not self._layer and event.value in images_in(self._viewer):
            self.choose(event.value)

    def _removed(self, event: Any) -> None:
        source = known_source(event.value)
        self._refresh()
        if source is not None:
            self.source_closed.emit(source)

    def _refresh(self, event: object = None) -> None:
        images = images_in(self._viewer)
        self._follow(images)
        keep = self._layer if self._layer in images else next(iter(images), None)
        self._image.offer([(layer.name, layer) for layer in images], keep)
        self._image.setPlaceholderText("no image is open")
        self.choose(keep)

    def _follow(self, images: list[Image]) -> None:
        """Listen to these images, and no others any more."""
        for layer in self._followed:
            layer.events.data.disconnect(self._changed)
            for name in (*MOVES, "name"):
                getattr(layer.events, name).disconnect(self._moved)
        self._followed = images
        for layer in images:
            layer.events.data.connect(self._changed)
            for name in (*MOVES, "name"):
                getattr(layer.events, name).connect(self._moved)

    def _changed(self, event: Any) -> None:
        """Take a layer's new data for another image."""
        forget_source(event.source)
        self.refresh()

    def _moved(self, event: Any) -> None:
        """Tell that an image has another place or name."""
        before = known_source(event.source)
        if before is not None:
            name = before.name
            self.source_moved.emit(describe_source(event.source), name)
        if event.type == "name":
            self._refresh()

    def _later_view(self, event: object = None) -> None:
        self._later.start()

    def _turn_to_planes(self) -> None:
        """Show the picture where its channels come last: the viewer shows the last two axes of what is opened.

        For the next image whose channels do not, the axes are put back.
        """
        layer, reading, dims = self._layer, self._reading, self._viewer.dims
        if layer is None or reading is None or dims.ndisplay != 2:
            return
        if reading.roles[-1] != "channel":
            if self._is_turned:
                self._is_turned = False
                dims.order = tuple(range(dims.ndim))
                self._viewer.reset_view()
            return
        lead = dims.ndim - len(reading.roles)
        planes = tuple(lead + axis for axis in reading.plane_axes)
        if lead >= 0 and tuple(dims.displayed) != planes:
            self._is_turned = True
            dims.order = (*(axis for axis in range(dims.ndim) if axis not in planes), *planes)
            self._viewer.reset_view()

    def _tell_view(self) -> None:
        layer, reading = self._layer, self._reading
        if layer is None or reading is None or layer not in self._viewer.layers:
            return
        index = tuple(view_of(self._viewer, layer, reading.stack_axes))
        window = None
        corners = layer.corner_pixels
        if not layer.multiscale and self._viewer.dims.ndisplay == 2 and "volume" not in reading.roles:
            window = tuple(slice(int(corners[0][axis]), int(corners[1][axis]) + 1) for axis in reading.plane_axes)
        self.view_changed.emit(index, window)
