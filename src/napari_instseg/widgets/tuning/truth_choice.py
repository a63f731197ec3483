"""The choice of the objects that are right, to score and to fit to: what was corrected, or a layer of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_instseg.core.method import Array
from napari_instseg.widgets.images import MARK
from napari_instseg.widgets.parts import Choice, column, labelled

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_instseg.session.annotation import Annotation

CALM_MS = 300
NONE, CORRECTED = "none", "what I corrected"


class TruthChoice(QWidget):
    """Which objects are true: those that the user corrected or accepted, or those of a Labels layer.

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
        self._corrections: Callable[[], Annotation | None] = lambda: None
        self._chosen: Labels | str | None = None
        self._by_user = False
        self._choice = Choice(
            "Objects that are right: those that you corrected or accepted, or a Labels layer in which you drew some. "
            "The strips under the sliders then show the score against them, and the button below fits the values to "
            "them."
        )
        self._all = QCheckBox("These are all objects")
        self._all.setToolTip(
            "Ticked: everything else is background, and what is found there is wrong. Not ticked: nothing is known of "
            "the rest of the image; only these objects are judged, and what is found on them."
        )
        self._all.hide()
        self.setLayout(column(labelled("My objects", self._choice), self._all))
        self._fitting: list[Labels] = []
        self._calm = QTimer(self, singleShot=True, interval=CALM_MS)
        self._calm.timeout.connect(self.changed)
        self._choice.chosen.connect(self._choose_by_user)
        self._all.toggled.connect(self.changed)
        for emitter in self._emitters():
            emitter.connect(self._refresh)
        self._refresh()

    def release(self) -> None:
        """Listen to the viewer no more."""
        for emitter in self._emitters():
            emitter.disconnect(self._refresh)
        self._follow([])
        self._listen_to(None)
        self._calm.stop()

    @property
    def chosen(self) -> bool:
        """Whether there are objects to fit to."""
        return self._chosen is not None

    def offer_corrections(self, corrections: Callable[[], Annotation | None]) -> None:
        """Offer what was corrected too; `corrections` gives that of the present image."""
        self._corrections = corrections
        self._refresh()

    def corrected(self) -> None:
        """Take note that something was corrected; it is chosen unless the user chose otherwise."""
        self._refresh()
        if self._chosen == CORRECTED:
            self._painted()

    def show_shape(self, shape: tuple[int, ...]) -> None:
        """Offer layers of this shape only."""
        if shape != self._shape:
            self._shape = shape
            self._refresh()

    def read(self) -> Array | None:
        """Return what is known: above 0 objects, 0 background, -1 unknown; None if nothing is chosen."""
        if self._chosen is None:
            return None
        if isinstance(self._chosen, str):
            corrections = self._corrections()
            return corrections.training_labels(ring=0) if corrections is not None else None
        from napari_instseg.inference.fit import only_objects

        labels = np.asarray(self._chosen.data)
        return labels.astype(np.int32) if self._all.isChecked() else only_objects(labels)

    def _choose_by_user(self, chosen: Labels | str | None) -> None:
        self._by_user = True
        self._choose(chosen)

    def _choose(self, chosen: Labels | str | None) -> None:
        if chosen is self._chosen:
            return
        self._listen_to(chosen)
        self._choice.show_value(chosen)
        self._all.setVisible(chosen is not None and chosen != CORRECTED)
        self.changed.emit()

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
        self._follow(fitting)
        corrections = self._corrections()
        offers: list[tuple[str, Labels | str | None]] = [(NONE, None), *((layer.name, layer) for layer in fitting)]
        if corrections is not None and corrections.labels.shape == self._shape and corrections.says_something:
            offers.insert(1, (CORRECTED, CORRECTED))
        self._choice.offer(offers, self._chosen)
        options = [option for _, option in offers]
        wanted = self._chosen if any(option is self._chosen for option in options) else None
        if wanted is None and not self._by_user and CORRECTED in options:
            wanted = CORRECTED
        self._choose(wanted)

    def _follow(self, fitting: list[Labels]) -> None:
        """Listen to the names of these layers, and no others any more."""
        for layer in self._fitting:
            layer.events.name.disconnect(self._refresh)
        self._fitting = fitting
        for layer in fitting:
            layer.events.name.connect(self._refresh)

    def _listen_to(self, chosen: Labels | str | None) -> None:
        for emitter in _told_by(self._chosen):
            emitter.disconnect(self._painted)
        self._chosen = chosen
        for emitter in _told_by(chosen):
            emitter.connect(self._painted)

    def _painted(self, event: object = None) -> None:
        self._calm.start()


def _told_by(chosen: Labels | str | None) -> tuple[Any, ...]:
    """Return what a layer tells changes of its labels by."""
    if chosen is None or isinstance(chosen, str):
        return ()
    return chosen.events.paint, chosen.events.data, chosen.events.labels_update
