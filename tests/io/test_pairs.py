"""Pairs are found by name, read when needed, and what does not fit together is said with both names."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_instseg.core.errors import InputError
from napari_instseg.io.labels import write_labels
from napari_instseg.io.pairs import match_labels, open_pairs, open_split, pairs_from_arrays

RNG = np.random.default_rng(0)
LABELS = np.zeros((12, 15), np.int32)
LABELS[1:5, 2:7] = 3
LABELS[5:9, 2:7] = 8
CLASSES = np.where(LABELS == 3, 2, np.where(LABELS == 8, 1, 0))


def picture():
    return RNG.integers(0, 255, (12, 15, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """A set of three pairs in several formats, with names that need care."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Pillow.fromarray(picture()).save(tmp_path / "images" / "b 2.png")
    tifffile.imwrite(tmp_path / "images" / "a.ome.tif", picture()[..., 0])
    np.save(tmp_path / "images" / "c.npy", np.moveaxis(picture(), -1, 0)[:2].astype(np.int32))
    write_labels(tmp_path / "labels" / "a.tif", LABELS)
    Pillow.fromarray(LABELS.astype(np.uint8)).save(tmp_path / "labels" / "b 2.png")
    write_labels(tmp_path / "labels" / "c.tiff", LABELS)
    (tmp_path / "images" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "images" / "._a.tif").write_bytes(b"x")
    (tmp_path / "images" / "notes.txt").write_bytes(b"x")
    return tmp_path


def test_pairs_of_a_folder(folder):
    pairs = open_pairs(folder)
    assert [pair.name for pair in pairs] == ["a", "b 2", "c"]
    examples = [pair.read() for pair in pairs]
    assert [example.axes for example in examples] == ["YX", "YXC", "CYX"]
    for example in examples:
        np.testing.assert_array_equal(example.labels, LABELS)
        assert example.classes is None


def test_a_folder_for_each_image_with_a_mask_for_each_object(tmp_path):
    for name in ("b", "a"):
        for kind in ("images", "masks"):
            (tmp_path / name / kind).mkdir(parents=True)
        opaque = np.dstack([picture()[..., :1]] * 3 + [np.full(LABELS.shape, 255, np.uint8)])
        Pillow.fromarray(opaque).save(tmp_path / name / "images" / f"{name}.png")
        for id_ in (3, 8):
            mask = 255 * (id_ == LABELS).astype(np.uint8)
            Pillow.fromarray(mask).save(tmp_path / name / "masks" / f"object {id_}.png")
    (tmp_path / "notes.txt").write_bytes(b"x")
    pairs = open_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    example = pairs[0].read()
    assert example.axes == "YXC"
    np.testing.assert_array_equal(example.labels, np.where(LABELS == 3, 1, np.where(LABELS == 8, 2, 0)))
    Pillow.fromarray(mask[:5]).save(tmp_path / "a" / "masks" / "cropped.png")
    with pytest.raises(InputError, match=r"cropped.png.*\(5, 15\).*\(12, 15\)"):
        pairs[0].read()
    (tmp_path / "b" / "images" / "b.png").rename(tmp_path / "b.png")
    with pytest.raises(InputError, match="holds 0 images"):
        pairs[1].read()


def test_nothing_is_read_before_it_is_needed(folder):
    (folder / "images" / "b 2.png").write_bytes(b"")
    first, second, _ = open_pairs(folder)
    first.read()
    with pytest.raises(InputError, match="empty"):
        second.read()


def test_an_accent_spelt_in_two_ways_is_the_same_name(tmp_path):
    for kind, form in (("images", "NFD"), ("labels", "NFC")):
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / unicodedata.normalize(form, "été.npy"), LABELS)
    assert [pair.name for pair in open_pairs(tmp_path)] == [unicodedata.normalize("NFC", "été")]


def refusal(folder):
    with pytest.raises(InputError) as caught:
        [pair.read() for pair in open_pairs(folder)]
    return str(caught.value)


def test_image_without_labels(folder):
    (folder / "labels" / "a.tif").unlink()
    message = refusal(folder)
    assert "1 of 3 images have no partner" in message
    assert "'a.ome.tif'" in message


def test_labels_without_image(folder):
    (folder / "images" / "c.npy").unlink()
    assert "1 files in" in refusal(folder)
    assert "have no image: 'c.tiff'" in refusal(folder)


def test_same_name_twice(folder):
    np.save(folder / "images" / "a.npy", LABELS)
    message = refusal(folder)
    assert "a.npy" in message
    assert "a.ome.tif" in message
    assert "same name" in message


def test_missing_and_empty_folders(tmp_path):
    assert "There is no folder" in refusal(tmp_path)
    (tmp_path / "images").mkdir()
    assert "has no files to read" in refusal(tmp_path)


