"""The public names: each is there, and none is imported before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import napari_instseg


@pytest.mark.parametrize("name", napari_instseg.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_instseg, name) is not None


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segmnt'"):
        _ = napari_instseg.segmnt


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, napari_instseg; sys.exit(', '.join({'torch', 'numpy', 'pandas', 'numba'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_methods_can_be_called_whatever_was_imported_before():
    code = "import napari_instseg as i; i.methods(); import napari_instseg.cli.app; assert 'coloring' in i.methods()"
    other = "import napari_instseg.cli.app, napari_instseg as i; assert 'coloring' in i.methods()"
    for lines in (code, other):
        done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_every_room_has_tests_in_the_folder_of_its_name():
    tests = Path(__file__).parent
    rooms = {room.parent.name for room in Path(napari_instseg.__file__).parent.glob("*/__init__.py")}
    assert {room for room in rooms if not list((tests / room).rglob("test_*.py"))} == set()
