"""Measurements against scikit-image, closed forms of disks, ellipses, balls and rectangles, and slow twins."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops_table

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.measure import GROUPS, measure, measure_stack
from napari_instseg.measure.intensity import rings
from napari_instseg.measure.shape import crofton


def ellipse(a, b, steps=(1.0, 1.0), size=None):
    """The pixels of an ellipse of half axes a along y and b along x, in units of which pixels have `steps`."""
    rows, columns = (2 * round(half / step) + 7 for half, step in zip((a, b), steps, strict=True))
    y, x = np.mgrid[:rows, :columns]
    return (((y - rows // 2) * steps[0] / a) ** 2 + ((x - columns // 2) * steps[1] / b) ** 2 <= 1).astype(int)


@pytest.fixture
def crowd():
    random = np.random.default_rng(3)
    seeds = np.zeros((90, 110), int)
    places = random.permutation(90 * 110)[:25]
    seeds.ravel()[places] = np.arange(2, 2 + 3 * 25, 3)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
    labels = np.where(nearest[0] < 11, seeds[tuple(nearest[1])], 0)
    return labels, random.normal(100, 20, (2, 90, 110))


def test_what_scikit_image_measures_is_the_same(crowd):
    labels, channels = crowd
    properties = {
        "area_px": "area",
        "equivalent_diameter_px": "equivalent_diameter_area",
        "perimeter_px": "perimeter",
        "axis_major_px": "axis_major_length",
        "axis_minor_px": "axis_minor_length",
        "eccentricity": "eccentricity",
        "solidity": "solidity",
        "extent": "extent",
        "centroid_y_px": "centroid-0",
        "centroid_x_px": "centroid-1",
        "y_min_px": "bbox-0",
        "x_max_px": "bbox-3",
        "intensity_mean_1": "intensity_mean-1",
        "intensity_max_0": "intensity_max-0",
        "intensity_min_0": "intensity_min-0",
        "intensity_std_1": "intensity_std-1",
    }
    own = measure(labels, channels)
    theirs = regionprops_table(
        labels,
        np.moveaxis(channels, 0, -1),
        properties=["label", *{name.split("-")[0] for name in properties.values()}],
    )
    np.testing.assert_array_equal(own["label"], theirs["label"])
    for name, of in properties.items():
        np.testing.assert_allclose(own[name], theirs[of], err_msg=name)


def test_intensities_are_numpys(crowd):
    labels, channels = crowd
    own = measure(labels, channels, groups=["intensity"], percentiles=(10, 97.5)).set_index("label")
    for number in own.index:
        pixels = channels[1][labels == number]
        assert own.loc[number, "intensity_median_1"] == pytest.approx(np.median(pixels))
        assert own.loc[number, "intensity_sum_1"] == pytest.approx(pixels.sum())
        assert own.loc[number, "intensity_p97.5_1"] == pytest.approx(np.percentile(pixels, 97.5))


def test_the_spread_of_large_values_is_not_lost():
    labels = np.ones((4, 4), int)
    values = 1e9 + np.arange(16.0).reshape(4, 4)
    assert measure(labels, values, groups=["intensity"])["intensity_std_0"][0] == pytest.approx(np.arange(16).std())


@pytest.mark.parametrize("radius", [15, 40])
def test_a_disk_is_measured_as_one(radius):
    row = measure(ellipse(radius, radius)).iloc[0]
    assert row["area_px"] == pytest.approx(np.pi * radius**2, rel=0.02)
    assert row["equivalent_diameter_px"] == pytest.approx(2 * radius, rel=0.01)
    assert row["feret_max_px"] == pytest.approx(2 * radius + 1, rel=0.02)
    assert row["feret_min_px"] == pytest.approx(2 * radius + 1, rel=0.02)
    assert row["perimeter_px"] == pytest.approx(2 * np.pi * radius, rel=0.06)  # this estimate is known to be too long
    assert row["eccentricity"] < 0.05
    assert row["circularity"] == 4 * np.pi * row["area_px"] / row["perimeter_px"] ** 2  # CellProfiler's FormFactor


def test_an_ellipse_in_pixels_that_are_not_square_is_what_it_is_in_space():
    steps = (0.5, 0.2)
    row = measure(ellipse(30, 12, steps), scale=steps).iloc[0]
    axes = np.sqrt(30 * 12)
    around = np.pi * (3 * 42 - np.sqrt((90 + 12) * (30 + 36)))  # Ramanujan
    assert row["area_um2"] == pytest.approx(np.pi * 30 * 12, rel=0.01)
    assert row["equivalent_diameter_um"] == pytest.approx(2 * axes, rel=0.01)
    assert row["axis_major_um"] == pytest.approx(60, rel=0.01)
    assert row["axis_minor_um"] == pytest.approx(24, rel=0.01)
    assert row["perimeter_um"] == pytest.approx(around, rel=0.06)  # of four directions, which are uneven here
    assert row["orientation_deg"] == pytest.approx(0, abs=1)
    assert row["feret_max_um"] == pytest.approx(60, rel=0.02)
    assert row["feret_min_um"] == pytest.approx(24, rel=0.02)
    # and the pixels themselves lie the other way round: 60 rows, 60 columns
    assert row["axis_major_px"] == pytest.approx(row["axis_minor_px"], rel=0.05)


def test_croftons_perimeter_is_scikit_images_where_pixels_are_square(crowd):
    for number in np.unique(crowd[0])[1:]:
        mask = crowd[0] == number
        assert crofton(mask, (1.0, 1.0)) == pytest.approx(perimeter_crofton(mask, 4))
        assert crofton(mask, (0.3, 0.3)) == pytest.approx(0.3 * perimeter_crofton(mask, 4))


def test_a_rectangles_feret_diameters_are_its_diagonal_and_side():
    labels = np.zeros((20, 30), int)
    labels[4:10, 3:23] = 1
    row = measure(labels, scale=(2.0, 1.0), groups=["shape"]).iloc[0]
    assert (row["feret_max_px"], row["feret_min_px"]) == (pytest.approx(np.hypot(6, 20)), 6)
    assert (row["feret_max_um"], row["feret_min_um"]) == (pytest.approx(np.hypot(12, 20)), 12)


def test_a_ball_of_voxels_that_are_no_cubes():
    z, y, x = np.mgrid[:17, :50, :50]
    ball = (((z - 8) * 3) ** 2 + (y - 25) ** 2 + (x - 25) ** 2 <= 20**2).astype(int)
    row = measure(ball, scale=(3.0, 1.0, 1.0)).iloc[0]
    assert row["volume_um3"] == 3 * row["volume_px"] == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.02)
    assert row["equivalent_diameter_um"] == pytest.approx(40, rel=0.01)
    assert row["axis_major_um"] == pytest.approx(row["axis_minor_um"], rel=0.03)
    assert row["surface_um2"] == pytest.approx(4 * np.pi * 20**2, rel=0.2)  # steps of 3 um are seen
    assert row["feret_max_um"] == pytest.approx(41, rel=0.08)
    assert (row["centroid_z_um"], row["centroid_x_um"]) == (24, 25)


def test_neighbours_and_contact_as_counted_by_hand():
    labels = np.array(
        [
            [1, 1, 2, 2],
            [1, 1, 2, 2],
            [0, 0, 3, 0],
            [4, 0, 0, 0],
        ]
    )
    table = measure(labels, groups=["neighbours"], scale=(2.0, 0.5)).set_index("label")
    assert table["neighbours"].tolist() == [2, 2, 2, 0]  # 1 and 3 share a corner
    assert table["contact_px"].tolist() == [2, 3, 1, 0]
    # an edge between columns is as long as a pixel is high
    assert table["contact_um"].tolist() == [4, 4.5, 0.5, 0]
    assert table["contact_share"][3] == pytest.approx(0.5 / 5)
    assert table["nearest_centroid_px"][1] == 2


def test_objects_at_the_border_are_told():
    labels = np.zeros((9, 9), int)
    labels[0, 4], labels[4, 8], labels[4, 4] = 1, 2, 3
    assert measure(labels, groups=["position"])["touches_border"].tolist() == [True, True, False]


def test_rings_are_background_and_nobodys_twice():
    labels = np.zeros((30, 40), int)
    labels[10:20, 10:15], labels[10:20, 18:24] = 1, 2
    ring = rings(labels, 4)
    away = [ndimage.distance_transform_edt(labels != number) for number in (1, 2)]
    for number, own, other in ((1, *away), (2, *reversed(away))):
        assert set(np.unique(labels[ring == number])) == {0}
        assert (own[ring == number] <= 4).all()
        assert (own[ring == number] <= other[ring == number]).all()
    np.testing.assert_array_equal(ring > 0, (labels == 0) & (np.minimum(*away) <= 4))
    value = np.where(labels > 0, 1000.0, 5.0)
    assert measure(labels, value, groups=["ring"], ring_width=4)["ring_max_0"].tolist() == [5, 5]
    wide = rings(labels, 4, (2.0, 1.0))
    assert np.flatnonzero(wide[:, 12]).min() == 8  # 4 micrometres are 2 rows


def test_time_points_are_apart_and_slices_if_asked_for():
    labels = np.zeros((2, 3, 8, 8), int)
    labels[0, :, 1:3, 1:3] = 1
    labels[1, 2, 4:8, 4:8] = 1
    table = measure_stack(labels, axes="TZYX", scale=(1.0, 2.0, 1.0, 1.0))
    assert table[["t", "label", "volume_px", "volume_um3"]].to_numpy().tolist() == [[0, 1, 12, 24], [1, 1, 16, 32]]
    flat = measure_stack(labels, axes="TZYX", slices=True)
    assert flat[["t", "z", "area_px"]].to_numpy().tolist() == [[0, 0, 4], [0, 1, 4], [0, 2, 4], [1, 2, 16]]


def test_no_object_gives_the_same_columns():
    empty = measure(np.zeros((5, 5), int), np.zeros((5, 5)))
    assert len(empty) == 0
    assert list(empty) == list(measure(np.ones((5, 5), int), np.zeros((5, 5))))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (1, 1, 1), (1, 1, 6), (1, 5, 5)])
def test_the_smallest_and_flattest_objects_are_measured(shape):
    labels = np.pad(np.ones(shape, int), 2)
    row = measure(labels, labels * 7.0).iloc[0]
    assert row["solidity"] == row["extent"] == 1
    assert row["feret_max_px"] == pytest.approx(np.linalg.norm(shape))


def test_what_is_known_goes_along():
    labels = np.array([[1, 0, 3]] * 2)
    table = measure(labels, known=pd.DataFrame({"label": [3, 9], "score": [0.5, 1.0], "class": ["a", "b"]}))
    assert list(table)[:3] == ["label", "score", "class"]
    assert table["class"].tolist()[1] == "a"
    assert np.isnan(table["score"][0])


def test_bad_input_is_said():
    labels = np.ones((4, 5), int)
    twice = pd.DataFrame([[1, 2, 3]], columns=["label", "score", "score"])
    with pytest.raises(InputError, match="score.*twice"):
        measure(labels, known=twice)
    with pytest.raises(InputError, match="object 1 in two rows"):
        measure(labels, known=pd.DataFrame({"label": [1, 1]}))
    with pytest.raises(InputError, match="belong together"):
        measure(labels, np.zeros((5, 4)))
    with pytest.raises(ParameterError, match=f"expected some of {', '.join(GROUPS)}"):
        measure(labels, groups=["colour"])
    with pytest.raises(ParameterError, match="need the image"):
        measure(labels, groups=["ring"])
    with pytest.raises(InputError, match="pixel size"):
        measure(labels, scale=(1.0, 0.0))
