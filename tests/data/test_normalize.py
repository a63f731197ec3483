"""Percentile normalisation: against numpy, for tiles, for constant and bad images."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.normalize import CLIP, SAMPLE, Normalization, limits, normalize


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_percentiles_become_0_and_1(dtype):
    values = np.random.default_rng(0).random((1, 40, 50))
    image = values < 0.5 if dtype is bool else (values * 120).astype(dtype)
    params = Normalization(low=2, high=95)
    result = normalize(image, params)
    low, high = np.percentile(image.astype(np.float64), [2, 95])
    assert result.dtype == np.float32
    assert np.allclose(result, np.clip((image - low) / (high - low), *CLIP), atol=1e-5)


def test_channels_together_keep_their_balance_and_apart_do_not():
    image = np.stack([np.linspace(0, 1, 100), np.linspace(0, 10, 100)]).reshape(2, 10, 10)
    full = Normalization(low=0, high=100)
    together = normalize(image, full)
    apart = normalize(image, full.changed(per_channel=True))
    assert together.max((1, 2)) == pytest.approx([0.1, 1.0])
    assert apart.max((1, 2)) == pytest.approx([1.0, 1.0])


def test_a_tile_with_the_limits_of_the_whole_is_the_tile_of_the_whole():
    image = np.random.default_rng(1).normal(100, 20, (2, 30, 40))
    params = Normalization(per_channel=True)
    whole = normalize(image, params)
    tile = normalize(image[:, 5:9, 7:30], params, limits(image, params))
    assert np.array_equal(tile, whole[:, 5:9, 7:30])
    assert not np.array_equal(normalize(image[:, 5:9, 7:30], params), tile)


def test_hot_pixels_are_clipped():
    image = np.random.default_rng(2).random((1, 64, 64))
    image[0, 0, :2] = (1e9, -1e9)
    result = normalize(image, Normalization())
    assert (result[0, 0, 0], result[0, 0, 1]) == CLIP[::-1]
    assert np.abs(result).max() <= max(CLIP)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_image_becomes_zero(value):
    assert not normalize(np.full((3, 5, 6), value, np.uint8), Normalization()).any()


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_few_pixels_on_a_clean_background_become_one(per_channel):
    image = np.zeros((2, 60, 70), np.uint16)
    image[0, 30, 30:33] = (200, 400, 300)  # 3 of 4200 pixels, beyond the percentile
    result = normalize(image, Normalization(per_channel=per_channel))
    assert result[0, 30, 30:33].tolist() == [0.5, 1.0, 0.75]
    assert np.count_nonzero(result) == 3


def test_a_few_pixels_that_the_sample_misses_count():
    side = int(SAMPLE**0.5) * 2
    image = np.full((1, side, side), 5, np.uint8)
    image[0, 1, 1] = 105  # between the pixels of a grid of every second one
    params = Normalization()
    assert limits(image, params).tolist() == [[5, 105]]
    assert normalize(image[:, :9, :9], params, limits(image, params)).max() == 1


def test_limits_of_a_large_image_are_those_of_a_grid_of_its_pixels():
    side = int(SAMPLE**0.5) * 3
    image = np.broadcast_to(np.random.default_rng(3).random(side, dtype=np.float32), (1, side, side))
    params = Normalization(low=10, high=90)
    assert limits(image, params)[0] == pytest.approx(np.percentile(image[0, 0], [10, 90]), abs=0.02)


def test_volumes_are_normalised_as_one():
    image = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    assert limits(image, Normalization(low=0, high=100)).tolist() == [[0, 119], [0, 119]]


def test_bad_images_are_errors_in_words():
    with pytest.raises(InputError, match=r"shape \(1, 0, 5\), without any pixel"):
        normalize(np.zeros((1, 0, 5)), Normalization())
    image = np.ones((1, 4, 4))
    image[0, 1, 2:] = (np.nan, np.inf)
    with pytest.raises(InputError, match="2 values that are NaN or infinite"):
        normalize(image, Normalization())
