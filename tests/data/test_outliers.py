"""Outliers do not hide objects, and ordinary images are left alone."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_instseg.data.normalize import Normalization, find_limits, limits, normalize

PERCENTILES = Normalization(ignore_outliers=False)


def discs(count=16, signal=1500.0, noise=20.0, side=200, seed=0, radius=9):
    """Return an image (Y, X) of soft discs on a grid, and where they are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    inside = np.zeros((side, side), bool)
    for k in range(count):
        cy, cx = 28 + 48 * (k // 4) + rng.uniform(-8, 8), 28 + 48 * (k % 4) + rng.uniform(-8, 8)
        inside |= (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    image = 100 + signal * ndi.gaussian_filter(inside.astype(float), 1) + noise * rng.standard_normal(inside.shape)
    return np.clip(image, 0, 65535).astype(np.uint16), inside


def with_debris(image):
    far = image.astype(float)
    for k in range(4):
        far[2:8, 20 + 50 * k : 30 + 50 * k] = 30000 + 1000 * k
    return ndi.gaussian_filter(far, 0.5).astype(np.uint16)


def with_bar(image):
    image = image.copy()
    image[190:196, 120:180] = 65535
    return image


def with_hot_pixels(image):
    image = image.copy()
    image.ravel()[np.random.default_rng(3).permutation(image.size)[:400]] = 65535
    return image


def with_white_padding(image):
    return np.pad(image, ((0, 80), (0, 0)), constant_values=65535)


def with_black_padding(image):
    return np.pad(image + 8000, ((0, 80), (0, 0)))


@pytest.mark.parametrize("make", [with_debris, with_bar, with_hot_pixels, with_white_padding, with_black_padding])
def test_objects_are_as_bright_as_without_outliers(make):
    image, inside = discs()
    plain = normalize(image[None], Normalization())
    spoilt = make(image)[None]
    between, outliers = find_limits(spoilt, Normalization())
    assert outliers is not None
    assert "of its pixels" in outliers.why
    found = normalize(outliers.hide(spoilt), Normalization(), between)[:, :200]
    difference = np.abs(found - plain)[0]
    assert difference[inside].mean() < 0.06
    # what was an outlier is background, or like what is around it
    assert np.quantile(found[0][~ndi.binary_dilation(inside, iterations=4)], 0.999) < 0.3
    if make is not with_black_padding:
        lost = normalize(spoilt, PERCENTILES)[0, :200]
        assert lost[inside].mean() < 0.3 < found[0][inside].mean()


def test_hot_pixels_get_the_median_of_what_is_around_them():
    image, _ = discs()
    spoilt = with_hot_pixels(image)
    hidden = find_limits(spoilt[None], Normalization())[1].hide(spoilt[None])[0]
    hot = spoilt == 65535
    for y, x in np.argwhere(hot)[::40]:
        window = (slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3))
        if 2 <= y < 198 and 2 <= x < 198:
            assert hidden[y, x] == pytest.approx(np.median(spoilt[window][~hot[window]]), abs=1)


@pytest.mark.parametrize(
    "image",
    [
        discs()[0],
        discs(count=1)[0],  # one bright object on an empty background
        discs(count=2, noise=0)[0],
        discs(signal=40, noise=20)[0],
        np.clip(discs(signal=4000)[0], 0, 1500),  # overexposed
        np.random.default_rng(0).poisson(0.3, (200, 200)).astype(np.uint16),
        np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8),
        (255 - discs(signal=100, noise=2)[0]).astype(np.uint8),  # dark on bright
        (discs(count=3)[0] > 500).astype(np.uint8),
        np.tile(np.linspace(0, 255, 200).astype(np.uint8), (200, 1)),
        discs()[0] * (np.arange(200) > 100),  # half of it masked out with 0, the background's own value
    ],
)
def test_an_ordinary_image_is_normalised_by_its_percentiles(image):
    between, outliers = find_limits(image[None], Normalization())
    assert outliers is None
    np.testing.assert_array_equal(between, limits(image[None], PERCENTILES))


def test_channels_of_their_own_have_outliers_of_their_own():
    image, _ = discs()
    both = np.stack([image, with_bar(image)])
    between, outliers = find_limits(both, Normalization(per_channel=True))
    assert outliers is not None
    np.testing.assert_array_equal(outliers.hide(both)[0], image)
    np.testing.assert_allclose(between[0], between[1], rtol=0.05)


def test_volumes_have_outliers_too():
    image, _ = discs()
    volume = np.stack([image, with_bar(image), image])[None]
    between, outliers = find_limits(volume, Normalization())
    assert outliers is not None
    assert between[0, 1] < 3000
    assert outliers.hide(volume).max() < 3000
