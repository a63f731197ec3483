"""The choice of the layer whose objects are right, to score and to fit to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_instseg.core.method import Array
from napari_instseg.widgets.layers import MARK
from napari_instseg.widgets.parts import Choice, column, labelled

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

CALM_MS = 300
NONE = "none"


class TruthChoice(QWidget):
    """Which Labels layer holds true objects, and whether all of them.

    Parameters
    ----------
    viewer : Viewer
    """

    changed = Signal()
    """Another layer was chosen, or the chosen one was painted in."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._shape: tuple[int, ...] = ()
        self._layer: Labels | None = None
        self._choice = Choice(
            "A Labels layer in which you drew or corrected some objects of this image. The strips under the sliders "
            "then show the score against them, and the button below fits the values to them."
        )
        self._all = QCheckBox("These are all objects")
        self._all.setToolTip(
            "Ticked: everything else is background, and what is found there is wrong. Not ticked: nothing is known of "
            "the rest of the image; only these objects are judged, and what is found on them."
        )
        self._all.hide()
        self.setLayout(column(labelled("My objects", self._choice), self._all))
        self._calm = QTimer(self, singleShot=True, interval=CALM_MS)
        self._calm.timeout.connect(self.changed)
        self._choice.chosen.connect(self.choose)
        self._all.toggled.connect(self.changed)
        for emitter in self._emitters():
            emitter.connect(self._refresh)
        self._refresh()

    def release(self) -> None:
        """Listen to the viewer no more."""
        for emitter in self._emitters():
            emitter.disconnect(self._refresh)
        self._listen_to(None)
        self._calm.stop()

    @property
    def layer(self) -> Labels | None:
        """The layer that was chosen, as long as it is there."""
        return self._layer

    def show_shape(self, shape: tuple[int, ...]) -> None:
        """Offer layers of this shape only."""
        if shape != self._shape:
            self._shape = shape
            self._refresh()

    def choose(self, layer: Labels | None) -> None:
        """Take a layer, or none."""
        if layer is self._layer:
            return
        self._listen_to(layer)
        self._choice.show_value(layer)
        self._all.setVisible(layer is not None)
        self.changed.emit()

    def read(self) -> Array | None:
        """Give what is known: above 0 objects, 0 background, -1 unknown; None if no layer is chosen."""
        if self._layer is None:
            return None
        from napari_instseg.inference.fit import only_objects

        labels = np.asarray(self._layer.data)
        return labels.astype(np.int32) if self._all.isChecked() else only_objects(labels)

    def _emitters(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _refresh(self, event: object = None) -> None:
        from napari.layers import Labels

        fitting = [
            layer
            for layer in reversed(self._viewer.layers)
            if isinstance(layer, Labels)
            and MARK not in layer.metadata
            and not layer.multiscale
            and tuple(layer.data.shape) == self._shape
        ]
        for layer in fitting:
            layer.events.name.disconnect(self._refresh)
            layer.events.name.connect(self._refresh)
        self._choice.offer([(NONE, None), *((layer.name, layer) for layer in fitting)], self._layer)
        self.choose(self._layer if self._layer in fitting else None)

    def _listen_to(self, layer: Labels | None) -> None:
        if self._layer is not None:
            for emitter in (self._layer.events.paint, self._layer.events.data, self._layer.events.labels_update):
                emitter.disconnect(self._painted)
        self._layer = layer
        if layer is not None:
            for emitter in (layer.events.paint, layer.events.data, layer.events.labels_update):
                emitter.connect(self._painted)

    def _painted(self, event: object = None) -> None:
        self._calm.start()
