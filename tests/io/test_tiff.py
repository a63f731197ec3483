"""TIFF of every flavour is read as what it is, from its own pages only, and it is said how."""

import json
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from napari_instseg.core.errors import InputError
from napari_instseg.io.images import read_image, read_indexed

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 200, (20, 31), dtype=np.uint8)
STACK = RNG.integers(0, 999, (6, 20, 31), dtype=np.uint16)
OME = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{root}>{images}</OME>'
SMOOTH = np.stack(np.meshgrid(np.linspace(0, 255, 31), np.linspace(0, 255, 20)), -1)
COLOR = np.concatenate([SMOOTH, 255 - SMOOTH[..., :1]], -1).astype(np.uint8)


def ome(sizes, inside="", more="", root="", name="a"):
    pixels = f'<Pixels DimensionOrder="XYZCT" Type="uint16" SizeX="31" SizeY="20" {sizes} {more}>{inside}</Pixels>'
    return OME.format(root=root, images=f'<Image ID="Image:0" Name="{name}">{pixels}</Image>')


def save(path, pages, description=None, **options):
    with tifffile.TiffWriter(path) as file:
        for number, page in enumerate(pages):
            about = {"description": description.encode()} if description and number == 0 else {}
            file.write(page, contiguous=False, metadata=None, **about, **options)
    return path


def notes(image):
    return " | ".join(image.notes)


# colours


def test_a_palette_is_looked_up_and_grey_ones_stay_grey(tmp_path):
    order = RNG.permutation(256)
    table = np.zeros((3, 256), np.uint16)
    table[:, order] = np.arange(256) * 257
    tifffile.imwrite(tmp_path / "a.tif", order[GREY].astype(np.uint8), photometric="palette", colormap=table)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, GREY)
    np.testing.assert_array_equal(read_indexed(tmp_path / "a.tif").array, order[GREY])
    table[1] = 0
    tifffile.imwrite(tmp_path / "b.tif", order[GREY].astype(np.uint8), photometric="palette", colormap=table)
    image = read_image(tmp_path / "b.tif")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.array, np.stack([GREY, 0 * GREY, GREY], -1))


def test_the_colours_in_which_imagej_shows_values_do_not_change_them(tmp_path):
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257  # "Green"
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, photometric="palette", colormap=table, description="ImageJ=1.54f\n", metadata=None
    )
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, GREY)
    assert "only shows them" in notes(image)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colour_spaces_are_the_same_picture(tmp_path, mode):
    picture = Pillow.fromarray(COLOR // 2 + 60)
    if mode == "LAB":
        to = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        ImageCms.applyTransform(picture, to).save(tmp_path / "a.tif")
    else:
        picture.convert(mode).save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, image.array.dtype) == ("YXC", np.uint8)
    difference = np.abs(image.array.astype(int) - np.asarray(picture))
    # the white of a CIELAB profile is D50, that of sRGB D65: colours differ a little, greys do not
    assert np.median(difference) <= (6 if mode == "LAB" else 2)
    assert "converted to red, green and blue" in notes(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_min_is_white_is_turned_over_and_labels_are_not(tmp_path, dtype):
    image = GREY.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", np.iinfo(dtype).max - image, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, image)
    np.testing.assert_array_equal(read_indexed(tmp_path / "a.tif").array, np.iinfo(dtype).max - image)


def test_alpha_is_left_out_only_where_the_file_says_that_it_is(tmp_path):
    other = RNG.integers(0, 200, GREY.shape, dtype=np.uint8)
    two, four = np.stack([GREY, other], -1), np.dstack([COLOR, other])
    tifffile.imwrite(tmp_path / "la.tif", two, photometric="minisblack", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "two.tif", two, photometric="minisblack", extrasamples=["unspecified"], planarconfig=1)
    tifffile.imwrite(tmp_path / "rgba.tif", four, photometric="rgb", extrasamples=["assocalpha"])
    tifffile.imwrite(tmp_path / "four.tif", four, photometric="rgb", extrasamples=["unspecified"])
    planar = np.moveaxis(four, -1, 0)
    tifffile.imwrite(tmp_path / "planar.tif", planar, photometric="minisblack", planarconfig="separate", metadata=None)
    for name, axes, expected in (
        ("la", "YX", GREY),
        ("two", "CYX", np.moveaxis(two, -1, 0)),
        ("rgba", "YXC", COLOR),
        ("four", "CYX", planar),
        ("planar", "CYX", planar),
    ):
        image = read_image(tmp_path / f"{name}.tif")
        assert image.axes == axes, name
        np.testing.assert_array_equal(image.array, expected)


def test_three_detectors_are_channels_and_not_colours(tmp_path):
    planes = STACK[:3]
    tifffile.imwrite(tmp_path / "samples.tif", planes, photometric="minisblack", planarconfig="separate", metadata=None)
    tifffile.imwrite(
        tmp_path / "a.ome.tif", planes, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "x"]}}
    )
    for name in ("samples.tif", "a.ome.tif"):
        image = read_image(tmp_path / name)
        assert image.axes == "CYX"
        np.testing.assert_array_equal(image.array, planes)
    assert image.channels == ("DAPI", "GFP", "x")


