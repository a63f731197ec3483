"""What the benchmark of edits counts as right."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_instseg.benchmarks.edits import benchmark_edits, click_in, iou, iou_in_box, touching
from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Progress, Result
from napari_instseg.inference.prediction import Prediction
from napari_instseg.io.labels import write_labels


def test_iou_of_masks_and_of_a_region_in_a_box():
    own = np.zeros((20, 20), bool)
    own[5:15, 5:15] = True
    box, inside = np.s_[10:18, 5:15], np.ones((8, 10), bool)
    region = np.zeros((20, 20), bool)
    region[box] = inside
    assert iou(own, region) == pytest.approx(50 / 130)
    assert iou_in_box(box, inside, own) == iou(own, region)
    assert iou(own, own) == 1


def test_clicks_lie_deep_in_an_object_wherever_it_is():
    own = np.zeros((60, 80), bool)
    own[:30, 50:] = True
    depth = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1]
    rng = np.random.default_rng(0)
    points = {click_in(own, rng) for _ in range(50)}
    assert len(points) > 20
    assert all(depth[point] >= depth.max() / 2 for point in points)


def test_pairs_are_of_objects_that_touch():
    truth = np.zeros((40, 100), np.int32)
    truth[10:30, 10:30], truth[10:30, 30:50], truth[10:30, 51:70], truth[10:30, 80:99] = 1, 2, 3, 4
    found = list(touching(truth, np.random.default_rng(0), 9))
    pairs = {tuple(sorted((int(truth[a].max()), int(truth[b].max())))) for _, a, b in found}
    assert pairs == {(1, 2), (2, 3)}, "4 is too far from 3"
    for joined, first, second in found:
        assert ndimage.label(joined)[1] == 1
        assert joined[first | second].all()
        assert not (first & second).any()


def disks():
    y, x = np.indices((96, 96))
    truth = np.zeros((96, 96), np.int32)
    for number, (cy, cx) in enumerate(((25, 25), (25, 48), (70, 70)), 1):
        truth[(y - cy) ** 2 + (x - cx) ** 2 <= 12**2] = number
    return truth


@pytest.fixture
def folder(tmp_path):
    truth = disks()
    image = (truth > 0) * 150
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", image.astype(np.uint8))
        write_labels(tmp_path / "labels" / f"{name}.tif", truth)
    (tmp_path / "val.txt").write_text("two\n")
    return tmp_path


class Knowing:
    """A model that colours every disk as it should be, but for the third, which it takes for background."""

    def predict(self, image, axes):
        truth = disks()
        colors = np.stack([(truth == 0) | (truth == 3), truth == 1, truth == 2]).astype(np.float32)
        return Prediction("coloring", {"colors": colors})


def test_clicks_are_right_where_the_network_was_and_wrong_where_it_was_not(folder, monkeypatch):
    monkeypatch.setattr("napari_instseg.inference.model.load_model", lambda name: Knowing())
    *events, last = benchmark_edits(["knowing"], folder, clicks=3, seed=1)
    assert [type(event) for event in events] == [Progress], "one image, since val.txt names one"
    assert isinstance(last, Result)
    rows = {row.what: row for row in last.value}
    for what in ("decoded object under the click", "grow, one click", "grow, the best of the wheel"):
        assert rows[what].tries == 3
        assert rows[what].right == pytest.approx(2 / 3), what
    assert rows["split, two clicks"].tries == 1
    assert rows["split, two clicks"].right == 1
    assert rows["split, two clicks"].median > 0


def test_a_folder_without_the_images_that_it_names_is_refused(folder):
    (folder / "val.txt").write_text("three\n")
    with pytest.raises(InputError, match="no annotated images"):
        list(benchmark_edits(["coloring-nuclei"], folder))
