"""Methods are found by looking into the folder and at entry points; a name taken twice is an error."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import napari_instseg.methods as registry
from napari_instseg.core import plugins
from napari_instseg.methods import MethodError, get_method, left_out, methods


def test_a_file_in_the_folder_is_a_method(third_method):
    assert get_method(third_method).title == "Third method"
    assert {"coloring", "discriminative", "third"} <= set(methods())


def test_an_unknown_method_lists_the_known():
    with pytest.raises(MethodError, match=r"Unknown method 'nothing'; expected one of: .*coloring"):
        get_method("nothing")


@pytest.fixture
def entry_point(monkeypatch):
    def offer(value):
        point = EntryPoint("x", value, registry.ENTRY_POINTS)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == registry.ENTRY_POINTS else [])
        methods.cache_clear()

    yield offer
    methods.cache_clear()


PLUGINS = {
    "takes a name": ("METHOD = coloring.METHOD", "named 'coloring', but that name is taken"),
    "offers something else": ("METHOD = coloring.build", "offers a function; expected a napari_instseg Method"),
    "cannot be imported": ("import nothere", "ModuleNotFoundError: No module named 'nothere'"),
    "has no such thing": ("", "AttributeError"),
    "ends the program": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "raises": ("1 / 0", "ZeroDivisionError"),
    "is not Python": ("def", "SyntaxError"),
    "declares nonsense": (
        "METHOD = dataclasses.replace(coloring.METHOD, name='x', decode=None)",
        "'NoneType' object has no attribute 'parameters'",
    ),
}


@pytest.mark.parametrize(("code", "why"), PLUGINS.values(), ids=PLUGINS)
def test_a_broken_plugin_is_named_and_left_out(code, why, entry_point, tmp_path, monkeypatch, caplog):
    whole = set(methods())
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_broken_plugin", raising=False)
    (tmp_path / "a_broken_plugin.py").write_text(
        f"import dataclasses\nfrom napari_instseg.methods import coloring\n{code}\n", encoding="utf-8"
    )
    entry_point("a_broken_plugin:METHOD")
    assert set(methods()) == whole
    ((plugin, reason),) = left_out().items()
    assert "a_broken_plugin:METHOD" in plugin
    assert why in reason
    assert plugin in caplog.text
    with pytest.raises(MethodError, match="a_broken_plugin"):
        get_method("x")
    sys.modules.pop("a_broken_plugin", None)


def test_a_plugin_that_works_is_a_method(entry_point, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_plugin_that_works.py").write_text(
        "import dataclasses\nfrom napari_instseg.methods import coloring\n"
        "METHOD = dataclasses.replace(coloring.METHOD, name='x')\n",
        encoding="utf-8",
    )
    entry_point("a_plugin_that_works:METHOD")
    assert get_method("x").title == get_method("coloring").title
    assert left_out() == {}
    sys.modules.pop("a_plugin_that_works", None)


def test_listing_methods_imports_neither_torch_nor_hdbscan():
    code = (
        "import sys; from napari_instseg.methods import methods; [m.to_dict() for m in methods().values()]; "
        "sys.exit(', '.join({'torch', 'hdbscan', 'napari', 'qtpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
