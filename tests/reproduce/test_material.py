"""The images of the experiments: simulated ones, the leaf challenge's, and worms as their foreground."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_instseg.core.errors import InputError
from napari_instseg.reproduce.learning import Effort
from napari_instseg.reproduce.material import annotated, cvppp, evenly, simulated
from napari_instseg.reproduce.worms import binary


def test_scored_images_are_none_of_those_learnt_from():
    size = {"height": 96, "width": 96, "count": 3, "length": 60.0}
    learnt, tests = simulated("sticks", 3, 3, 0, size)
    assert len(learnt) == len(tests) == 3
    assert not any((one.image == other.image).all() for one in learnt for other in tests)
    again, _ = simulated("sticks", 3, 0, 0, size)
    assert all((one.image == other.image).all() for one, other in zip(learnt, again, strict=True))
    assert not (simulated("sticks", 1, 0, 1, size)[0][0].image == learnt[0].image).all()


def test_the_truth_of_overlapping_objects_is_their_whole_masks():
    ((picture,), _) = simulated("worms", 1, 0, 0, {"look": "binary", "count": 6, "crossing": 1.0}, overlapping=True)
    assert picture.truth.shape == (6, *picture.labels.shape)
    assert (picture.truth.any(axis=0) == (picture.labels > 0)).all()
    assert picture.truth.sum() > (picture.labels > 0).sum()
    assert ((picture.image > 0) == (picture.labels > 0)).all()


def write_plant(folder, name, labels, image_mode="RGB"):
    Image.fromarray(np.full((*labels.shape, 3), 90, np.uint8)).convert(image_mode).save(folder / f"{name}_rgb.png")
    indexed = Image.fromarray(labels, mode=None)
    indexed.putpalette(list(np.random.default_rng(0).permutation(256).astype(np.uint8)) * 3)
    indexed.save(folder / f"{name}_label.png")


def test_leaves_of_the_challenge_keep_the_indices_of_their_palette(tmp_path):
    labels = np.zeros((20, 30), np.uint8)
    labels[2:9, 3:12], labels[12:18, 15:28] = 1, 7
    for number in range(4):
        write_plant(tmp_path, f"plant{number}", labels, "RGBA" if number == 2 else "RGB")
    learnt, tests = cvppp(tmp_path, 10, 10, seed=0)
    assert (len(learnt), len(tests)) == (3, 1)
    assert {picture.name for picture in [*learnt, *tests]} == {"plant0", "plant1", "plant2", "plant3"}
    for picture in [*learnt, *tests]:
        assert picture.image.shape == (20, 30, 3)
        assert (picture.labels == labels).all()


def test_a_plant_without_labels_is_an_error(tmp_path):
    for number in range(2):
        write_plant(tmp_path, f"plant{number}", np.ones((8, 8), np.uint8))
    (tmp_path / "plant1_label.png").unlink()
    with pytest.raises(InputError, match=r"plant1_label\.png"):
        cvppp(tmp_path, 10, 10, seed=0)


def write_well(folder, name, image, labels, masks):
    for part, array in (("images", image), ("labels", labels), ("masks_overlapping", masks)):
        (folder / part).mkdir(exist_ok=True)
        tifffile.imwrite(folder / part / f"{name}.tif", array, photometric="minisblack")


@pytest.fixture
def wells(tmp_path):
    masks = np.zeros((2, 12, 16), np.uint8)
    masks[0, 4:7, :], masks[1, :, 6:9] = 1, 1
    labels = np.where(masks[1] > 0, 2, masks[0]).astype(np.uint16)
    for name in ("A", "B", "C"):
        write_well(tmp_path, name, np.arange(192, dtype=np.uint16).reshape(12, 16), labels, masks)
    (tmp_path / "val.txt").write_text("B\n")
    return tmp_path, masks > 0


def test_worms_are_seen_as_their_foreground_and_scored_whole(wells):
    folder, masks = wells
    learnt, tests = binary(folder, Effort(images=10, tests=10, steps=1, side=16))
    assert [picture.name for picture in learnt] == ["A", "C"]
    (picture,) = tests
    assert picture.name == "B"
    assert (picture.image == 255 * masks.any(axis=0)).all()
    assert (picture.truth == masks).all()


def test_masks_of_another_shape_are_an_error(wells):
    folder, masks = wells
    tifffile.imwrite(folder / "masks_overlapping" / "A.tif", masks[:, :8].astype(np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match=r"A\.tif.*\(2, 8, 16\).*\(n, 12, 16\)"):
        binary(folder, Effort(images=10, tests=10, steps=1, side=16))


def test_a_folder_gives_at_most_as_many_as_asked_for_and_only_held_out_ones_to_score(wells):
    folder, _ = wells
    learnt, tests = annotated(folder, 1, 5)
    assert [picture.name for picture in learnt] == ["A"]
    assert [picture.name for picture in tests] == ["B"]


def test_evenly_spreads_over_the_whole():
    assert evenly(list(range(10)), 4) == [0, 2, 5, 7]
    assert evenly([1, 2], 5) == [1, 2]
    assert evenly([1, 2], 0) == []
