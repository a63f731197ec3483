"""The keys of the window."""

from html import escape

import pytest
from qtpy.QtWidgets import QShortcut, QWidget

from napari_instseg.widgets.annotating.section import KEYS
from napari_instseg.widgets.keys import Keys


def test_a_key_is_bound_and_listed_by_one_declaration(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    keys = Keys(parent)
    called = []
    keys.bind("Shift+F3", "Look & see", lambda: called.append("look"))
    keys.bind("Alt+F3", "Go on", lambda: called.append("go"))
    for shortcut in parent.findChildren(QShortcut):
        shortcut.activated.emit()
    assert called == ["look", "go"]
    assert "Look &amp; see" in keys._list.text()
    assert "Go on" in keys._list.text()
    with pytest.raises(ValueError, match="Shift\\+F3 is bound to 'Look & see'"):
        keys.bind("Shift+F3", "Something else", lambda: None)


def test_the_window_lists_every_key_that_it_binds(window):
    bound = [shortcut.key().toString() for shortcut in window.dock.findChildren(QShortcut)]
    assert sorted([*bound, *KEYS]) == sorted(window.dock.keys.bound)
    assert len(set(bound)) == len(bound)
    for does in window.dock.keys.bound.values():
        assert escape(does) in window.dock.keys._list.text()
