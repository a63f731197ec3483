"""Whatever a file holds, reading it gives a checked record or one kind of error in words."""

import io
import json
import struct
import zipfile
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pytest

from napari_instseg.io.gates import FileName, PathText, Strict, Unreadable, numbers, read_arrays, read_record, scalar


class Named(Strict):
    name: FileName
    path: PathText = ""
    count: int = 0


class Held(Strict):
    labels: Annotated[npt.NDArray[np.int32], numbers("i", 2)]
    mask: Annotated[npt.NDArray[np.bool_], numbers("b")] | None = None
    ndim: Annotated[int, scalar("i")] = 2


LABELS = np.arange(12, dtype=np.int32).reshape(3, 4)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "file"


def test_a_record_is_read(file):
    file.write_text('{"name": "cells-v2", "count": 3}', encoding="utf-8")
    assert read_record(file, Named) == Named(name="cells-v2", count=3)
    file.write_bytes(b'\xef\xbb\xbf{"name": "Zellen \xc3\xa4"}')  # as an editor on Windows may leave it
    assert read_record(file, Named).name == "Zellen ä"


BROKEN_JSON = {
    "empty": (b"", "not JSON"),
    "cut off": (b'{"name": "a', "not JSON"),
    "not UTF-8": (b'{"name": "\xff"}', "not JSON"),
    "deep": (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "deep in a field": (b'{"name": "a", "count": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "nested too deeply"),
    "a number of too many digits": (b'{"name": "a", "count": ' + b"9" * 5000 + b"}", "not JSON"),
    "half a character": (b'{"name": "\\ud800"}', "not JSON"),
    "a list": (b"[1, 2]", "valid dictionary"),
    "null": (b"null", "valid dictionary"),
    "an unknown field": (b'{"name": "a", "other": 1}', "other"),
    "a wrong kind": (b'{"name": "a", "count": "many"}', "count"),
    "too large": (b'{"name": "a"}' + b" " * (65 * 2**20), "larger than 64 MiB"),
}


@pytest.mark.parametrize(("content", "why"), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json(file, content, why):
    file.write_bytes(content)
    with pytest.raises(Unreadable, match=why):
        read_record(file, Named)


@pytest.mark.parametrize("name", ["..", ".", "", " ", "../a", "a/b", "a\\b", "/a", "C:a", "a\x00", "a\n", "\ud800"])
def test_names_stay_in_their_folder(name):
    with pytest.raises(ValueError):
        Named(name=name)


def test_paths_can_be_asked_for():
    assert Named(name="...a..b", path="../C:/ä\\b").path == "../C:/ä\\b"
    for path in ("a\x00b", "\ud800"):
        with pytest.raises(ValueError):
            Named(name="a", path=path)


def test_a_folder_or_nothing_in_its_place(tmp_path):
    with pytest.raises(Unreadable):
        read_record(tmp_path, Named)
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "nothing", Named)
    with pytest.raises(Unreadable):
        read_record("a\x00b", Named)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "nothing", Held)


def test_arrays_are_read(file):
    with file.open("wb") as handle:
        np.savez_compressed(handle, labels=LABELS.astype(">i4"), mask=LABELS > 2, ndim=np.array(3))
    held = read_arrays(file, Held)
    np.testing.assert_array_equal(held.labels, LABELS)
    assert held.labels.dtype == np.dtype("=i4")
    np.testing.assert_array_equal(held.mask, LABELS > 2)
    assert held.ndim == 3


def npy(array=LABELS, **header):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {**np.lib.format.header_data_from_array_1_0(array), **header})
    return buffer.getvalue() + array.tobytes()


def packed(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def patched(content, offset_in_local, offset_in_central, value):
    """Set two bytes in every local and central header of a zip file."""
    content = bytearray(content)
    for sign, offset in ((b"PK\x03\x04", offset_in_local), (b"PK\x01\x02", offset_in_central)):
        at = content.find(sign)
        while at >= 0:
            struct.pack_into("<H", content, at + offset, value)
            at = content.find(sign, at + 4)
    return bytes(content)


WHOLE = packed({"labels.npy": npy()})
DAMAGED = bytearray(WHOLE)
DAMAGED[60:90] = b"\x55" * 30
OBJECTS = io.BytesIO()
np.save(OBJECTS, np.array([[print, {}]], dtype=object), allow_pickle=True)

BROKEN_ARRAYS = {
    "empty": (b"", "zip"),
    "no zip": (b"nothing of the kind", "zip"),
    "cut off": (WHOLE[:-30], "zip"),
    "encrypted": (patched(WHOLE, 6, 8, 1), "encrypted"),
    "a method nobody knows": (patched(WHOLE, 8, 10, 99), "compression"),
    "damaged": (bytes(DAMAGED), None),
    "damaged lzma": (patched(WHOLE, 8, 10, 14), None),
    "damaged bzip2": (patched(WHOLE, 8, 10, 12), None),
    "no npy": (packed({"labels.npy": b"text"}), "magic"),
    "a header that is code": (packed({"labels.npy": b"\x93NUMPY\x01\x00\x0a\x00print(1)\n\n"}), None),
    "a header of deep brackets": (packed({"labels.npy": b"\x93NUMPY\x01\x00\x40\x1f" + b"(" * 8000}), None),
    "a huge shape": (packed({"labels.npy": npy(shape=(10**12, 10**12))}), "claims"),
    "a larger shape": (packed({"labels.npy": npy(shape=(3, 5))}), "claims 60 bytes and has 48"),
    "a negative shape": (packed({"labels.npy": npy(shape=(-3, -4))}), None),
    "Python objects": (packed({"labels.npy": OBJECTS.getvalue()}), "could run code"),
    "structured": (packed({"labels.npy": npy(np.zeros((2, 2), [("a", "i4"), ("b", "f8")]))}), "array of"),
    "text": (packed({"labels.npy": npy(np.array([["a"]]))}), "array of <U1"),
    "floating point": (packed({"labels.npy": npy(LABELS * 1.5)}), "array of float64"),
    "three axes": (packed({"labels.npy": npy(LABELS[None])}), "3 axes, not 2"),
    "a scalar that is none": (packed({"labels.npy": npy(), "ndim.npy": npy()}), "ndim"),
    "an unknown array": (packed({"labels.npy": npy(), "../x.npy": npy()}), "x"),
    "nothing": (packed({}), "labels: Field required"),
}


@pytest.mark.parametrize(("content", "why"), BROKEN_ARRAYS.values(), ids=BROKEN_ARRAYS)
@pytest.mark.filterwarnings("ignore:Reading `.npy` or `.npz` file required additional header parsing")
def test_broken_arrays(file, content, why):
    file.write_bytes(content)
    with pytest.raises(Unreadable, match=why):
        read_arrays(file, Held)


def test_only_the_first_problems_are_told(file):
    file.write_text(json.dumps({"name": "a", **{f"x{i}": 1 for i in range(50)}}), encoding="utf-8")
    with pytest.raises(Unreadable, match="and 45 more"):
        read_record(file, Named)
