"""Every simulator keeps its word: exact truth, the size asked for, the same seed the same image."""

import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.data.simulate import KINDS, simulate

LOOKS = [
    (kind, look)
    for kind, entry in KINDS.items()
    for look in next((p.choices for p in entry.params.parameters() if p.name == "look"), ("",))
]


def params_of(kind, look="", **values):
    return KINDS[kind].params(**({"look": look} if look else {}), **values)


def first(kind, seed=0, look="", **values):
    return next(simulate(kind, seed=seed, params=params_of(kind, look, **values)))


@pytest.mark.parametrize(("kind", "look"), LOOKS)
def test_truth_is_exact(kind, look):
    values = {"count": 9} if kind != "dots" else {}
    made = first(kind, seed=3, look=look, height=240, width=310, **values)
    assert made.image.shape[:2] == made.labels.shape == (240, 310)
    assert made.image.dtype in (np.uint8, np.uint16)
    assert made.image.ndim == 2 or made.image.shape == (240, 310, 3)
    assert made.labels.dtype == np.int32
    sizes = np.bincount(made.labels.ravel())[1:]
    assert len(sizes) == made.labels.max() >= 5
    assert sizes.min() >= 12
    if made.classes is not None:
        assert made.classes.shape == (made.labels.max(),)
        assert set(np.unique(made.classes)) <= set(range(1, len(KINDS[kind].classes) + 1))


@pytest.mark.parametrize("kind", ["rosettes", "worms", "sticks"])
def test_label_is_the_last_mask_that_holds_the_pixel(kind):
    made = first(kind, seed=1)
    assert made.masks.shape == (made.labels.max(), *made.labels.shape)
    expected = np.zeros_like(made.labels)
    for index, mask in enumerate(made.masks):
        expected[mask] = index + 1
    np.testing.assert_array_equal(made.labels, expected)
    assert (made.masks.sum(0) > 1).any(), "nothing overlaps"


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_image_and_another_seed_another(kind):
    params = params_of(kind, height=200, width=200, **({} if kind == "dots" else {"count": 6}))
    one, two = simulate(kind, n=2, seed=5, params=params)
    again = next(simulate(kind, n=1, seed=5, params=params))
    other = next(simulate(kind, n=1, seed=6, params=params))
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert (one.labels != two.labels).any()
    assert (one.labels != other.labels).any()


@pytest.mark.parametrize(("kind", "count"), [("rosettes", 11), ("worms", 9), ("sticks", 17), ("nuclei", 23)])
def test_number_of_objects_is_the_number_asked_for(kind, count):
    for seed in range(3):
        assert first(kind, seed=seed, count=count).labels.max() == count


@pytest.mark.parametrize(("kind", "look"), [item for item in LOOKS if item[0] != "dots"])
def test_image_follows_the_truth(kind, look):
    """Objects differ from the background, and the image has an edge where the label image has one."""
    made = first(kind, seed=2, look=look)
    grey = made.image.astype(float).reshape(*made.labels.shape, -1)
    inside = grey[ndimage.binary_erosion(made.labels > 0)]
    outside = grey[ndimage.distance_transform_edt(made.labels == 0) > 4]
    spread = outside.std(0) + inside.std(0)
    assert (np.abs(inside.mean(0) - outside.mean(0)) / np.maximum(spread, 1)).max() > 0.3
    slope = ndimage.gaussian_gradient_magnitude(grey.mean(-1), 1)
    border = made.labels != ndimage.grey_erosion(made.labels, 3)
    if kind == "worms":
        slope[ndimage.distance_transform_edt(made.labels == 0) > 12] = np.nan  # the wall of the well has an edge too
    assert np.nanmedian(slope[border]) > 1.4 * np.nanmedian(slope[~border])


@pytest.mark.parametrize(
    ("kind", "values"),
    [("worms", {"count": 40}), ("nuclei", {"count": 200}), ("sticks", {"count": 300}), ("rosettes", {"count": 60})],
)
def test_a_full_field_says_so(kind, values):
    with pytest.raises(InputError, match=rf"of {values['count']} objects found a place in a field of 90 x 100 px"):
        first(kind, height=90, width=100, **values)


def test_unknown_kind_names_the_known_ones():
    with pytest.raises(InputError, match="no simulator 'stars'; expected one of: rosettes, worms"):
        next(simulate("stars"))


def test_parameters_of_another_kind_are_refused():
    with pytest.raises(InputError, match="parameters for 'worms' are Dots; expected Worms"):
        next(simulate("worms", params=KINDS["dots"].params()))


def test_parameter_out_of_range_is_refused():
    with pytest.raises(ParameterError, match="count"):
        KINDS["worms"].params(count=0)