def test_three_plain_pages_are_a_stack(tmp_path):
    image = read_image(save(tmp_path / "a.tif", STACK[:3]))
    assert image.axes == "ZYX"
    assert "pages (3) read as Z" in notes(image)


# only what belongs to this file


def test_files_of_a_set_yield_their_own_planes(tmp_path):
    ids = [f"urn:uuid:00000000-0000-4000-8000-00000000000{k}" for k in range(3)]
    data = "".join(
        f'<TiffData FirstT="{k}" IFD="0" PlaneCount="1"><UUID FileName="t{k}.ome.tif">{ids[k]}</UUID></TiffData>'
        for k in range(3)
    )
    for k in range(3):
        text = ome('SizeC="1" SizeZ="1" SizeT="3"', data, root=f' UUID="{ids[k]}"')
        save(tmp_path / f"t{k}.ome.tif", STACK[k : k + 1], text)
    (tmp_path / "t2.ome.tif").rename(tmp_path / "renamed.tif")
    for name, k in (("t0.ome.tif", 0), ("t1.ome.tif", 1), ("renamed.tif", 2)):
        image = read_image(tmp_path / name)
        assert image.axes == "YX"
        np.testing.assert_array_equal(image.array, STACK[k])
        assert "only what is in it was read, the rest is in 't" in notes(image)


def test_the_scale_is_that_of_the_image_that_is_read(tmp_path):
    images = ""
    for k, (file, size) in enumerate((("a.ome.tif", 1.3), ("b.ome.tif", 0.325))):
        images += (
            f'<Image ID="Image:{k}"><Pixels DimensionOrder="XYCZT" Type="uint16" SizeX="31" SizeY="20" SizeC="1" '
            f'SizeZ="1" SizeT="1" PhysicalSizeX="{size}" PhysicalSizeY="{size}"><TiffData IFD="0" PlaneCount="1">'
            f'<UUID FileName="{file}">urn:uuid:{k}</UUID></TiffData></Pixels></Image>'
        )
    for k, name in enumerate(("a.ome.tif", "b.ome.tif")):
        save(tmp_path / name, STACK[k : k + 1], OME.format(root=f' UUID="urn:uuid:{k}"', images=images))
    assert read_image(tmp_path / "a.ome.tif").scale == (1.3, 1.3)
    assert read_image(tmp_path / "b.ome.tif").scale == (0.325, 0.325)


