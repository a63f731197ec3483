"""Labels to file to labels, for every format that is written and read, and by the other programs' own libraries."""

import json
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools.coco import COCO
from scipy import ndimage
from shapely.geometry import shape as shapely_shape

from napari_instseg.exchange import export_objects, get_format, known_formats, read_objects
from napari_instseg.exchange.objects import Grid, Objects
from napari_instseg.io.images import Image

BOTH = sorted(name for name, one in known_formats().items() if one.write and one.read)
RENUMBERED = {"cellpose", "masks"}
SHAPES = st.one_of(st.tuples(st.integers(2, 9), st.integers(2, 9)), st.tuples(*(st.integers(2, 5),) * 2, st.just(5)))


def grid_of(labels):
    return Grid(labels.shape, "TZYX"[-labels.ndim :], "cells.tif")


def consecutive(labels):
    return np.unique(np.append(labels.ravel(), 0), return_inverse=True)[1][:-1].reshape(labels.shape)


def disks(shape=(120, 144), step=24, radius=9, hole=False):
    y, x = np.mgrid[: shape[0], : shape[1]]
    number = 1 + y // step * (shape[1] // step + 1) + x // step
    distance = np.hypot(y % step - step / 2, x % step - step / 2)
    return np.where((distance <= radius) & ((distance > radius / 3) | (not hole)), number, 0)


@pytest.mark.parametrize("name", BOTH)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_format_gives_back_what_was_written(name, data, tmp_path):
    # ids beyond 16 bits, gaps, pieces, holes and single pixels are all in here
    ids = st.sampled_from([0, 0, 1, 2, 7, 300, 70_001])
    labels = data.draw(arrays(np.int32, data.draw(SHAPES), elements=ids))
    path = tmp_path / f"cells{get_format(name).ending}"
    get_format(name).write(path, Objects(labels, "cells"))
    found = read_objects(path, grid_of(labels), name)
    np.testing.assert_array_equal(found.labels, consecutive(labels) if name in RENUMBERED else labels)
    assert found.notes == ()


@pytest.mark.parametrize("name", BOTH)
def test_the_format_is_told_by_the_file(name, tmp_path):
    labels = disks()
    written, _ = export_objects(Objects(labels, "cells"), [name], tmp_path)
    found = read_objects(written[name], grid_of(labels))
    np.testing.assert_array_equal(found.labels, labels if name not in RENUMBERED else consecutive(labels))


def test_geojson_is_as_qupath_reads_it(tmp_path):
    labels = disks(hole=True)
    known = pd.DataFrame({"label": [1, 2], "class": ["Tumör", "腫瘍"], "score": [0.25, 0.5]})
    objects = Objects(labels, "cells", known=known)
    export_objects(objects, ["qupath"], tmp_path)
    collection = json.loads((tmp_path / "cells.geojson").read_text(encoding="utf-8"))
    assert len(collection["features"]) == len(objects.ids)
    assert len({feature["id"] for feature in collection["features"]}) == len(objects.ids)
    for feature in collection["features"]:
        number = int(feature["properties"]["name"])
        geometry = shapely_shape(feature["geometry"])
        assert geometry.is_valid
        assert len(geometry.interiors) == 1
        assert geometry.area == (labels == number).sum() == feature["properties"]["measurements"]["Area px^2"]
        y, x = ndimage.center_of_mass(labels == number)
        assert (geometry.centroid.x, geometry.centroid.y) == pytest.approx((x + 0.5, y + 0.5))
        assert feature["properties"]["objectType"] == "detection"
    first = {f["properties"]["name"]: f["properties"] for f in collection["features"]}
    assert first["2"]["classification"]["name"] == "腫瘍"
    assert len(first["2"]["classification"]["color"]) == 3
    assert first["1"]["measurements"]["Score"] == 0.25
    assert "classification" not in first["3"]
    assert read_objects(tmp_path / "cells.geojson", grid_of(labels)).classes == {1: "Tumör", 2: "腫瘍"}
    before = (tmp_path / "cells.geojson").read_bytes()
    export_objects(objects, ["geojson"], tmp_path)
    assert (tmp_path / "cells.geojson").read_bytes() == before


