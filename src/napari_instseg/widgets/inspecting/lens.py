"""The lens: its switch and words under Look, and how it follows the mouse over the image."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_instseg.inspecting.lens import Glance, Lens, Lenses, Pixel, why_no_lens
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.widgets.image_choice import ImageChoice
from napari_instseg.widgets.images import pixel_at
from napari_instseg.widgets.layers import Mark, OwnLayers
from napari_instseg.widgets.parts import Note, allow, column

LENS_KEY = "F6"

HELP = (
    "Point at a pixel: everything that the network thinks belongs with it lights up. Click to hold a pixel, then click "
    "another one: the line below says how far apart they are and what that means. A third click lets go."
)
LENS = Mark("lens", "Lens", "image", "magma", (0, 100), {"opacity": 0.8})
"""Similarity to the pixel, in percent."""
LENS_POINTS = Mark(
    "lens_points",
    "Lens points",
    "points",
    look={"symbol": "cross", "size": 9, "face_color": "white", "border_color": "black"},
)
"""The pixels that are held."""
INVITATION = "Move the pointer over the image. Click to hold a pixel, click another to compare."


class LensPart(QWidget):
    """Switches the lens on and off, and shows its words."""

    switched = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._switch = QPushButton(f"Lens  ({LENS_KEY})")
        self._switch.setCheckable(True)
        self._words = Note()
        self._words.setToolTip("What the lens says of the pixel under the pointer, or of the two that you clicked.")
        self.setLayout(column(self._switch, self._words))
        self._switch.toggled.connect(self._turn)
        self.show_obstacle("")

    @property
    def on(self) -> bool:
        """Whether the lens is switched on."""
        return bool(self._switch.isChecked())

    def toggle(self) -> None:
        """Switch it on or off, where that is possible."""
        if self._switch.isEnabled():
            self._switch.toggle()

    def show_obstacle(self, obstacle: str) -> None:
        """Grey the switch where there is nothing to look at, with the reason."""
        allow(self._switch, obstacle, f"<p>{HELP}</p><p>Key: {LENS_KEY}</p>")
        if obstacle:
            self._switch.setChecked(False)

    def say(self, words: str) -> None:
        """Show what the lens says."""
        self._words.say(words)

    def _turn(self, on: bool) -> None:
        self.say(INVITATION if on else "")
        self.switched.emit(on)


class LensTool(QObject):
    """The lens over the image: follows the mouse, asks the session, and shows layer and words.

    Parameters
    ----------
    part : LensPart
    session : Session
    layers : OwnLayers
    image : ImageChoice
    """

    pinned = Signal(object)
    """The pixels that are looked at, in order: the one under the pointer, or one or two that were clicked."""

    def __init__(self, part: LensPart, session: Session, layers: OwnLayers, image: ImageChoice) -> None:
        super().__init__(part)
        self._part, self._session, self._layers, self._image = part, session, layers, image
        self._lenses = Lenses()
        self.answers = BackgroundWork(self._lenses.look, self._show, session.fail, session.post)
        self._pins: list[Pixel] = []
        self._under: Pixel | None = None
        self._shown: Results | None = None
        part.switched.connect(self._switch)

    def hover(self, position: tuple[float, ...]) -> None:
        """Look from the pixel at a position; once one is held, compare with it."""
        pixel = self._pixel(position)
        if pixel is None or len(self._pins) == 2:
            return
        self._under = pixel
        if not self._pins:
            self._ask(pixel)
        elif self._lenses.lens is not None:
            self._part.say(self._lenses.lens.compare(self._pins[0], pixel))
        self.pinned.emit([*self._pins, pixel])

    def click(self, position: tuple[float, ...]) -> None:
        """Hold a pixel, compare a second one with it, let go."""
        pixel = self._pixel(position)
        if pixel is None:
            return
        self._pins = [] if len(self._pins) == 2 else [*self._pins, pixel]
        self._under = pixel
        self.refresh()

    def refresh(self) -> None:
        """Look again, as after a new run, and show the pixels that are held."""
        results = self._session.state.results
        self._part.show_obstacle(why_no_lens(results, self._session.state.index))
        if results is None or not self._part.on or self._under is None:
            return
        shape = results.shape[len(self._session.state.index) :]
        if any(not 0 <= at < length for at, length in zip(self._under, shape, strict=True)):
            self._pins, self._under = [], None
            return
        self._ask(self._pins[0] if self._pins else self._under)
        self.pinned.emit(self._pins or [self._under])
        if self._pins:
            pins = np.array(self._pins, float)
            self._layers.show_view(results, LENS_POINTS, pins, self._session.state.index)
        else:
            self._layers.hide_view(results, LENS_POINTS)

    def _pixel(self, position: tuple[float, ...]) -> Pixel | None:
        results, layer = self._session.state.results, self._image.layer
        if not self._part.on or results is None or layer is None:
            return None
        found = pixel_at(layer, position, results)
        return found[1] if found is not None and found[0] == self._session.state.index else None

    def _ask(self, pixel: Pixel) -> None:
        state, results = self._session.state, self._session.state.results
        if results is not None and not why_no_lens(results, state.index):
            self.answers.ask(Glance(results, state.index, pixel, state.window))

    def _show(self, answer: tuple[Lens, Glance]) -> None:
        lens, glance = answer
        if not glance.results.same_run(self._session.state.results) or not self._part.on:
            return
        self._shown = glance.results
        self._layers.show_view(lens.results, LENS, lens.picture, lens.index)
        if len(self._pins) == 2:
            self._part.say(f"{lens.compare(*self._pins)} Click to let go.")
        elif self._pins:
            self._part.say(f"{lens.describe(self._pins[0])} is held; point at another one, or click it.")
        else:
            self._part.say(f"{lens.describe(glance.pixel)}.")

    def _switch(self, on: bool) -> None:
        self._pins, self._under = [], None
        if not on:
            self.answers.drop()
            self._lenses.lens = None
            self.pinned.emit([])
            for view in (LENS, LENS_POINTS):
                if self._shown is not None:
                    self._layers.hide_view(self._shown, view)
