"""Hostile files: whole ones that are damaged at random places, and values that no program writes."""

import copy
import io
import json
import zipfile

import numpy as np
import tifffile
from hypothesis import strategies as st
from PIL import Image

DEEP = "[" * 3000 + "]" * 3000
NASTY = [
    *(None, True, -1, 0, 1, 2, 2**31, 2**63, 10**400, -0.0, 1e-320, 1e300, float("nan"), float("inf"), 0.5),
    *("", " ", ".", "..", "../../outside", "/outside", "C:\\outside", "a\x00b", "\ud800", "ü", "a" * 300, "nan", "1"),
    *(
        "coloring",
        "semiconv_rcnn",
        "metric",
        "clusternet",
        "smp:Unet:tu-hf_hub:a/b",
        "smp:Unet:resnet18",
        "YX",
        "TCZYX",
    ),
    *([], {}, [[]], [None], {"a": 1}, ["a"] * 2000, [0, 0], {"": {}}, "DEEP"),
]


def _nodes(values, path=()):
    yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from _nodes(value, (*path, key))


@st.composite
def changed_json(draw, values):
    """JSON text of which up to three values are others, missing, doubled or new."""
    values = copy.deepcopy(values)
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        path = draw(st.sampled_from(list(_nodes(values))))
        nasty = copy.deepcopy(draw(st.sampled_from(NASTY)))
        if not path:
            values = nasty if draw(st.integers(0, 9)) == 0 else values
            continue
        place = values
        for key in path[:-1]:
            place = place[key]
        how = draw(st.sampled_from(["set", "set", "set", "drop", "double", "new"]))
        if how == "drop":
            del place[path[-1]]
        elif how == "double" and isinstance(place, list):
            place.append(copy.deepcopy(place[path[-1]]))
        elif how == "new" and isinstance(place, dict):
            place[draw(st.sampled_from(["x", "name", "path", "\x00", "width", "format"]))] = nasty
        else:
            place[path[-1]] = nasty
    text = json.dumps(values).replace('"DEEP"', DEEP).encode("ascii")
    return draw(damaged(text)) if draw(st.integers(0, 7)) == 0 else text


@st.composite
def damaged(draw, content):
    """Bytes that are cut, flipped, doubled or emptied in up to six places."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        if not content:
            break
        # the beginning, where headers are, more often than the rest
        last = len(content) - 1 if draw(st.booleans()) else min(len(content) - 1, 300)
        at = draw(st.integers(0, last))
        how = draw(st.sampled_from(["byte", "byte", "word", "cut", "double", "empty", "swap"]))
        if how == "byte":
            content[at] = draw(st.integers(0, 255))
        elif how == "word":
            content[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x01\0\0\0"]))
        elif how == "cut":
            del content[at:]
        elif how == "double":
            content[at:at] = content[at : at + 64]
        elif how == "empty":
            content[at : at + 32] = bytes(len(content[at : at + 32]))
        else:
            content[at : at + 8] = content[at : at + 8][::-1]
    return bytes(content)


DTYPES = [*"?bBhHiIqQefdFDg", "U3", "S3", ">i4", ">f8", "i4,f4", "V5", "m8[s]", "M8[ns]"]


@st.composite
def arrays(draw, dtypes=tuple(DTYPES)):
    """Small arrays of any type and shape."""
    dtype = np.dtype(draw(st.sampled_from(list(dtypes))))
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 16, 64]), max_size=4)))
    made = np.zeros(shape, dtype)
    raw = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, made.nbytes, dtype=np.uint8)
    if draw(st.booleans()) and dtype.kind != "U":  # whose bytes may be no text at all
        made = np.frombuffer(raw.tobytes(), dtype).reshape(shape) if made.nbytes else made
    if draw(st.booleans()) and made.size and dtype.kind in "iuf":
        extreme = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        made = made.copy()
        made.flat[0] = draw(st.sampled_from([extreme.max, extreme.min]))
    return made


def npy(array):
    """Bytes of an NPY file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def objects():
    """Bytes of an NPY file with a pickle that would write a file if it were opened."""

    class Evil:
        def __reduce__(self):
            return open, ("pwned-by-pickle", "w")

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


@st.composite
def changed_npz(draw, content):
    """A file of arrays of which members are others, damaged, missing, new, encrypted or oddly packed."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([*members, "new.npy", "../../outside.npy", "edits_\x00.npy"]))
        how = draw(st.sampled_from(["array", "array", "damage", "drop", "objects"]))
        if how == "array":
            members[name] = npy(draw(arrays()))
        elif how == "damage":
            members[name] = draw(damaged(members.get(name, b"\x93NUMPY")))
        elif how == "objects":
            members[name] = objects()
        else:
            members.pop(name, None)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", draw(st.sampled_from([0, 8, 12, 14]))) as file:
        for name, member in members.items():
            file.writestr(name, member)
    packed = bytearray(buffer.getvalue())
    if draw(st.integers(0, 5)) == 0:
        for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flags and method
            at = packed.find(sign)
            if at >= 0:
                packed[at + offset] = draw(st.sampled_from([1, 8, 0x41]))
                packed[at + offset + 2] = draw(st.sampled_from([0, 8, 9, 12, 14, 95, 99]))
    return draw(damaged(bytes(packed))) if draw(st.integers(0, 3)) == 0 else bytes(packed)


def images():
    """Whole image files by suffix, several of some."""
    rng = np.random.default_rng(0)
    grey, rgb = rng.integers(0, 255, (24, 20), np.uint8), rng.integers(0, 255, (24, 20, 3), np.uint8)
    stack = rng.integers(0, 60000, (3, 24, 20)).astype(np.uint16)
    made = []

    def tiff(array, **how):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, **how)
        made.append((".tif", buffer.getvalue()))

    tiff(grey)
    tiff(rgb, photometric="rgb", compression="zlib")
    tiff(stack, imagej=True, metadata={"axes": "ZYX", "unit": "um"}, resolution=(3.0, 3.0))
    tiff(stack, ome=True, metadata={"axes": "CYX", "PhysicalSizeX": 0.3})
    tiff(grey.astype(np.float32), tile=(16, 16))
    tiff(stack.astype(np.uint32), bigtiff=True, photometric="minisblack")
    for suffix, array in ((".png", grey), (".png", rgb), (".bmp", grey), (".gif", grey), (".jpg", rgb)):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, format={".jpg": "JPEG"}.get(suffix, suffix[1:].upper()))
        made.append((suffix, buffer.getvalue()))
    return [*made, (".npy", npy(grey)), (".npy", npy(stack)), (".npy", objects())]
