"""A broken plug-in of another package breaks no list: neither of methods, nor of adapters, nor of formats."""

import sys
from importlib.metadata import EntryPoint

import pytest

from napari_instseg import adapters, exchange
from napari_instseg.core import plugins
from napari_instseg.core.errors import InstsegError
from napari_instseg.core.plugins import find_plugins

ROOMS = {
    "napari_instseg.methods": sys.modules["napari_instseg.methods"].methods,
    adapters.ENTRY_POINTS: adapters.adapters,
    exchange.ENTRY_POINTS: exchange.known_formats,
}


@pytest.mark.parametrize("group", ROOMS)
def test_a_broken_plugin_is_left_out_with_a_word(group, monkeypatch, caplog):
    listed = ROOMS[group]
    whole = set(listed())
    point = EntryPoint("x", "nothing_of_this_name:OFFER", group)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    listed.cache_clear()
    try:
        assert set(listed()) == whole
        assert "nothing_of_this_name" in caplog.text
        assert "left out" in caplog.text
    finally:
        listed.cache_clear()


def test_a_module_of_our_own_that_offers_something_else_is_an_error(tmp_path, monkeypatch):
    package = tmp_path / "a_room"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "one.py").write_text("EXCEPTION = 3", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InstsegError, match=r"a_room\.one offers a int; expected a napari_instseg Exception"):
        find_plugins("a_room", [str(package)], Exception, "nobody")
