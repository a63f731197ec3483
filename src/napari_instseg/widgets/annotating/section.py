"""The Correct section: buttons and keys of the edits, the queue of doubtful objects, undo and redo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_instseg.widgets.parts import SPACE, Note, SteadyNote, allow, button, column, row

Kind = Literal["tool", "object", "region", "step"]


@dataclass(frozen=True)
class Action:
    """Something that the user can do to objects: its button, its key, and how it is listed.

    Parameters
    ----------
    name : str
        Of what is called.
    title, key, help : str
        On the button, the key in Qt's portable words, and what it does.
    kind : {"tool", "object", "region", "step"}
        A tool is chosen and then used with the mouse. An object's action is done to the object under the pointer by
        the key, or by clicks once its button is pressed. A region is drawn as a shape. A step is done at once.
    hint : str
        What to do with the mouse, for tools and regions.
    """

    name: str
    title: str
    key: str
    help: str
    kind: Kind
    hint: str = ""


ACTIONS = (
    Action(
        "grow",
        "Grow",
        "G",
        "Grow an object from a click: the connected pixels that the network finds like it.",
        "tool",
        "Rest the pointer in an object: what would grow is shown. Wheel: larger or smaller. Click: take it.",
    ),
    Action(
        "split",
        "Split",
        "S",
        "Split an object by a click in each part, or by a line right across it.",
        "tool",
        "Click once in each of the two parts, or draw a line right across the object.",
    ),
    Action(
        "merge",
        "Merge",
        "J",
        "Join objects by a stroke across all of them, or by a click on two.",
        "tool",
        "Draw a stroke across the objects, or click on two of them.",
    ),
    Action(
        "draw",
        "Draw",
        "W",
        "Draw around an object that was not found.",
        "tool",
        "Hold the button and draw around the object; accepted neighbours are spared.",
    ),
    Action("delete", "Delete", "D", "Delete the object.", "object", "Click on objects that are none."),
    Action("smooth", "Smooth", "O", "Round the object's outline.", "object", "Click on objects to round them."),
    Action("fill", "Fill", "H", "Fill the object's holes.", "object", "Click on objects with holes."),
    Action(
        "accept",
        "Accept",
        "A",
        "The object is right: it stays as it is, and can teach. Once more takes that back.",
        "object",
        "Click on objects that are right; they get a green outline. A second click takes that back.",
    ),
    Action(
        "rectangle",
        "Rectangle",
        "R",
        "Mark a rectangle in which every object is right and nothing is missing.",
        "region",
        "Draw a rectangle in which every object is right and nothing is missing.",
    ),
    Action(
        "polygon",
        "Polygon",
        "Shift+R",
        "Mark a polygon in which every object is right and nothing is missing.",
        "region",
        "Click the corners of a polygon in which every object is right; double-click ends it.",
    ),
    Action("unmark", "Unmark region", "", "Say no more that a region is complete: draw a rectangle over it.", "region"),
    Action("next", "Next", "N", "Go to the most doubtful object.", "step"),
    Action("accept_next", "Accept and next", "Y", "Accept the object, and go to the next doubtful one.", "step"),
    Action("undo", "Undo", "Ctrl+Z", "Undo the last edit, a brush stroke too.", "step"),
    Action("redo", "Redo", "Ctrl+Shift+Z", "Redo the edit that was undone.", "step"),
    Action("put_down", "", "Escape", "Leave the tool.", "step"),
)
KEYS = {action.key: action.help for action in ACTIONS if action.key}
"""What each key does while the layer of objects, or its image, is selected."""


def _hint_of(action: Action) -> str:
    return f"{action.hint or action.help} Space: drag to pan. Esc: leave the tool."


class CorrectSection(QWidget):
    """A button for each action; it holds no state of its own."""

    asked = Signal(str)
    """Name of an action whose button was pressed; of a tool that is in use: to put it down."""

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self._hint = SteadyNote([_hint_of(action) for action in ACTIONS])
        self._facts = Note("Objects that you accept or change stay as they are when others are detected again.")
        tools = QWidget()
        grid = QGridLayout(tools)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(SPACE)
        by_hand = [action for action in ACTIONS if action.kind in ("tool", "object")]
        for place, action in enumerate(by_hand):
            grid.addWidget(self._button(action), place // 3, place % 3)
        regions = [self._button(action) for action in ACTIONS if action.kind == "region"]
        steps = {action.name: self._button(action) for action in ACTIONS if action.kind == "step" and action.title}
        self.setLayout(
            column(
                tools,
                self._hint,
                Note("Region in which every object is right:"),
                row(*regions),
                Note("Doubtful objects:"),
                row(steps["next"], steps["accept_next"]),
                row(steps["undo"], steps["redo"]),
                self._facts,
            )
        )
        self.show_tool("")
        self.allow("Run the segmentation first.", undo="", redo="")

    def _button(self, action: Action) -> QPushButton:
        made = button(action.title, action.help)
        if len(action.key) == 1:
            made.setText(f"{action.title} ({action.key})")
        # the keys go on to the image, also after a press
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        made.setCheckable(action.kind != "step")
        made.clicked.connect(lambda _=False, name=action.name: self.asked.emit(name))
        self.buttons[action.name] = made
        return made

    def show_tool(self, name: str) -> None:
        """Show which tool is in use, and what to do with it; "" for none."""
        for action in ACTIONS:
            if action.name in self.buttons and action.kind != "step":
                self.buttons[action.name].setChecked(action.name == name)
        hints = {action.name: _hint_of(action) for action in ACTIONS}
        self._hint.say(hints[name] if name else "Press a button or its key; each tells here what to do in the image.")

    def allow(self, obstacle: str, *, undo: str, redo: str) -> None:
        """Enable what can be done, or say why it cannot be.

        Parameters
        ----------
        obstacle : str
            Why nothing can be corrected now; empty if it can.
        undo, redo : str
            What these would do; empty if nothing.
        """
        for action in ACTIONS:
            if action.name not in self.buttons:
                continue
            tip = f"{action.help}\nKey: {action.key}"
            why = obstacle
            if action.name in ("undo", "redo"):
                what = undo if action.name == "undo" else redo
                why = "" if what else obstacle or f"There is nothing to {action.name}."
                tip = f"{action.title}: {what}. {tip}"
            allow(self.buttons[action.name], why, tip if action.key else action.help)

    def show_facts(self, accepted: int, complete: float) -> None:
        """Say how many objects are right, and which part of the slice in view is complete."""
        if not accepted and not complete:
            self._facts.say("Objects that you accept or change stay as they are when others are detected again.")
            return
        words = f"{accepted} object{'' if accepted == 1 else 's'} accepted or edited"
        self._facts.say(f"{words}; {complete:.0%} of the slice complete." if complete else f"{words}.")