def test_other_shape_names_both_files(folder):
    write_labels(folder / "labels" / "a.tif", LABELS.T)
    message = refusal(folder)
    for word in ("labels", "a.tif", "(15, 12)", "a.ome.tif", "(12, 15)"):
        assert word in message


def test_classes_from_json_or_a_second_label_image(folder):
    (folder / "classes").mkdir()
    for name in ("a", "b 2"):
        (folder / "classes" / f"{name}.json").write_text(json.dumps({"3": 2, "8": 1, "99": 5}), encoding="utf-8")
    write_labels(folder / "classes" / "c.tif", np.where(LABELS == 0, 7, CLASSES))
    for pair in open_pairs(folder):
        np.testing.assert_array_equal(pair.read().classes, CLASSES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"3": 2}', "no class for object '8'"),
        ('{"3": 2, "8": 0}', "8: Input should be greater than or equal to 1"),
        ('{"3": 2, "8": 1.5}', "8: Input should be a valid integer"),
        ('{"3": 2, "8": "red"}', "expected a class from 1 for each object id"),
        ("[3, 8]", "expected a class from 1 for each object id"),
        ("{", "expected a class from 1 for each object id"),
        ("[" * 100_000, "nested too deeply"),
        ('{"3": 2, "8": 1e300}', "expected a class from 1 for each object id"),
        ('{"3": 2, "8": 1, "99999999999": 1}', "less than 2147483648"),
    ],
)
def test_bad_classes(folder, content, words):
    (folder / "classes").mkdir()
    for name in ("a", "b 2", "c"):
        (folder / "classes" / f"{name}.json").write_text(content, encoding="utf-8")
    message = refusal(folder)
    assert words in message
    assert "a.json" in message


def test_a_class_image_that_forgets_an_object():
    with pytest.raises(InputError, match="no class for object '8'"):
        pairs_from_arrays([picture()], [LABELS], classes=[np.where(LABELS == 3, 1, 0)])


def test_val_txt_names_the_held_out(folder):
    (folder / "val.txt").write_bytes("\ufeffb 2\r\n\r\na\r\n".encode())
    train, held_out = open_split(folder, held_out=0.9)
    assert [pair.name for pair in train] == ["c"]
    assert [pair.name for pair in held_out] == ["a", "b 2"]
    (folder / "val.txt").write_text("d\n")
    with pytest.raises(InputError, match=r"val\.txt.*no image named 'd'"):
        open_split(folder)


def test_val_txt_in_another_encoding_is_told(folder):
    (folder / "val.txt").write_bytes("Zellen ä\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"val\.txt' cannot be read .*expected the names of images in UTF-8"):
        open_split(folder)


def test_without_val_txt_a_share_is_drawn(folder):
    train, held_out = open_split(folder, held_out=0.3, seed=0)
    assert (len(train), len(held_out)) == (2, 1)


def test_arrays():
    image = picture()
    (pair,) = pairs_from_arrays([image], [LABELS], classes=[CLASSES])
    example = pair.read()
    assert example.axes == "YXC"
    np.testing.assert_array_equal(example.image, image)
    np.testing.assert_array_equal(example.labels, LABELS)
    np.testing.assert_array_equal(example.classes, CLASSES)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        ([picture()], [], "1 images, 0 label images"),
        ([picture()], [LABELS.T], r"Label image 0 has the shape \(15, 12\), image 0 \(12, 15\)"),
        ([picture()], [LABELS / 2], "Label image 0 is in floating point"),
        ([picture(), picture() * 0], [LABELS, LABELS], "Image 1 is constant"),
    ],
)
def test_bad_arrays(images, labels, words):
    with pytest.raises(InputError, match=words):
        pairs_from_arrays(images, labels)


def test_label_files_are_matched_by_name():
    def matched(images, labels):
        pairs = match_labels([Path("in") / name for name in images], [Path("out") / name for name in labels])
        return [(image.name, of.name) for image, of in pairs]

    assert matched(["x.tif"], ["other.png"]) == [("x.tif", "other.png")]
    labels = ["a_2_masks.png", "a-1.png", "a.npy", "b.ome_labels.tif"]
    expected = [("a.tif", "a.npy"), ("a_2.tif", "a_2_masks.png"), ("b.tif", "b.ome_labels.tif"), ("a-1.tif", "a-1.png")]
    assert matched(["a.tif", "a_2.tif", "b.tif", "a-1.tif"], labels) == expected
    for images, labels, words in (
        (["a.tif", "b.tif"], ["a.png"], r"'b.tif' of the 2 images chosen has no label file, or several, among the 1"),
        (["a.tif", "b.tif"], ["a.png", "a_masks.png", "b.png"], "'a.tif' of the 2 images"),
        (["a.tif"], ["a.png", "ab.png"], "'ab.png' of the 2 label files chosen: no such image"),
    ):
        with pytest.raises(InputError, match=words):
            matched(images, labels)
