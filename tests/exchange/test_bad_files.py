"""Files that are damaged, of another image, or made to do harm: words, and nothing run."""

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from datetime import date

import h5py
import numpy as np
import pytest
import roifile

from napari_instseg.core.errors import InputError
from napari_instseg.exchange import read_objects
from napari_instseg.exchange.objects import Grid, Objects
from napari_instseg.exchange.safe_pickle import read_dictionary

GRID = Grid((20, 30), "YX", "cells.tif")
SQUARE = [[2, 2], [8, 2], [8, 8], [2, 8], [2, 2]]


def geojson(path, *features):
    items = [
        {"type": "Feature", "geometry": geometry, "properties": properties or {}} for geometry, properties in features
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")
    return path


def polygon(*rings, **more):
    return {"type": "Polygon", "coordinates": list(rings), **more}


def npy(path, payload):
    """An NPY file that says it holds an object, and has these bytes where its pickle lies."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(payload)
    return path


def test_what_is_cut_left_out_or_covered_is_told(tmp_path):
    moved = [[[x + dx, y] for x, y in SQUARE] for dx in (25, 50, 0)]
    path = geojson(
        tmp_path / "a.geojson",
        (polygon(SQUARE), {"name": "first"}),
        (polygon(moved[0]), {"name": "edge"}),
        (polygon(moved[1]), {"name": "away"}),
        (polygon(moved[2]), {"name": "over"}),
        ({"type": "Point", "coordinates": [1, 1]}, None),
    )
    found = read_objects(path, GRID)
    assert sorted(np.unique(found.labels)) == [0, 2, 4]
    assert found.labels[5, 28] == 2
    words = " ".join(found.notes)
    for part in ("1 features", "2 objects reach out", "'edge'", "'away'", "36 pixels were in several", "'first'"):
        assert part in words


def test_objects_all_outside_are_an_error(tmp_path):
    path = geojson(tmp_path / "a.geojson", (polygon([[x + 100, y] for x, y in SQUARE]), None))
    with pytest.raises(InputError, match="none of the 1 objects lies in 'cells.tif'"):
        read_objects(path, GRID)


def test_multi_polygons_and_holes_are_read(tmp_path):
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    other = [[[x + 10, y] for x, y in SQUARE]]
    path = geojson(
        tmp_path / "a.geojson", ({"type": "MultiPolygon", "coordinates": [[SQUARE, hole], other]}, {"name": "7"})
    )
    labels = read_objects(path, GRID).labels
    expected = np.zeros(GRID.shape)
    expected[2:8, 2:8] = expected[2:8, 12:18] = 7
    expected[4:6, 4:6] = 0
    np.testing.assert_array_equal(labels, expected)


def test_regions_of_a_volume_do_not_go_into_an_image(tmp_path):
    path = geojson(tmp_path / "a.geojson", (polygon(SQUARE, plane={"c": -1, "z": 3, "t": 0}), None))
    with pytest.raises(InputError, match="z plane 4, but 'cells.tif' has 1"):
        read_objects(path, GRID)
    region = roifile.ImagejRoi.frompoints(np.array(SQUARE[:4]), name="1")
    region.z_position = 4
    roifile.roiwrite(tmp_path / "a.zip", [region, region], name=["1", "2"])
    with pytest.raises(InputError, match="z plane 4"):
        read_objects(tmp_path / "a.zip", GRID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"type": "FeatureCollection", "features": 3}',
        '{"type": "FeatureCollection", "features": [1]}',
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": "x"}]}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[["a", 1]]]}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[1, 2, 3]]}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[NaN, 1], [2, 2], [3, 1]]]}}',
        '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1e999, 1], [2, 2], [3, 1]]]}}',
        '{"images": [], "annotations": 3}',
        '{"images": [{"id": 1, "width": 30, "height": 20}], "annotations": [{"image_id": 1}, {}]}',
    ],
)
def test_damaged_json_is_said(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="a.json"):
        read_objects(tmp_path / "a.json", GRID)


def coco(path, **annotation):
    about = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, **annotation}
    image = {"id": 1, "file_name": "x.png", "height": 20, "width": 30}
    path.write_text(json.dumps({"images": [image], "annotations": [about]}))
    return path


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"size": [30, 20], "counts": [5, 10, 585]}, "run lengths for"),
        ({"size": [20, 30], "counts": [5, 10, 5]}, "as long as"),
        ({"size": [20, 30], "counts": [5, -10, 605]}, "as long as"),
        ({"size": [20, 30], "counts": "\x7f\x7f"}, "strange letter"),
        ({"size": [20, 30], "counts": "~" * 100}, "strange letter"),
        ({"size": [20, 30]}, "counts"),
        ([[1, 2, 3]], "reshape"),
    ],
)
def test_runs_of_another_image_are_refused(segmentation, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read_objects(coco(tmp_path / "a.json", segmentation=segmentation), GRID)


def test_a_coco_file_of_another_image_is_refused(tmp_path):
    path = coco(tmp_path / "a.json", segmentation=[[1, 1, 5, 1, 5, 5]])
    with pytest.raises(InputError, match="20 x 30 pixels, 'b.tif' has 21 x 30"):
        read_objects(path, Grid((21, 30), "YX", "b.tif"))


class Evil:
    def __reduce__(self):
        return print, ("this ran",)


class Quiet:
    pass


@pytest.mark.parametrize(
    "value",
    [
        Evil(),
        Quiet(),
        date(2020, 1, 1),
        np.random.default_rng(0),
        Exception("x"),
        print,
        np.dtype([("a", "i4")]),
    ],
)
def test_nothing_but_plain_data_is_unpickled(value, tmp_path, capsys):
    holder = np.empty((), object)
    holder[()] = {"masks": np.zeros((20, 30), int), "x": [value]}
    for protocol in range(2, 6):
        path = npy(tmp_path / "a_seg.npy", pickle.dumps(holder, protocol))
        with pytest.raises(InputError, match="a_seg.npy"):
            read_objects(path, GRID)
    assert "this ran" not in capsys.readouterr().out


def bomb(depth):
    value = []
    for _ in range(depth):
        value = [value, value]
    return {"masks": value}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x96" + struct.pack("<Q", 1 << 60) + b".",  # a bytearray larger than any memory
        b"\x80\x04N" + b"r" + struct.pack("<I", 0xFFFFFFF0) + b".",  # a memo of 4 billion places
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x.",
        b"]" * 5 + b"." + b"\0" * 50,
        pickle.dumps(bomb(40)),
        pickle.dumps(bomb(200)),
        pickle.dumps([1, 2, 3]),
        pickle.dumps({"filename": "x"}),
        pickle.dumps({"masks": "x"}),
    ],
)
def test_hostile_and_damaged_pickles_end_in_words(payload, tmp_path):
    with pytest.raises(InputError, match="a_seg.npy"):
        read_objects(npy(tmp_path / "a_seg.npy", payload), GRID)


def test_damage_anywhere_in_a_seg_file_ends_in_words_or_is_harmless(tmp_path):
    holder = np.empty((), object)
    holder[()] = {"masks": np.arange(600).reshape(20, 30), "filename": "a"}
    good = pickle.dumps(holder)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        content = bytearray(good)
        for place in random.integers(0, min(len(content), 400), 3):
            content[place] = random.integers(256)
        try:
            read_objects(npy(tmp_path / "a_seg.npy", bytes(content)), GRID)
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_data_of_every_kind_is_read(protocol, tmp_path):
    value = {
        "masks": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "flows": [np.linspace(0, 1, 4, dtype=np.float32), [], None, np.array(3.5)],
        "number": np.float64(2.5),
        "flag": np.bool_(True),
        "names": np.array(["a", "細胞"]),
        "mixed": np.array([None, {"a": (1, "x")}], object),
        "order": OrderedDict(a=1),
        "set": {1, 2},
        "text": "é",
    }
    holder = np.empty((), object)
    holder[()] = value
    found = read_dictionary(npy(tmp_path / "a_seg.npy", pickle.dumps(holder, protocol)))
    np.testing.assert_array_equal(found["masks"], value["masks"])
    np.testing.assert_array_equal(found["flows"][0], value["flows"][0])
    np.testing.assert_array_equal(found["names"], value["names"])
    assert found["flows"][1:3] == [[], None]
    assert (found["number"], found["flag"], found["text"]) == (2.5, True, "é")
    assert found["mixed"] == [None, {"a": (1, "x")}]
    assert (found["order"], found["set"]) == ({"a": 1}, [1, 2])


def test_masks_in_floating_point_and_old_ones_are_understood(tmp_path):
    masks = np.zeros((20, 30))
    masks[3:6, 3:6] = 4
    np.save(tmp_path / "a_seg.npy", {"masks": masks}, allow_pickle=True)
    found = read_objects(tmp_path / "a_seg.npy", GRID)
    assert found.labels.max() == 4
    assert "floating point" in found.notes[0]
    np.save(tmp_path / "a_seg.npy", {"masks": masks.astype(int) - 1}, allow_pickle=True)
    np.testing.assert_array_equal(read_objects(tmp_path / "a_seg.npy", GRID).labels, masks)
    np.save(tmp_path / "a_seg.npy", {"masks": masks / 3}, allow_pickle=True)
    with pytest.raises(InputError, match="floating point"):
        read_objects(tmp_path / "a_seg.npy", GRID)


def test_hostile_archives_are_not_opened(tmp_path):
    region = roifile.ImagejRoi.frompoints(np.array(SQUARE[:4]), name="1").tobytes()
    for name in ("../1.roi", "/1.roi", "a/../../1.roi", "C:\\1.roi"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, region)
        with pytest.raises(InputError, match="leads out"):
            read_objects(tmp_path / "a.zip", GRID)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.roi", region + bytes(300 << 20))
    with pytest.raises(InputError, match="unpacks to far more"):
        read_objects(tmp_path / "a.zip", GRID)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(InputError, match="no zip archive"):
        read_objects(tmp_path / "a.zip", GRID)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("1.roi", b"Iout" + bytes(10))
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="no region of ImageJ"):
        read_objects(tmp_path / "a.zip", GRID)


def test_ovals_rectangles_and_lines_of_imagej(tmp_path):
    regions = []
    for kind in (roifile.ROI_TYPE.OVAL, roifile.ROI_TYPE.RECT, roifile.ROI_TYPE.LINE):
        region = roifile.ImagejRoi(roitype=kind, left=2, top=2, right=14, bottom=12, name=kind.name)
        regions.append(region)
    roifile.roiwrite(tmp_path / "a.zip", regions[::-1], name=["c", "b", "a"])
    found = read_objects(tmp_path / "a.zip", GRID)
    assert "1 regions that are no areas" in found.notes[0]
    y, x = np.mgrid[:20, :30] + 0.5
    oval = ((x - 8) / 6) ** 2 + ((y - 7) / 5) ** 2 <= 1
    assert ((found.labels == 2) ^ oval).sum() <= 4
    assert ((found.labels > 0) == ((x > 2) & (x < 14) & (y > 2) & (y < 12))).all()


def test_probabilities_and_foreign_links_in_hdf5_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("exported_data", data=np.zeros((20, 30, 2), np.float32))
        made.attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "yxc"]})
    with pytest.raises(InputError, match="2 channels, as probabilities"):
        read_objects(tmp_path / "a.h5", GRID)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["labels"] = h5py.ExternalLink("a.h5", "/exported_data")
    with pytest.raises(InputError, match="has 0 datasets"):
        read_objects(tmp_path / "b.h5", GRID)
    (tmp_path / "c.h5").write_bytes(b"no")
    with pytest.raises(InputError, match="no HDF5"):
        read_objects(tmp_path / "c.h5", GRID)


def test_transposed_axes_of_hdf5_follow_the_image(tmp_path):
    labels = np.arange(600).reshape(20, 30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("labels", data=labels.T[..., None])
        made.attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "xyc"]})
    np.testing.assert_array_equal(read_objects(tmp_path / "a.h5", GRID).labels, labels)


def test_labels_of_another_image_are_refused():
    from napari_instseg.io.images import Image

    with pytest.raises(InputError, match="belong together"):
        Objects(np.zeros((5, 6), int), "a", Image(np.zeros((3, 6, 5)), "CYX", (1.0, 1.0, 1.0)))


def test_unknown_files_say_what_can_be_read(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(InputError, match=r"\.geojson"):
        read_objects(tmp_path / "a.xyz", GRID)
    with pytest.raises(InputError, match="no file"):
        read_objects(tmp_path / "none.geojson", GRID)