def micromanager(path, planes, places, positions):
    """Write a file with Micro-Manager's index of its planes."""
    about = json.dumps({"PixelSizeUm": 0.65}).encode()
    save(path, planes, extratags=[(51123, 2, len(about), about, False)])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
    summary = json.dumps(
        {"MicroManagerVersion": "2.0.1", "Frames": 1, "Slices": 1, "Channels": 1, "Positions": positions, "Prefix": "r"}
    ).encode()
    # its own header lies behind the eight bytes of TIFF's, so that everything moves
    shift = 32 + len(summary) + len(summary) % 2
    moved = bytearray(content[:4] + struct.pack("<I", struct.unpack("<I", content[4:8])[0] + shift))
    moved += bytes(shift)
    for offset in offsets:
        (count,) = struct.unpack_from("<H", content, offset)
        for place in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, n = struct.unpack_from("<HHI", content, place)
            size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}[kind] * n
            if size > 4 or tag == 273:
                struct.pack_into("<I", content, place + 8, struct.unpack_from("<I", content, place + 8)[0] + shift)
        end = offset + 2 + 12 * count
        (following,) = struct.unpack_from("<I", content, end)
        struct.pack_into("<I", content, end, following + shift if following else 0)
    moved += content[8:]
    at = len(moved)
    moved += struct.pack("<II", 3453623, len(planes))
    for place, offset in zip(places, offsets, strict=True):
        moved += struct.pack("<5I", *place, offset + shift)
    struct.pack_into("<8I", moved, 8, 54773648, at, 483765892, 0, 0, 0, 2355492, len(summary))
    moved[40 : 40 + len(summary)] = summary
    path.write_bytes(moved)
    return path


def test_a_position_of_micromanager_is_its_own_file(tmp_path):
    paths = [
        micromanager(tmp_path / f"r_MMStack_Pos{k}.ome.tif", STACK[k : k + 1], [(0, 0, 0, k)], 3) for k in range(3)
    ]
    for k, path in enumerate(paths):
        image = read_image(path)
        assert image.axes == "YX"
        np.testing.assert_array_equal(image.array, STACK[k])
        assert image.scale == (0.65, 0.65)
        assert "1 of the 3 positions" in notes(image)
    # positions, channels and slices in one file, in the order in which they were taken
    places = [(c, 0, 0, p) for p in range(3) for c in range(2)]
    image = read_image(micromanager(tmp_path / "all.ome.tif", STACK, places, 3))
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.array, STACK.reshape(3, 2, 20, 31))
    assert "positions (3) read as T" in notes(image)