def test_roifile_reads_the_regions(tmp_path):
    labels = disks(hole=True)
    labels[labels == 5] = 0
    labels[100:110, 100:120] = 400
    export_objects(Objects(labels, "cells"), ["rois"], tmp_path)
    regions = {int(region.name): region for region in roifile.roiread(tmp_path / "cells_rois.zip")}
    assert set(regions) == set(np.unique(labels)) - {0}
    plain = regions[400]
    assert plain.roitype == roifile.ROI_TYPE.TRACED
    assert sorted(map(tuple, plain.coordinates().astype(int))) == [(100, 100), (100, 110), (120, 100), (120, 110)]
    ring = regions[1]
    assert len(ring.coordinates(multi=True)) == 2
    rows, columns = np.nonzero(labels == 1)
    assert (ring.left, ring.top) == (columns.min(), rows.min())
    assert (ring.right, ring.bottom) == (columns.max() + 1, rows.max() + 1)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
@pytest.mark.parametrize(("name", "exact"), [("coco", False), ("coco-rle", True)])
@pytest.mark.parametrize("hole", [False, True])
def test_pycocotools_reads_the_annotations(name, exact, hole, tmp_path):
    labels = disks(hole=hole)
    known = pd.DataFrame({"label": np.unique(labels)[1:], "score": 0.5, "class": "cell"})
    written, _ = export_objects(Objects(labels, "cells", known=known), [name], tmp_path)
    coco = COCO(str(written[name]))
    assert coco.cats[1]["name"] == "cell"
    for about in coco.anns.values():
        mask, truth = coco.annToMask(about).astype(bool), labels == about["id"]
        assert about["area"] == truth.sum()
        assert (mask & truth).sum() / (mask | truth).sum() > (0.9999 if exact or hole else 0.98)


