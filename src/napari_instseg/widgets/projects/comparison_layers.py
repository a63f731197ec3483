"""Both models' objects as layers, beside each other or on top of each other, with what changed marked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_instseg.core.garbage import short_collection
from napari_instseg.projects.comparison import Comparison
from napari_instseg.widgets.images import MARK
from napari_instseg.widgets.placement import Placement, slice_as

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer

STEP_MS = 20
"""Between two steps, in which the window answers and draws."""
NAMES = ("before", "after", "changed")
CHANGED_COLORS = {None: "transparent", 0: "transparent", 1: "#e0524f", 2: "#3fbf6a", 3: "#e8b84c"}
"""Of an object that is gone, new, of another shape."""


class ComparisonLayers:
    """The layers of the last comparison.

    Parameters
    ----------
    viewer : Viewer
    before_adding : callable
        Called before a layer is made.
    """

    def __init__(self, viewer: Viewer, before_adding: Callable[[], None]) -> None:
        self._viewer, self._before_adding = viewer, before_adding
        self._own: list[Labels] = []
        self._steps: list[Callable[[], None]] = []
        self._timer = QTimer(interval=STEP_MS)
        self._timer.timeout.connect(self._step)
        self._hidden: list[Layer] = []
        self._active: Layer | None = None

    def show(self, comparison: Comparison) -> None:
        """Show before and after as outlines, and fill what changed, in the place of the image.

        One layer at each turn of the event loop, since each takes napari most of 100 ms to make.
        """
        self.clear()
        # made with its own colours: napari then and now draws with a texture that is gone when they are changed later
        looks: list[dict[str, Any]] = [
            {"visible": False, "opacity": 1.0},
            {"opacity": 1.0},
            {"opacity": 0.5, "colormap": _changed_colormap()},
        ]
        shown = (comparison.before, comparison.after, comparison.changed)
        self._steps = [self._hide_others]
        self._steps += [partial(self._add, comparison, *each) for each in zip(NAMES, shown, looks, strict=True)]
        self._steps += [self._choose_after]
        self._timer.start()

    @property
    def idle(self) -> bool:
        """Whether all layers that were asked for are there."""
        return not self._steps

    def stop(self) -> None:
        """Make no more layers."""
        if self._steps:  # at the program's end, when all is made, Qt may have deleted the timer
            self._timer.stop()
            self._steps = []

    def _step(self) -> None:
        self._steps.pop(0)()
        if not self._steps:
            self._timer.stop()

    def _hide_others(self) -> None:
        # below what changed, the objects as they are would be one more colour on everything
        self._hidden = [layer for layer in self._viewer.layers if _is_ours(layer) and layer.visible]
        for layer in self._hidden:
            layer.visible = False
        self._active = self._viewer.layers.selection.active

    def _add(self, comparison: Comparison, name: str, labels: Any, look: dict[str, Any]) -> None:
        self._before_adding()
        reading = comparison.reading
        layer = self._viewer.add_labels(
            slice_as(labels, reading, comparison.index),
            name=f"{comparison.source.name} {name}",
            metadata={MARK: f"comparison {name}"},
            **Placement.within(reading, comparison.index).in_world(comparison.source),
            **look,
        )
        if "colormap" not in look:
            layer.contour = 1
        self._own.append(layer)

    def _choose_after(self) -> None:
        after = self._own[NAMES.index("after")]
        if after in self._viewer.layers:
            self._viewer.layers.selection.active = after

    def clear(self) -> None:
        """Remove the layers, as far as they are still there, and show again what they hid."""
        self.stop()
        for layer in self._hidden:
            layer.visible = True
        self._hidden = []
        with short_collection():
            for layer in self._own:
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        self._own = []
        if self._active in self._viewer.layers:
            self._viewer.layers.selection.active = self._active
        self._active = None


def _is_ours(layer: Layer) -> bool:
    return MARK in layer.metadata and layer._type_string == "labels"


def _changed_colormap() -> Any:
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict=CHANGED_COLORS)
