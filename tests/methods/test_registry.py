"""Methods are found by looking into the folder and at entry points; a name taken twice is an error."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import napari_instseg.methods as registry
from napari_instseg.methods import MethodError, get_method, methods


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
        monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINTS else [])
        methods.cache_clear()

    yield offer
    methods.cache_clear()


def test_another_package_may_not_take_a_name(entry_point):
    entry_point("napari_instseg.methods.coloring:METHOD")
    with pytest.raises(MethodError, match="named 'coloring', but that name is taken"):
        methods()


def test_an_entry_point_must_offer_a_method(entry_point):
    entry_point("napari_instseg.methods.coloring:build")
    with pytest.raises(MethodError, match="offers a function; expected a napari_instseg Method"):
        methods()


def test_listing_methods_imports_neither_torch_nor_hdbscan():
    code = (
        "import sys; from napari_instseg.methods import methods; [m.to_dict() for m in methods().values()]; "
        "sys.exit(', '.join({'torch', 'hdbscan', 'napari', 'qtpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
