import numpy as np
import pytest
from skimage.measure import regionprops

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.ids import keep_ids
from napari_instseg.decoding.segmentation import Segmentation


def random_labels(shape, n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n + 1, shape).astype(np.int32)
    labels.ravel()[: n + 1] = np.arange(n + 1)
    return labels


@pytest.mark.parametrize("shape", [(37, 41), (7, 13, 19), (3, 5, 11, 13)])
def test_the_table_agrees_with_scikit_image(shape):
    labels = random_labels(shape, 23, seed=1)
    table = Segmentation(labels).table
    if len(shape) == 4:
        check_stack(table, labels, "tzyx")
        return
    for row, region in zip(table.itertuples(), regionprops(labels), strict=True):
        assert (row.label, row.area) == (region.label, region.area)
        axes = "zyx"[3 - len(shape) :]
        assert [getattr(row, f"centroid_{a}") for a in axes] == pytest.approx(region.centroid)
        box = [getattr(row, f"{a}_min") for a in axes] + [getattr(row, f"{a}_max") for a in axes]
        assert box == list(region.bbox)


def check_stack(table, labels, axes):
    for row in table.itertuples():
        where = np.nonzero(labels == row.label)
        assert row.area == len(where[0])
        for letter, at in zip(axes, where, strict=True):
            assert getattr(row, f"centroid_{letter}") == pytest.approx(at.mean())
            assert (getattr(row, f"{letter}_min"), getattr(row, f"{letter}_max")) == (at.min(), at.max() + 1)


def test_the_axes_name_the_columns():
    labels = random_labels((5, 13, 19), 23, seed=1)
    segmentation = Segmentation(labels, axes="TYX")
    check_stack(segmentation.table, labels, "tyx")
    assert "centroid_z" not in segmentation.table
    assert segmentation.crop((slice(0, 2), slice(0, 5), slice(0, 5))).axes == "TYX"


def test_score_and_class_are_columns_of_the_table():
    labels = np.array([[0, 1], [2, 2]], np.int32)
    table = Segmentation(labels, np.array([0.5, 0.25], np.float32), np.array([3, 1])).table
    assert list(table.columns[:4]) == ["label", "class", "score", "area"]
    assert table["class"].tolist() == [3, 1]
    assert table["score"].tolist() == [0.5, 0.25]
    assert table["area"].tolist() == [1, 2]


def test_no_object_gives_an_empty_table_with_its_columns():
    table = Segmentation(np.zeros((4, 5), np.int32)).table
    assert len(table) == 0
    assert "centroid_y" in table.columns


def test_a_crop_keeps_what_is_known_of_the_objects_in_it():
    labels = np.array([[1, 0, 2], [0, 0, 3]], np.int32)
    whole = Segmentation(labels, np.array([0.1, 0.2, 0.3], np.float32), np.array([1, 2, 3]))
    part = whole.crop((slice(0, 2), slice(1, 3)))
    np.testing.assert_array_equal(part.labels, [[0, 1], [0, 2]])
    np.testing.assert_array_equal(part.score, np.float32([0.2, 0.3]))
    np.testing.assert_array_equal(part.class_id, [2, 3])


def test_objects_that_did_not_change_keep_their_ids():
    previous = np.zeros((20, 30), np.int32)
    previous[0:5, 0:5], previous[0:5, 10:15], previous[10:18, 0:20] = 7, 3, 9
    new = np.zeros_like(previous)
    # the first as it was, the second gone, the third in two unequal parts, one new; ids in another order
    new[0:5, 0:5], new[10:18, 0:13], new[10:18, 13:20], new[0:5, 22:30] = 4, 1, 2, 3
    labels, ids = keep_ids(previous, new)
    assert ids.tolist() == [0, 9, 10, 11, 7]
    np.testing.assert_array_equal(labels, ids[new])


def test_the_same_labels_keep_all_ids_and_a_permutation_is_undone():
    previous = random_labels((40, 50), 30, seed=2)
    order = np.concatenate([[0], np.random.default_rng(3).permutation(30) + 1])
    labels, ids = keep_ids(previous, order[previous].astype(np.int32))
    np.testing.assert_array_equal(labels, previous)
    np.testing.assert_array_equal(ids[order], np.arange(31))


def test_new_ids_are_above_what_is_asked_for():
    previous, new = np.array([[1, 0, 0]], np.int32), np.array([[1, 2, 3]], np.int32)
    assert keep_ids(previous, new)[1].tolist() == [0, 1, 2, 3]
    assert keep_ids(previous, new, above=7)[1].tolist() == [0, 1, 8, 9]


def test_many_ids_are_matched_as_few_are(monkeypatch):
    previous, new = random_labels((60, 70), 50, seed=4), random_labels((60, 70), 40, seed=5)
    labels, ids = keep_ids(previous, new)
    monkeypatch.setattr("napari_instseg.decoding.ids.DENSE", 0)
    np.testing.assert_array_equal(keep_ids(previous, new)[1], ids)
    np.testing.assert_array_equal(keep_ids(previous, new)[0], labels)


def test_ids_of_other_shapes_cannot_be_kept():
    with pytest.raises(InputError, match="shape"):
        keep_ids(np.zeros((3, 4), np.int32), np.zeros((4, 3), np.int32))
