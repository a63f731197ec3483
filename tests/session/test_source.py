"""How images are read: axes, channels, slices, sizes."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.stains import unmix
from napari_instseg.session.source import Source, channels_of, grid_shape, planes, readings, take_plane


def read(shape, **values):
    source = Source(np.arange(np.prod(shape)).reshape(shape), "image", **values)
    return source, readings(source)


def test_a_grey_image_can_be_read_in_one_way():
    source, found = read((5, 6))
    assert [reading.title for reading in found] == ["Grey"]
    image, axes = take_plane(source, found[0], ())
    assert (image.shape, axes) == ((5, 6), "YX")


def test_a_colour_picture_keeps_its_colours_and_loses_its_transparency():
    source, found = read((5, 6, 4), rgb=True)
    assert [reading.title for reading in found] == ["Colour"]
    image, axes = take_plane(source, found[0], ())
    assert axes == "YXC"
    np.testing.assert_array_equal(image, source.array[..., :3])
    assert grid_shape(source, found[0]) == (5, 6)


def test_one_colour_or_stain_of_a_picture():
    picture = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 4)).astype(np.uint8)
    source = Source(picture, "tissue", rgb=True)
    (reading,) = readings(source)
    titles, values = zip(*channels_of(source, reading), strict=True)
    assert titles[:4] == ("Colours", "Red", "Green", "Blue")
    assert values == (None, 0, 1, 2, "haematoxylin")
    image, axes = take_plane(source, reading, (1,), 1)
    np.testing.assert_array_equal(image, picture[1, ..., 1])
    assert axes == "YX"
    image, axes = take_plane(source, reading, (1,), "haematoxylin")
    np.testing.assert_array_equal(image, unmix(picture[1], "haematoxylin"))
    assert axes == "YX"


def test_a_short_last_axis_is_channels():
    source, found = read((20, 24, 5))
    assert [reading.title for reading in found] == [
        "5 channels along axis 2",
        "Stack of 20, slice by slice",
        "20 channels along axis 0",
    ]
    image, axes = take_plane(source, found[0], ())
    assert (image.shape, axes, grid_shape(source, found[0])) == ((20, 24, 5), "YXC", (20, 24))
    image, axes = take_plane(source, found[0], (), 3)
    np.testing.assert_array_equal(image, source.array[..., 3])
    assert axes == "YX"
    _, found = read((3, 20, 24, 5))
    assert found[0].roles == ("stack", "plane", "plane", "channel")
    _, found = read((20, 24, 6))
    assert found[0].title == "Stack of 20, slice by slice"
    _, found = read((3, 20, 24, 5), axis_labels=("c", "z", "y", "x"))
    assert found[0].roles == ("channel", "stack", "plane", "plane")


def test_a_stack_is_read_slice_by_slice_or_as_channels():
    source, found = read((3, 5, 6))
    assert [reading.title for reading in found] == ["Stack of 3, slice by slice", "3 channels along axis 0"]
    stack, channels = found
    assert list(planes(source, stack)) == [(0,), (1,), (2,)]
    image, axes = take_plane(source, stack, (1,))
    np.testing.assert_array_equal(image, source.array[1])
    assert axes == "YX"
    image, axes = take_plane(source, channels, ())
    assert (image.shape, axes) == ((3, 5, 6), "CYX")
    image, axes = take_plane(source, channels, (), channel=2)
    np.testing.assert_array_equal(image, source.array[2])
    assert axes == "YX"
    assert grid_shape(source, channels) == (5, 6)


def test_the_name_of_an_axis_decides_what_is_offered_first():
    source, found = read((2, 3, 5, 6), axis_labels=("t", "c", "y", "x"))
    assert found[0].title == "3 channels along c, stack of 2 (t), slice by slice"
    image, axes = take_plane(source, found[0], (1,))
    np.testing.assert_array_equal(image, source.array[1])
    assert axes == "CYX"
    assert grid_shape(source, found[0]) == (2, 5, 6)


def test_a_3d_model_reads_volumes():
    source = Source(np.zeros((2, 4, 5, 6)), "image")
    first = readings(source, 3)[0]
    assert first.title == "Stack of 2, volume by volume"
    assert take_plane(source, first, (0,))[1] == "ZYX"
    assert readings(Source(np.zeros((4, 5, 6)), "image"), 3)[0].title == "One volume"
    with pytest.raises(InputError, match="at least 3 dimensions"):
        readings(Source(np.zeros((5, 6)), "image"), 3)
    with pytest.raises(InputError, match="none of them empty"):
        readings(Source(np.zeros((0, 6)), "image"))


@pytest.mark.parametrize(("unit", "size"), [("micrometer", 0.5), ("nm", 0.0005), ("mm", 500.0), ("pixel", None)])
def test_the_size_of_a_pixel(unit, size):
    assert Source(np.zeros((4, 4)), "image", scale=(1, 0.5), units=(unit, unit)).pixel_size == (
        None if size is None else pytest.approx(size)
    )
