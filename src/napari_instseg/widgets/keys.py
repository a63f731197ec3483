"""The keys of the window: each is declared once, which binds it and lists it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

from napari_instseg.widgets.parts import Note, column


class Keys(QWidget):
    """Binds keys in the window of `parent`, and shows the list of them.

    Parameters
    ----------
    parent : QWidget
        Keys act while its window is the active one.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__()
        self._parent = parent
        self._list = Note()
        self._list.setToolTip("They act while this window is the active one.")
        self.setLayout(column(self._list))
        self.bound: dict[str, str] = {}
        """What each key does, by the key as it is declared."""

    def bind(self, key: str, does: str, call: Callable[[], None]) -> None:
        """Let a key call something.

        Parameters
        ----------
        key : str
            In Qt's portable words, such as ``Shift+F5``.
        does : str
            For the list: what the user gets.
        call : callable

        Raises
        ------
        ValueError
            If the key is bound already: Qt would then call neither.
        """
        self.tell(key, does)
        QShortcut(QKeySequence(key), self._parent).activated.connect(call)

    def tell(self, key: str, does: str) -> None:
        """List a key that is bound elsewhere, such as on a layer.

        Raises
        ------
        ValueError
            If the key is listed already.
        """
        if key in self.bound:
            raise ValueError(f"The key {key} is bound to '{self.bound[key]}' already; choose another for '{does}'.")
        self.bound[key] = does
        rows = "".join(
            f"<tr><td style='padding-right: 12px'><b>{escape(_native(key))}</b></td><td>{escape(does)}</td></tr>"
            for key, does in self.bound.items()
        )
        self._list.say(f"<table>{rows}</table>")


def _native(key: str) -> str:
    return str(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText))