def test_compressed_runs_of_pycocotools_are_read(tmp_path):
    from pycocotools import mask as codec

    labels = disks(hole=True)
    runs = [codec.encode(np.asfortranarray(labels == number)) for number in np.unique(labels)[1:]]
    content = {
        "images": [{"id": 4, "file_name": "cells.png", "height": labels.shape[0], "width": labels.shape[1]}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {
                "id": int(number),
                "image_id": 4,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": {"size": run["size"], "counts": run["counts"].decode()},
            }
            for number, run in zip(np.unique(labels)[1:], runs, strict=True)
        ],
    }
    (tmp_path / "x.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(read_objects(tmp_path / "x.json", grid_of(labels)).labels, labels)


def test_images_of_labels_say_axes_and_pixel_size(tmp_path):
    labels = np.stack([disks()] * 2)
    image = Image(np.random.default_rng(0).random((2, 3, 120, 144)), "ZCYX", (2.0, None, 0.5, 0.25))
    export_objects(Objects(labels, "cells", image), ["tiff", "imagej", "ilastik"], tmp_path)
    with tifffile.TiffFile(tmp_path / "cells_labels.tif") as file:
        assert file.is_ome
        assert (file.series[0].axes, file.series[0].shape) == ("ZYX", labels.shape)
        np.testing.assert_array_equal(file.asarray(), labels)
    with tifffile.TiffFile(tmp_path / "cells_imagej.tif") as file:
        assert file.imagej_metadata["spacing"] == 2.0
        assert file.imagej_metadata["unit"] == "um"
        assert file.pages.first.tags["XResolution"].value == (4, 1)
        np.testing.assert_array_equal(file.asarray(), labels)
    with h5py.File(tmp_path / "cells_ilastik.h5") as file:
        np.testing.assert_array_equal(file["exported_data"], labels)
        assert [tag["key"] for tag in json.loads(file["exported_data"].attrs["axistags"])["axes"]] == list("zyx")


def test_cellposes_window_finds_what_it_opens(tmp_path):
    labels = disks()
    export_objects(Objects(labels, "cells"), ["cellpose"], tmp_path)
    content = np.load(tmp_path / "cells_seg.npy", allow_pickle=True).item()
    assert content["masks"].max() == len(content["ismanual"]) == len(np.unique(labels)) - 1
    np.testing.assert_array_equal(content["masks"] > 0, labels > 0)
    edges = (content["outlines"] > 0).sum()
    assert 0 < edges < (labels > 0).sum()
    np.testing.assert_array_equal(
        content["outlines"][content["outlines"] > 0], content["masks"][content["outlines"] > 0]
    )


def test_cellprofilers_table_has_numbers_and_parents(tmp_path):
    labels = disks()
    cells = np.where(np.arange(144)[None] < 60, 9, 4) * np.ones((120, 1), int)
    cells[:30] = 0
    image = Image(np.random.default_rng(0).random((120, 144)), "YX", (None, None))
    export_objects(Objects(labels, "cells", image, parents={"Cells": cells}), ["cellprofiler"], tmp_path)
    table = pd.read_csv(tmp_path / "cells_cellprofiler.csv")
    numbers = tifffile.imread(tmp_path / "cells_cellprofiler.tif")
    assert table["ImageNumber"].unique().tolist() == [1]
    assert table["ObjectNumber"].tolist() == list(range(1, numbers.max() + 1))
    np.testing.assert_array_equal(table["AreaShape_Area"], np.bincount(numbers.ravel())[1:])
    np.testing.assert_allclose(
        table["Intensity_MeanIntensity_Channel0"],
        ndimage.mean(image.array, numbers, table["ObjectNumber"]),
        rtol=1e-5,
    )
    y, x = table["Location_Center_Y"], table["Location_Center_X"]
    # parents are numbered 1 (id 4, on the right) and 2 (id 9); none above row 30
    expected = np.where(y < 24, 0, np.where(x < 60, 2, 1))
    np.testing.assert_array_equal(table["Parent_Cells"], expected)


def test_svg_has_a_path_for_each_object_and_any_script(tmp_path):
    from xml.etree import ElementTree

    labels = disks(hole=True)
    known = pd.DataFrame({"label": [1], "class": ["<b> & 細胞"]})
    export_objects(Objects(labels, "cells", known=known), ["svg"], tmp_path)
    root = ElementTree.parse(tmp_path / "cells.svg").getroot()
    space = {"s": "http://www.w3.org/2000/svg"}
    paths = root.findall(".//s:path", space)
    assert len(paths) == len(np.unique(labels)) - 1
    assert all(path.get("d").count("M") == path.get("d").count("Z") == 2 for path in paths)
    assert root.find(".//s:g/s:title", space).text == "<b> & 細胞"
    assert root.get("viewBox") == "0 0 144 120"


def test_all_leaves_out_what_cannot_hold_a_stack_and_says_why(tmp_path):
    labels = np.stack([disks()] * 3)
    written, left_out = export_objects(Objects(labels, "stack", axes="TYX"), ["all"], tmp_path)
    assert {"png", "svg", "cellpose", "figure", "pdf"} == set(left_out)
    assert "one plane" in left_out["png"]
    assert all(path.stat().st_size > 0 for path in written.values())
    with zipfile.ZipFile(tmp_path / "stack_rois.zip") as archive:
        assert len(archive.namelist()) == 3 * (len(np.unique(labels)) - 1)


def test_figures_grow_with_the_image_and_have_a_bar(tmp_path):
    from PIL import Image as Pillow

    from napari_instseg.exchange.figures import bar_length, draw_figure

    labels = disks()
    image = Image(np.random.default_rng(0).random((120, 144)), "YX", (0.5, 0.5))
    objects = Objects(labels, "細胞 cells", image)
    written, _ = export_objects(Objects(labels, "cells", image), ["figure", "pdf"], tmp_path)
    with Pillow.open(written["figure"]) as picture:
        assert max(picture.size) == 1800
    assert written["pdf"].read_bytes().startswith(b"%PDF")
    texts = {text.get_text() for text in draw_figure(objects, title="", numbers=True).axes[0].texts}
    assert texts == {str(number) for number in np.unique(labels)[1:]} | {"10 µm"}
    assert {t.get_text() for t in draw_figure(objects, numbers=False).axes[0].texts} == {"10 µm"}
    assert [bar_length(width) for width in (5, 9.9, 10, 75, 1000)] == [1, 1, 2, 10, 200]
