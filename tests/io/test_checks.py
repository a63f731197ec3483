"""Every kind of number can be segmented; what cannot be is refused in words."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.io.checks import check_image

GREY = np.random.default_rng(0).integers(0, 200, (20, 31))


@pytest.mark.parametrize(
    "dtype",
    [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64, np.float16, float, ">u2"],
)
def test_values_stay(dtype):
    image = (GREY // 2).astype(dtype)
    array, axes = check_image(image)
    assert axes == "YX"
    assert array.dtype in (np.uint8, np.uint16, np.float32)
    np.testing.assert_array_equal(array, GREY // 2)


def test_8_and_16_bits_are_not_copied():
    for dtype in (np.uint8, np.uint16, np.float32):
        image = GREY.astype(dtype)
        assert np.shares_memory(check_image(image)[0], image)


def test_boolean():
    array, _ = check_image(GREY > 100)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, GREY > 100)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float64])
def test_small_differences_between_large_numbers_are_kept(dtype):
    array, _ = check_image((GREY + 2**31 - 1000).astype(dtype))
    np.testing.assert_array_equal(array, GREY - GREY.min())
    array, _ = check_image((GREY - 2**31).astype(dtype))
    np.testing.assert_array_equal(array, GREY - GREY.min())


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((20, 31), "YX"),
        ((20, 31, 3), "YXC"),
        ((20, 31, 2), "YXC"),
        ((3, 20, 31), "CYX"),
        ((9, 20, 31), "ZYX"),
        ((9, 20, 31, 3), "ZYXC"),
        ((9, 2, 20, 31), "ZCYX"),
        ((2, 9, 20, 31), "CZYX"),
        ((8, 9, 20, 31), "TZYX"),
    ],
)
def test_guessed_axes(shape, axes):
    image = np.arange(np.prod(shape)).reshape(shape)
    assert check_image(image)[1] == axes


def test_five_dimensions_with_names_are_fine():
    image = np.random.default_rng(0).random((2, 3, 2, 8, 9))
    assert check_image(image, "tzcyx")[1] == "TZCYX"


def with_one(value):
    image = GREY.astype(float)
    image[3, 4] = value
    return image


@pytest.mark.parametrize(
    ("image", "axes", "words"),
    [
        (with_one(np.nan), None, ["1 pixels", "NaN or infinite", "nan_to_num"]),
        (with_one(np.inf), None, ["NaN or infinite"]),
        (with_one(-np.inf), None, ["NaN or infinite"]),
        (np.full((9, 9), 7), None, ["constant", "every pixel is 7"]),
        (np.zeros((9, 9), bool), None, ["constant"]),
        (GREY * 1j, None, ["complex", "numpy.abs"]),
        (GREY.astype(str), None, ["not numbers"]),
        (GREY.astype(object), None, ["not numbers"]),
        (np.zeros((0, 9)), None, ["empty", "(0, 9)"]),
        (GREY[0], None, ["1 dimensions"]),
        (GREY[:1], None, ["1 pixel wide or high", "(1, 31)"]),
        (GREY[:, :1], None, ["1 pixel wide or high"]),
        (GREY.reshape(1, 2, 2, 5, 31), None, ["5 dimensions", 'axes="TZCYX"']),
        (GREY, "YXC", ["name 3 dimensions, the array has 2"]),
        (GREY, "YQ", ["'YQ'"]),
        (GREY, "YY", ["'YY'"]),
        (GREY, "ZY", ["'ZY'"]),
        (np.array([[0, 1e300], [2, 3]]), None, ["1e+300"]),
        (np.array([[0, 1e-300], [2e-300, 0]]), None, ["2e-300"]),
    ],
)
def test_refused(image, axes, words):
    with pytest.raises(InputError) as caught:
        check_image(image, axes, name="'a b.tif'")
    message = str(caught.value)
    assert message.startswith("'a b.tif'")
    for word in words:
        assert word in message
