"""Labels come back as they were written; what is no label image is refused with what to do."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_instseg.core.errors import InputError
from napari_instseg.io.images import read_image
from napari_instseg.io.labels import check_labels, doubt_masks, read_labels, read_stamp, write_labels
from napari_instseg.io.stamps import Stamp

LABELS = np.zeros((20, 31), np.int32)
LABELS[2:8, 3:9] = 1
LABELS[8:15, 3:9] = 7
LABELS[10:18, 20:30] = 4


@pytest.mark.parametrize("last", [300, 65535, 65536, 2**31 - 1])
def test_round_trip_in_the_smallest_type(tmp_path, last):
    labels = np.where(LABELS == 7, last, LABELS).astype(np.int32)
    path = write_labels(tmp_path / "größe 1.tif", labels)
    assert tifffile.imread(path).dtype == (np.uint16 if last < 65536 else np.uint32)
    got = read_labels(path, labels.shape)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, labels)


def test_compressed(tmp_path):
    labels = np.kron(LABELS, np.ones((40, 40), np.int32))
    assert write_labels(tmp_path / "a.tif", labels).stat().st_size < labels.size / 20


@pytest.mark.parametrize(
    ("shape", "axes", "scale"),
    [
        ((20, 31), None, (0.5, 0.25)),
        ((3, 20, 31), "ZYX", (2.0, 0.5, 0.25)),
        ((2, 3, 20, 31), "TZYX", (30.0, 2.0, 0.5, 0.25)),
        ((3, 20, 31), "ZYX", (None, None, 0.25)),
    ],
)
def test_axes_and_pixel_size_are_kept(tmp_path, shape, axes, scale):
    labels = np.broadcast_to(LABELS, shape)
    image = read_image(write_labels(tmp_path / "a.tif", labels, axes, scale))
    assert image.axes == (axes or "YX")
    assert image.scale == pytest.approx(scale)
    np.testing.assert_array_equal(image.array, labels)


def test_plain_tiff_tags_have_the_pixel_size_too(tmp_path):
    with tifffile.TiffFile(write_labels(tmp_path / "a.tif", LABELS, None, (0.5, 0.25))) as file:
        tags = file.pages.first.tags
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        for tag, pixels_per_centimetre in (("XResolution", 40000), ("YResolution", 20000)):
            numerator, denominator = tags[tag].value
            assert numerator / denominator == pytest.approx(pixels_per_centimetre)


def test_png_and_npy(tmp_path):
    Pillow.fromarray(LABELS.astype(np.uint16)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", LABELS.astype(np.int64))
    for name in ("a.png", "a.npy"):
        np.testing.assert_array_equal(read_labels(tmp_path / name), LABELS)


def test_palette_picture_has_ids(tmp_path):
    indexed = Pillow.fromarray(LABELS.astype(np.uint8), mode="P")
    indexed.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [9] * 300)
    indexed.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), LABELS)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS.astype(np.float32), ["floating point (float32)", "astype('int32')"]),
        (LABELS + 0.25, ["floating point (float64)", "probability map"]),
        (np.where(LABELS == 1, np.nan, LABELS), ["NaN or infinity"]),
        (LABELS - 1, ["negative values, down to -1", "Set what is no object to 0"]),
        (LABELS > 0, ["yes-or-no mask", "scipy.ndimage.label"]),
        ((LABELS > 0).astype(np.uint8) * 255, ["only 0 and 255", "2 separate pieces"]),
        ((LABELS > 0).astype(np.uint16) * 65535, ["only 0 and 65535"]),
        (np.repeat(LABELS[..., None], 3, -1).astype(np.uint8), ["colour picture", "numpy.unique"]),
        (np.repeat(LABELS[..., None], 4, -1).astype(np.uint8), ["colour picture"]),
        (LABELS.astype(np.int64) + 2**31, ["ids up to 2147483655", "relabel_sequential"]),
        (LABELS.astype(complex), ["complex128"]),
        (LABELS.astype(str), ["<U"]),
        (LABELS[0], ["1 dimensions"]),
    ],
)
def test_refused(labels, words):
    with pytest.raises(InputError) as caught:
        check_labels(labels, name="'my labels.tif'")
    message = str(caught.value)
    assert message.startswith("'my labels.tif' ")
    assert "expected" in message
    for word in words:
        assert word in message


def test_the_advice_for_a_colour_picture_works():
    colors = np.random.default_rng(0).integers(1, 256, (8, 3), dtype=np.uint8)
    colors[0] = 0
    picture = colors[LABELS]
    with pytest.raises(InputError) as caught:
        check_labels(picture)
    advice = str(caught.value).split("convert it: ")[1].split(", then")[0]
    converted = check_labels(eval(advice, {"numpy": np, "picture": picture}))
    pairs = np.unique(np.stack([converted.ravel(), LABELS.ravel()]), axis=1)
    assert pairs.shape[1] == 4
    assert pairs[:, 0].tolist() == [0, 0]


def test_a_stamp_tells_of_its_pixels_and_of_its_image(tmp_path):
    path = write_labels(tmp_path / "a.tif", LABELS, found_in=tmp_path / "in" / "a.png")
    stamp = read_stamp(path)
    assert stamp == Stamp.of(LABELS, tmp_path / "x" / ".." / "in" / "a.png")
    assert stamp.image != Stamp.place(tmp_path / "other" / "a.png")
    assert str(tmp_path) not in path.read_bytes().decode("latin-1")
    assert read_stamp(write_labels(tmp_path / "b.tif", LABELS)) is None
    changed = LABELS.copy()
    changed[19, 30] = 1
    tifffile.imwrite(tmp_path / "c.tif", changed.astype(np.uint16), software=str(stamp))
    assert read_stamp(tmp_path / "c.tif") is None
    tifffile.imwrite(tmp_path / "d.tif", LABELS.astype(np.uint16))
    assert read_stamp(tmp_path / "d.tif") is None


def test_only_one_id_in_several_pieces_is_doubted():
    mask = (LABELS > 0).astype(np.int32)
    diagonal = np.eye(9, dtype=np.int32)
    unknown = np.where(mask == 0, -1, LABELS)
    words = doubt_masks({"good": LABELS, "mask": mask, "one": (LABELS == 4) * 1, "line": diagonal, "none": mask * 0})
    assert words.startswith("1 of 5 label images have only the id 1")
    assert "'mask'" in words
    assert "scipy.ndimage.label" in words
    half_known = np.where(mask > 0, 1, -1)
    assert doubt_masks({"good": LABELS, "line": diagonal, "unknown": unknown, "half known": half_known}) == ""


def test_another_shape_names_both():
    with pytest.raises(InputError) as caught:
        check_labels(LABELS, (31, 20), name="'labels/a.tif'", image="'images/a.png'")
    for word in ("'labels/a.tif'", "(20, 31)", "'images/a.png'", "(31, 20)", "rotated"):
        assert word in str(caught.value)


def test_a_volume_as_narrow_as_a_colour_is_no_picture():
    volume = np.ones((20, 31, 3), np.int32)
    np.testing.assert_array_equal(check_labels(volume, (20, 31, 3)), volume)


def test_one_object_with_id_255_is_no_mask():
    labels = np.where(LABELS == 1, 255, 0)
    np.testing.assert_array_equal(check_labels(labels), labels)


def test_more_than_65535_objects(tmp_path):
    labels = np.arange(300 * 300, dtype=np.uint32).reshape(300, 300)
    np.testing.assert_array_equal(read_labels(write_labels(tmp_path / "a.tif", labels)), labels)


def test_no_objects_at_all(tmp_path):
    assert read_labels(write_labels(tmp_path / "a.tif", np.zeros((5, 5), np.int32))).max() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int64])
def test_every_integer_type(dtype):
    assert check_labels(LABELS.astype(dtype)).dtype == np.int32
