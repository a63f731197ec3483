"""TIFF files that are read region by region: open as long as they are read from, and no longer."""

import gc

import numpy as np
import pytest
import tifffile

from napari_instseg.core.errors import InputError
from napari_instseg.io.large import open_source


@pytest.fixture
def handles(monkeypatch):
    """Files that tifffile has open, and how often it opened one."""
    opened, count = set(), []
    opens, closes = tifffile.FileHandle.open, tifffile.FileHandle.close

    def open_(handle):
        opens(handle)
        if id(handle) not in opened:
            opened.add(id(handle))
            count.append(handle.name)

    def close(handle):
        opened.discard(id(handle))
        closes(handle)

    monkeypatch.setattr(tifffile.FileHandle, "open", open_)
    monkeypatch.setattr(tifffile.FileHandle, "close", close)
    return opened, count


def test_a_file_is_closed_with_the_last_source_that_reads_from_it(tmp_path, handles):
    path, array = tmp_path / "a.tif", np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    tifffile.imwrite(path, array, tile=(64, 64))
    opened, count = handles
    opened.clear()
    count.clear()
    source = open_source(str(path), "YX")  # a copy of what the file says, with these axes
    gc.collect()
    np.testing.assert_array_equal(source.read(0, Y=slice(10, 90)), array[10:90])
    assert len(count) == 1, "opened again behind the back of who closes it"
    del source
    gc.collect()
    assert not opened


def test_a_file_that_is_refused_is_closed(tmp_path, handles):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), tile=(64, 64))
    opened, _ = handles
    opened.clear()
    with pytest.raises(InputError):
        open_source(str(path), "ZYX")
    gc.collect()
    assert not opened
