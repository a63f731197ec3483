"""Label files and corrections become one kind of example, and come back from disk as they were."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError, TrainingError
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.training.annotations import (
    find_classes,
    read_annotated,
    read_corrections,
    split_up,
    write_annotated,
)

from .conftest import drain


def example(axes="YX", shape=(8, 10), classes=False):
    rng = np.random.default_rng(0)
    grid = tuple(side for side, letter in zip(shape, axes, strict=True) if letter != "C")
    labels = rng.integers(0, 4, grid).astype(np.int32)
    return Example(rng.integers(0, 255, shape).astype(np.uint8), axes, labels, labels % 2 + 1 if classes else None)


def test_a_stack_is_as_many_images_and_all_of_them_teach():
    given = example("TYXC", (3, 8, 10, 2))
    images = list(split_up("film", given, 2, 5.0))
    assert [one.name for one in images] == ["film 0", "film 1", "film 2"]
    for number, one in enumerate(images):
        np.testing.assert_array_equal(one.image, np.moveaxis(given.image[number], -1, 0))
        np.testing.assert_array_equal(one.learn, given.labels[number])
        assert (one.judge == -1).all()
        assert (one.as_taken[1], one.diameter) == ("CYX", 5.0)
    (volume,) = split_up("v", example("ZYX", (3, 8, 10)), 3)
    assert (volume.name, volume.as_taken[1], volume.image.shape) == ("v", "CZYX", (1, 3, 8, 10))


def test_colours_are_given_to_a_model_as_those_of_a_picture():
    given = example("YXC", (8, 10, 3))
    (picture,) = split_up("tissue", given, 2)
    image, axes = picture.as_taken
    assert axes == "YXC"
    np.testing.assert_array_equal(image, given.image)


def test_labels_of_another_shape_are_refused():
    given = example()
    wrong = Example(given.image, "YX", given.labels[:-1])
    with pytest.raises(InputError, match=r"The labels of 'a' have the shape \(7, 10\), its image \(8, 10\) \(YX\)"):
        list(split_up("a", wrong, 2))


def test_the_class_of_an_object_is_that_of_most_of_its_pixels():
    labels, classes = np.array([1, 1, 1, 3, 3, 0, -1]), np.array([2, 2, 1, 5, 5, 0, 0])
    assert find_classes(labels, classes).tolist() == [0, 2, 0, 5]


def test_written_and_read_is_the_same(tmp_path):
    images = list(split_up("a", example(classes=True), 2, 7.5)) + list(split_up("b", example("ZYX", (2, 4, 6)), 3))
    write_annotated(tmp_path, images)
    for one, again in zip(images, read_annotated(tmp_path), strict=True):
        assert (again.name, again.diameter) == (one.name, one.diameter)
        for name in ("image", "learn", "judge"):
            np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
        assert (again.class_of is None) == (one.class_of is None)
        assert one.class_of is None or again.class_of.tolist() == one.class_of.tolist()
    assert read_annotated(tmp_path / "nowhere") == ()


def test_classes_of_each_pixel_that_version_0_1_0_wrote_are_read(tmp_path):
    labels = np.array([[1, 1, 0], [4, 4, -1]], np.int32)
    arrays = {"image": labels[None], "learn": np.where(labels == 4, -1, labels), "judge": np.where(labels == 4, 4, -1)}
    np.savez(tmp_path / "0000.npz", name=np.array("a"), classes=np.array([[2, 2, 0], [3, 3, 0]]), **arrays)
    (one,) = read_annotated(tmp_path)
    assert one.class_of.tolist() == [0, 2, 0, 0, 3]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "0000.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(TrainingError, match=r"0000\.npz' is damaged"):
        read_annotated(tmp_path)


def test_one_id_in_places_far_apart_is_learnt_as_several_objects():
    labels = np.full((40, 60), -1, np.int32)
    labels[2:8, 2:8] = labels[30:36, 50:56] = labels[2:8, 40:46] = 1
    labels[20:24, 20:24] = 2
    image = np.random.default_rng(0).integers(0, 255, labels.shape).astype(np.uint8)
    (plane,) = drain(read_corrections([(Pair("a", lambda: Example(image, "YX", labels)), 6.0)], 2, 0))
    found = plane.learn
    assert len({found[5, 5], found[32, 52], found[5, 42], found[22, 22]}) == 4
    np.testing.assert_array_equal(found > 0, labels > 0)
    np.testing.assert_array_equal(found < 0, labels < 0)
