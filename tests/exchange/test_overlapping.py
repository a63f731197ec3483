"""Objects that lie on top of each other, to file and back."""

import json

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools.coco import COCO

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.overlapping import from_masks, whole_masks
from napari_instseg.exchange import get_format, read_objects
from napari_instseg.exchange.objects import Grid, Objects

GRID = Grid((7, 9), "YX", "worms.tif")


def written(name, masks, folder, top=None):
    labels, covered = from_masks(masks)
    if top is not None:  # in sight is what no order of the file gives
        labels[top] = 0
        labels[top] = 1 + masks[(slice(None), *top)].argmax()
        covered = np.argwhere(masks & (labels != np.arange(1, len(masks) + 1)[:, None, None])).astype(np.int32)
        covered[:, 0] += 1
    path = folder / f"worms{get_format(name).ending}"
    get_format(name).write(path, Objects(labels, "worms", covered=covered))
    return path, labels, covered


@pytest.mark.parametrize("name", ["coco", "coco-rle", "masks"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masks=arrays(bool, (4, 7, 9), elements=st.sampled_from([True, False])), data=st.data())
def test_overlapping_objects_come_back_exactly(name, masks, data, tmp_path):
    masks[:, 0, 0] = True
    labels, _ = from_masks(masks)
    masks = masks[np.isin(np.arange(1, 5), labels)]
    y, x = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 8))
    top = (y, x) if masks[:, y, x].any() else None
    path, labels, _ = written(name, masks, tmp_path, top)
    found = read_objects(path, GRID)
    ids = np.arange(1, len(masks) + 1)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(whole_masks(found.labels, found.covered, ids), masks)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("name", ["coco", "coco-rle"])
def test_pycocotools_reads_whole_objects(name, tmp_path):
    masks = np.zeros((2, 7, 9), bool)
    masks[0, 3:5], masks[1, :, 4:6] = True, True
    path, labels, _ = written(name, masks, tmp_path)
    coco = COCO(str(path))
    read = {a["label"]: coco.annToMask(a) > 0 for a in coco.dataset["annotations"]}
    for number, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(read[number], mask)
    areas = {a["label"]: a["area"] for a in coco.dataset["annotations"]}
    assert areas == {1: 18, 2: 14}
    np.testing.assert_array_equal(read_objects(path, GRID).labels, labels)


def test_overlaps_of_another_program_are_kept_too(tmp_path):
    masks = np.zeros((2, 7, 9), bool)
    masks[0, 3:5], masks[1, :, 4:6] = True, True
    path, _, _ = written("coco-rle", masks, tmp_path)
    value = json.loads(path.read_text())
    for about in value["annotations"]:
        about.pop("visible_mask", None)
    path.write_text(json.dumps(value))
    found = read_objects(path, GRID)
    np.testing.assert_array_equal(whole_masks(found.labels, found.covered, [1, 2]), masks)
    assert any("in several objects" in note for note in found.notes)


def test_a_stack_of_masks_of_any_values_is_read(tmp_path):
    masks = np.zeros((3, 7, 9), np.uint8)
    masks[0, 3:5], masks[2, :, 4:6] = 1, 1
    path = tmp_path / "worms_masks.tif"
    tifffile.imwrite(path, masks, photometric="minisblack")
    found = read_objects(path, GRID)
    np.testing.assert_array_equal(whole_masks(found.labels, found.covered, [1, 2]), masks[[0, 2]] > 0)
    assert found.labels[3, 4] == 2, "the later lies on top"
    assert "1 masks are empty" in found.notes[0]
    with pytest.raises(InputError, match=r"expected \(n, 8, 9\)"):
        read_objects(path, Grid((8, 9), "YX", "worms.tif"))