def test_further_images_are_named(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(STACK[0], metadata=None)
        file.write(GREY[:5, :9], metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, STACK[0])
    assert "the first of 2 images; left out: 9 x 5" in notes(image)


# axes


@pytest.mark.parametrize(
    ("stored", "axes", "read"),
    [("RCYX", "TCYX", (2, 3)), ("IZYX", "TZYX", (2, 3)), ("QTYX", "ZTYX", (2, 3)), ("RTZYX", "TZYX", None)],
)
def test_an_axis_that_is_not_known_does_not_unname_the_others(tmp_path, stored, axes, read):
    shape = (2, 3, *((1,) * (len(stored) - 4)), 20, 31)
    array = RNG.integers(0, 99, shape if read else (1, 3, 2, 20, 31), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, metadata={"axes": stored}, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == axes
    np.testing.assert_array_equal(image.array, array.squeeze())


def test_axes_of_length_one_go_before_anything_is_guessed(tmp_path):
    np.save(tmp_path / "a.npy", GREY[None, None, None])
    tifffile.imwrite(tmp_path / "a.tif", GREY[None, None, None])
    for name in ("a.npy", "a.tif"):
        image = read_image(tmp_path / name)
        assert image.axes == "YX"
        np.testing.assert_array_equal(image.array, GREY)


def test_a_short_last_axis_is_channels(tmp_path):
    array = RNG.integers(0, 99, (40, 50, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    assert read_image(tmp_path / "a.npy").axes == "YXC"


def test_an_array_of_four_samples_is_a_picture_only_where_the_last_is_constant(tmp_path):
    np.save(tmp_path / "a.npy", np.dstack([COLOR, np.full(GREY.shape, 255, np.uint8)]))
    np.save(tmp_path / "b.npy", np.dstack([COLOR, GREY]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy").array, COLOR)
    image = read_image(tmp_path / "b.npy")
    assert image.array.shape[-1] == 4
    assert "4 channels" in notes(image)


# metadata may fail, pixels may not


WHOLE = 'SizeC="2" SizeZ="3" SizeT="1"'
ALL = '<TiffData IFD="0" PlaneCount="6"/>'


@pytest.mark.parametrize(
    ("text", "axes", "scale"),
    [
        (ome(WHOLE, ALL, 'PhysicalSizeX="0.5"'), "CZYX", (None, None, None, 0.5)),
        (ome(WHOLE, ALL, 'PhysicalSizeX="0,325" PhysicalSizeY="0,325"'), "CZYX", (None, None, 0.325, 0.325)),
        (ome(WHOLE, ALL, 'PhysicalSizeX="" PhysicalSizeY="0.5"'), "CZYX", (None, None, 0.5, None)),
        (ome(WHOLE, ALL, name="Tom & Ann"), "CZYX", (None,) * 4),
        (ome(WHOLE, ALL, name="10 &micro;m"), "CZYX", (None,) * 4),
        (ome(WHOLE, ALL)[:-14], "CZYX", (None,) * 4),
        (ome('SizeC="2" SizeT="1"', ALL), "CZYX", (None,) * 4),
        (ome('SizeC="2" SizeZ="" SizeT="1"', ALL), "CZYX", (None,) * 4),
        (ome(WHOLE), "CZYX", (None,) * 4),
        (ome(WHOLE, "<TiffData/>"), "CZYX", (None,) * 4),
        (ome('SizeC="2" SizeZ="3" SizeT="9"', ALL.replace("6", "54")), "CZYX", (None,) * 4),
        (ome('SizeC="1" SizeZ="1" SizeT="100000000"', ALL.replace("6", "100000000")), "TYX", (None,) * 3),
        (ome('SizeC="2" SizeZ="2" SizeT="2"', ALL.replace("6", "8")), "ZYX", (None,) * 3),
        (OME.format(root="", images=""), "ZYX", (None,) * 3),
        ("<OME <<< &&& broken", "ZYX", (None,) * 3),
    ],
)
def test_broken_metadata_lose_no_pixels(tmp_path, text, axes, scale):
    image = read_image(save(tmp_path / "a.ome.tif", STACK, text))
    assert image.axes == axes
    assert image.scale == pytest.approx(scale)
    np.testing.assert_array_equal(image.array.reshape(STACK.shape), STACK)


def test_order_and_start_of_the_planes_are_those_of_the_metadata(tmp_path):
    data = '<TiffData FirstC="1" IFD="0" PlaneCount="3"/><TiffData FirstC="0" IFD="3" PlaneCount="3"/>'
    image = read_image(save(tmp_path / "a.ome.tif", STACK, ome(WHOLE, data)))
    np.testing.assert_array_equal(image.array, STACK.reshape(2, 3, 20, 31)[::-1])


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("ImageJ=1.54f\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n", "ZCYX"),
        ("ImageJ=1.54f\nimages=6\nslices=6\n", "ZYX"),
        ("ImageJ=1.54f\nimages=6\n", "ZYX"),
        ("ImageJ=1.54f\nimages=600\nframes=600\n", "ZYX"),
        ("ImageJ=1.54f\nimages=6\nframes=7\n", "ZYX"),
    ],
)
def test_counts_of_imagej_that_do_not_fit_make_no_planes(tmp_path, text, axes):
    image = read_image(save(tmp_path / "a.tif", STACK, text))
    assert image.axes == axes
    np.testing.assert_array_equal(image.array.reshape(STACK.shape), STACK)


def test_a_description_that_outlived_its_stack_does_no_harm(tmp_path):
    text = "ImageJ=1.54f\nimages=10\nslices=10\n"
    for compression in (None, "zlib"):
        image = read_image(save(tmp_path / "a.tif", STACK[:1], text, compression=compression))
        np.testing.assert_array_equal(image.array, STACK[0])
        assert "speak of 10 planes, it has 1" in notes(image)


@pytest.mark.parametrize(
    ("unit", "size"), [("microns", 0.5), ("micrometres", 0.5), ("nm", 0.0005), ("inches", 12700), ("furlong", None)]
)
def test_units_of_imagej(tmp_path, unit, size):
    tifffile.imwrite(
        tmp_path / "a.tif", STACK, imagej=True, resolution=(2.0, 4.0), metadata={"axes": "ZYX", "unit": unit}
    )
    scale = read_image(tmp_path / "a.tif").scale
    assert scale == (None, size and pytest.approx(size / 2), size and pytest.approx(size))


def test_imagej_has_units_of_its_own_along_y_and_z_and_steps_of_time(tmp_path):
    text = "ImageJ=1.54f\nimages=6\nslices=3\nframes=2\nunit=micron\nyunit=nm\nzunit=mm\nspacing=0.002\n"
    text += "finterval=2\ntunit=min\n"
    path = save(tmp_path / "a.tif", STACK, text, resolution=(2.0, 0.002))
    assert read_image(path).scale == pytest.approx((120.0, 2.0, 0.5, 0.5))


# whole or refused


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "TYX"}},
        {"metadata": {"axes": "TYX"}, "photometric": "minisblack"},
        {"metadata": {"axes": "TYX", "truncate": True}, "photometric": "minisblack"},
        {"metadata": None, "photometric": "minisblack"},
        {"metadata": {"axes": "TYX"}, "photometric": "minisblack", "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_stack_that_is_cut_off_is_refused(tmp_path, options, share):
    path = tmp_path / "a.tif"
    stack = RNG.integers(0, 255, (10, 128, 128), dtype=np.uint8)
    tifffile.imwrite(path, stack, **options)
    assert read_image(path).array.shape == stack.shape
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="damaged or cut off"):
        read_image(path)


def test_pages_behind_one_directory_are_read(tmp_path):
    """As ImageJ writes stacks of more than 4 GiB."""
    path = save(tmp_path / "a.tif", STACK[:1], "ImageJ=1.54f\nimages=6\nslices=6\n")
    with path.open("ab") as file, tifffile.TiffFile(path) as tif:
        start = tif.pages.first.dataoffsets[0]
        file.truncate(start + STACK[0].nbytes)
        file.write(STACK[1:].astype("<u2").tobytes())
    np.testing.assert_array_equal(read_image(path).array, STACK)


def test_a_directory_without_end_is_refused(tmp_path):
    path = save(tmp_path / "a.tif", STACK)
    content = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    struct.pack_into("<I", content, first + 2 + 12 * count, first)
    path.write_bytes(content)
    with pytest.raises(InputError, match="points back at an earlier one"):
        read_image(path)


def test_a_small_file_of_a_huge_image_is_refused_before_it_takes_memory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression="zlib", metadata=None)
    content = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    for place in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, place)[0] in (256, 257):
            struct.pack_into("<HI", content, place + 2, 4, 1)
            struct.pack_into("<I", content, place + 8, 300_000)
    path.write_bytes(content)
    with pytest.raises(InputError, match="says that it holds 84 GiB of pixels"):
        read_image(path)


def test_large_stacks_are_read_by_the_places_of_their_pixels(tmp_path):
    stack = RNG.integers(0, 255, (90, 8, 9), dtype=np.uint8)
    for compression in (None, "zlib"):
        np.testing.assert_array_equal(read_image(save(tmp_path / "a.tif", stack, compression=compression)).array, stack)


def test_how_it_was_read_is_one_line(tmp_path):
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "TimeIncrement": 30.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=metadata)
    assert read_image(tmp_path / "a.ome.tif").described == "TYX 6 x 20 x 31 uint16; step Y 0.5 µm, X 0.5 µm, T 30 s"
