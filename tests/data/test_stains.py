"""A stain is unmixed from the colours of a photograph, as scikit-image does it, and wherever it is asked for."""

import numpy as np
import pytest
from skimage import color, data

from napari_instseg.core.errors import InputError
from napari_instseg.data.stains import FAINTEST, Unmixed, unmix


@pytest.fixture(scope="module")
def tissue():
    return data.immunohistochemistry()[:120, :150]


def test_haematoxylin_is_that_of_scikit_image(tissue):
    expected = color.rgb2hed(tissue)[..., 0]
    transparent = np.dstack([tissue, tissue[..., :1]])
    for image in (tissue, tissue.astype(np.uint16) * 257, tissue / np.float32(255), transparent):
        found = unmix(image, "haematoxylin")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pure_stains_closed_form():
    """What absorbs as much as one unit of haematoxylin, and what absorbs as eosin and DAB do."""
    haematoxylin, eosin, dab = FAINTEST ** (0.3 * color.rgb_from_hed)
    assert unmix(haematoxylin[None, None], "haematoxylin") == pytest.approx(0.3, abs=1e-6)
    assert unmix((haematoxylin * eosin)[None, None], "haematoxylin") == pytest.approx(0.3, abs=1e-6)
    assert unmix((eosin * dab)[None, None], "haematoxylin") == pytest.approx(0, abs=1e-6)
    assert unmix(np.ones((1, 1, 3)), "haematoxylin") == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tissue, value):
    image = tissue / 255.0
    image[3, 4, 1] = value
    with pytest.raises(InputError, match="NaN or infinite"):
        unmix(image, "haematoxylin")


def test_a_part_of_the_stain_is_the_stain_of_the_part(tissue):
    whole = unmix(tissue, "haematoxylin")
    for image in (tissue, tissue / 255.0):
        lazy = Unmixed(image, "haematoxylin")
        assert lazy.shape == whole.shape
        whole = unmix(image, "haematoxylin")
        np.testing.assert_array_equal(lazy[::7, 3:], whole[::7, 3:])
        np.testing.assert_array_equal(lazy[5], whole[5])
        np.testing.assert_array_equal(np.asarray(lazy), whole)


def test_what_cannot_be_unmixed_is_said(tissue):
    with pytest.raises(InputError, match="no stain 'eosine'; expected one of: haematoxylin"):
        unmix(tissue, "eosine")
    with pytest.raises(InputError, match=r"shape \(120, 150\); a stain is unmixed from colours"):
        unmix(tissue[..., 0], "haematoxylin")
