"""Images of every format come back as they were written, and what is no image is refused in words."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_instseg.core.errors import InputError
from napari_instseg.io.images import read_image, read_indexed
from napari_instseg.io.tiff import write_tiff

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 31), dtype=np.uint8)
GREY16 = RNG.integers(0, 65536, (20, 31), dtype=np.uint16)
COLOR = RNG.integers(0, 256, (20, 31, 3), dtype=np.uint8)
COLOR16 = RNG.integers(0, 65536, (20, 31, 3), dtype=np.uint16)


def check(image, array, axes):
    assert image.axes == axes
    assert image.array.dtype == array.dtype
    np.testing.assert_array_equal(image.array, array)
    assert len(image.scale) == len(axes)


@pytest.mark.parametrize("array", [GREY, COLOR])
def test_png(tmp_path, array):
    Pillow.fromarray(array).save(tmp_path / "a.png")
    check(read_image(tmp_path / "a.png"), array, "YX" if array.ndim == 2 else "YXC")


@pytest.mark.parametrize("array", [GREY16, COLOR16])
def test_png_of_16_bits_keeps_them(tmp_path, array):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    check(read_image(tmp_path / "a.png"), array, "YX" if array.ndim == 2 else "YXC")


@pytest.mark.parametrize("array", [GREY, COLOR])
def test_transparency_is_left_out(tmp_path, array):
    channels = array.reshape(20, 31, -1)
    seen_through = np.concatenate([channels, GREY[..., None]], axis=-1)
    Pillow.fromarray(seen_through).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.concatenate([COLOR, GREY[..., None]], -1), photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array.reshape(20, 31, -1), channels)
    check(read_image(tmp_path / "a.tif"), COLOR, "YXC")


def test_palette_is_colours_in_an_image_and_ids_in_labels(tmp_path):
    indexed = Pillow.fromarray((GREY % 5).astype(np.uint8), mode="P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 7, 7, 7])
    indexed.save(tmp_path / "a.png")
    check(read_image(tmp_path / "a.png"), np.asarray(indexed.convert("RGB")), "YXC")
    check(read_indexed(tmp_path / "a.png"), GREY % 5, "YX")


def test_black_and_white_png(tmp_path):
    Pillow.fromarray(GREY > 99).save(tmp_path / "a.png")
    check(read_image(tmp_path / "a.png"), GREY > 99, "YX")


def test_jpeg(tmp_path):
    smooth = np.tile(np.linspace(0, 200, 32, dtype=np.uint8), (24, 1))
    Pillow.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.axes == "YX"
    assert np.abs(image.array.astype(int) - smooth).max() < 6


@pytest.mark.parametrize("dtype", [bool, "uint8", "int16", "int32", "uint64", "float32", "float64", ">i4"])
def test_npy(tmp_path, dtype):
    np.save(tmp_path / "a.npy", (GREY % 2).astype(dtype))
    image = read_image(tmp_path / "a.npy")
    check(image, (GREY % 2).astype(np.dtype(dtype).newbyteorder("=")), "YX")
    assert image.array.dtype.isnative


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff(tmp_path, compression, byteorder):
    tifffile.imwrite(tmp_path / "a.tif", GREY16, compression=compression, byteorder=byteorder)
    image = read_image(tmp_path / "a.tif")
    check(image, GREY16, "YX")
    assert image.scale == (None, None)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiff_has_its_colours_last(tmp_path, planar):
    stored = COLOR if planar == "contig" else np.moveaxis(COLOR, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    image = read_image(tmp_path / "a.tif")
    check(image, COLOR, "YXC")


def test_ome_tiff_with_axes_and_pixel_size(tmp_path):
    stack = RNG.integers(0, 999, (2, 5, 20, 31), dtype=np.uint16)
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2.0,
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif")
    check(image, stack, "CZYX")
    assert image.scale == pytest.approx((None, 2.0, 0.325, 0.325))


@pytest.mark.parametrize("unit", ["um", "micron", "µm"])
def test_imagej_tiff_with_axes_and_pixel_size(tmp_path, unit):
    stack = RNG.integers(0, 999, (4, 3, 20, 31), dtype=np.uint16)
    metadata = {"axes": "ZCYX", "spacing": 1.5, "unit": unit.replace("µ", "\\u00B5")}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    check(image, stack, "ZCYX")
    assert image.scale == pytest.approx((1.5, None, 0.25, 0.5))


def test_axes_of_length_1_are_left_out(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY16[None, None, None], metadata={"axes": "TZCYX"})
    check(read_image(tmp_path / "a.ome.tif"), GREY16, "YX")


def test_plain_pages_are_a_stack(tmp_path):
    pages = RNG.integers(0, 99, (7, 20, 31), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, contiguous=False, metadata=None)
    check(read_image(tmp_path / "a.tif"), pages, "ZYX")


def test_content_counts_not_the_name(tmp_path):
    Pillow.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    check(read_image(tmp_path / "a.tif"), GREY, "YX")


@pytest.mark.parametrize("name", ["two words.png", "Zélie – Größe 細胞.png"])
def test_names_with_spaces_and_accents(tmp_path, name):
    folder = tmp_path / "mes données"
    folder.mkdir()
    Pillow.fromarray(GREY).save(folder / name)
    check(read_image(folder / name), GREY, "YX")


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_missing(tmp_path):
    assert "no file" in refusal(tmp_path / "a.tif")


def test_folder(tmp_path):
    assert "a folder" in refusal(tmp_path)


def test_empty(tmp_path):
    (tmp_path / "a.tif").touch()
    assert "empty (0 bytes)" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("content", [b"just text", b"x", b"PK\x03\x04 a zip", b"GIF89a"])
def test_no_image(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    message = refusal(tmp_path / "a.tif")
    assert "not an image" in message
    assert "PNG" in message


def written(folder, name):
    path = folder / name
    noise = RNG.integers(0, 256, (300, 301), dtype=np.uint8)
    if name.endswith(".npy"):
        np.save(path, noise)
    elif name.endswith(".tif"):
        tifffile.imwrite(path, noise, compression="zlib" if "zlib" in name else "lzw" if "lzw" in name else None)
    else:
        Pillow.fromarray(noise).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.npy", "plain.tif", "zlib.tif", "lzw.tif"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated(tmp_path, name, share):
    path = written(tmp_path, name)
    content = path.read_bytes()
    path.write_bytes(content[: max(9, int(share * len(content)))])
    assert "damaged or cut off" in refusal(path)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    message = refusal(tmp_path / "a.npy")
    assert "a pickle, which could run code, so it is not opened" in message
    assert "damaged" not in message


@pytest.mark.parametrize(
    ("shape", "axes", "kept"), [((2, 1, 3, 5, 4), "TZCYX", "TCYX"), ((1, 3, 5, 4), "ctyx", "TYX"), ((3, 5), "XY", "XY")]
)
def test_given_axes_are_those_of_the_stored_shape(tmp_path, shape, axes, kept):
    array = RNG.integers(0, 99, shape)
    np.save(tmp_path / "a.npy", array)
    image = read_image(tmp_path / "a.npy", axes)
    check(image, array.squeeze(), kept)
    wrong = "TYX" if len(shape) != 4 else "TZCYX"
    with pytest.raises(InputError, match=rf"a\.npy': The axes '{wrong}' name . dimensions, the array has {len(shape)}"):
        read_image(tmp_path / "a.npy", wrong)


def test_given_axes_replace_those_of_the_file_and_keep_its_pixel_size(tmp_path):
    stack = RNG.integers(0, 999, (4, 20, 31), dtype=np.uint16)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25}
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata=metadata)
    image = read_image(tmp_path / "a.ome.tif", "TYX")
    check(image, stack, "TYX")
    assert image.scale == pytest.approx((None, 0.25, 0.5))


def test_jpeg_labels_are_refused(tmp_path):
    Pillow.fromarray(GREY).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="JPEG, which blurs ids"):
        read_indexed(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("array", "axes"), [(GREY, "YX"), (COLOR, "YXC"), (COLOR16, "YXC"), (np.stack([GREY16, GREY16]), "ZYX")]
)
def test_an_image_that_was_written_is_read_again(tmp_path, array, axes):
    write_tiff(tmp_path / "a.tif", array, axes, {"X": 0.5, "Y": 0.25})
    check(read_image(tmp_path / "a.tif"), array, axes)
