"""Augmentation: image and labels stay together, nothing is invented, the same seed gives the same patch."""

import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.data.augment import Augmentation, _bend, _find_positions, _interpolate, _look_up, augment

NOTHING = Augmentation(flip=False, rotation=0, scale=0, shear=0, elastic=0, intensity=0, noise=0, blur=0, invert=0)
GEOMETRY = Augmentation(intensity=0, noise=0, blur=0)


def disks(shape, number=6, seed=0):
    """Labels of disks or balls with large ids, and an image that is 1 inside."""
    rng = np.random.default_rng(seed)
    centres = np.zeros(shape, np.int64)
    for i in range(number):
        centres[tuple(rng.integers(0, side) for side in shape)] = 60000 + i
    far, nearest = ndimage.distance_transform_edt(centres == 0, return_indices=True)
    labels = np.where(far < min(shape) / 4, centres[tuple(nearest)], 0)
    return (labels > 0).astype(np.float32)[None], labels


@pytest.mark.parametrize(("shape", "patch"), [((90, 70), (48, 32)), ((32, 60, 50), (16, 32, 24))])
def test_image_and_labels_are_moved_alike(shape, patch):
    image, labels = disks(shape)
    sure = 0
    for seed in range(8):
        moved, moved_labels = augment(image, labels, GEOMETRY, patch, np.random.default_rng(seed))
        assert moved.shape == (1, *patch)
        assert moved_labels.shape == patch
        assert (moved.dtype, moved_labels.dtype) == (np.float32, np.int64)
        # only the rims, which are interpolated, may differ between the two
        rim = np.ones((5,) * len(patch))
        inside = ndimage.binary_erosion(moved_labels > 0, rim)
        outside = ndimage.binary_erosion(moved_labels == 0, rim)
        assert (moved[0][inside] > 0.9).all()
        assert (moved[0][outside] < 0.1).all()
        sure += inside.sum()
    assert sure > 100


def test_ids_are_kept_exactly():
    image, labels = disks((90, 70))
    _, moved = augment(image, labels, Augmentation(), (64, 64), np.random.default_rng(0))
    assert set(np.unique(moved)) <= {-1, 0, *range(60000, 60006)}
    assert (moved > 0).any()


def test_switched_off_it_is_a_plain_crop():
    rng = np.random.default_rng(0)
    image, labels = rng.random((2, 20, 30), dtype=np.float32), rng.integers(-1, 50, (20, 30))
    patch, patch_labels = augment(image, labels, NOTHING, (8, 9), np.random.default_rng(1))
    windows = [
        (y, x) for y in range(13) for x in range(22) if np.array_equal(labels[y : y + 8, x : x + 9], patch_labels)
    ]
    assert len(windows) == 1
    ((y, x),) = windows
    assert np.allclose(image[:, y : y + 8, x : x + 9], patch, atol=1e-5)


def test_crops_reach_every_part_of_the_image():
    labels = np.arange(1, 65).reshape(8, 8)
    image = np.zeros((1, 8, 8), np.float32)
    rng = np.random.default_rng(0)
    seen = [augment(image, labels, NOTHING, (4, 4), rng)[1] for _ in range(200)]
    assert set(np.unique(seen)) == set(range(1, 65))


def test_beyond_the_border_labels_are_unknown_and_the_image_is_mirrored():
    image, labels = np.full((1, 20, 20), 0.7, np.float32), np.ones((20, 20), np.int64)
    patch, patch_labels = augment(image, labels, NOTHING, (32, 32), np.random.default_rng(0))
    assert set(np.unique(patch_labels)) == {-1, 1}
    assert abs((patch_labels == 1).sum() - 400) <= 41
    assert np.allclose(patch, 0.7)


def test_unknown_pixels_stay_unknown():
    image, labels = np.zeros((1, 64, 64), np.float32), np.full((64, 64), -1)
    _, patch = augment(image, labels, Augmentation(), (32, 32), np.random.default_rng(0))
    assert (patch == -1).all()


def test_same_seed_same_patch_and_another_seed_another():
    image, labels = disks((90, 70))

    def one(seed):
        return augment(image, labels, Augmentation(invert=0.5), (40, 40), np.random.default_rng(seed))

    first, again, other = one(3), one(3), one(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("change", [{"noise": 0.3}, {"blur": 3.0}, {"intensity": 0.5}, {"invert": 1.0}])
def test_changes_of_intensity_leave_labels_alone(change):
    image, labels = disks((40, 40))
    image = image + 0.1 * np.random.default_rng(0).random(image.shape, dtype=np.float32)
    params = NOTHING.changed(**change)
    changed = 0
    for seed in range(10):
        patch, patch_labels = augment(image, labels, params, (40, 40), np.random.default_rng(seed))
        assert np.array_equal(patch_labels, labels)
        assert np.isfinite(patch).all()
        changed += not np.allclose(patch, image, atol=1e-4)
    assert changed >= 1


def test_inversion_swaps_dark_and_bright():
    image, labels = disks((40, 40))
    patch, _ = augment(image, labels, NOTHING.changed(invert=1.0), (40, 40), np.random.default_rng(0))
    assert np.allclose(patch, 1 - image, atol=1e-5)


def test_volumes_turn_only_in_their_planes():
    """Each plane of this volume has one value, which a turn about another axis would mix."""
    labels = np.broadcast_to(np.arange(1, 9)[:, None, None], (8, 60, 60)).copy()
    params = NOTHING.changed(rotation=180.0)
    image = np.zeros((1, 8, 60, 60), np.float32)
    for seed in range(4):
        _, patch = augment(image, labels, params, (8, 24, 24), np.random.default_rng(seed))
        for z, plane in enumerate(patch, start=1):
            assert set(np.unique(plane)) == {z}


@pytest.mark.parametrize(("shape", "patch"), [((40, 37), (24, 16)), ((9, 33, 30), (8, 16, 16))])
def test_pixels_are_taken_from_where_the_positions_say(shape, patch):
    """Against scipy, which interpolates and mirrors as torch does, in double precision."""
    rng = np.random.default_rng(0)
    image, labels = rng.random((2, *shape), dtype=np.float32), rng.integers(-1, 300, shape)
    params = GEOMETRY.changed(elastic=0.5)
    outside = 0
    for seed in range(8):
        positions = _find_positions(params, patch, shape, np.random.default_rng(seed))
        wanted = [ndimage.map_coordinates(channel, positions, order=1, mode="mirror") for channel in image]
        assert np.allclose(_interpolate(image, positions), wanted, atol=1e-4)
        looked_up = _look_up(labels, positions)
        assert np.array_equal(
            looked_up, ndimage.map_coordinates(labels, np.rint(positions), order=0, mode="constant", cval=-1)
        )
        outside += (looked_up == -1).sum()
    assert outside > 0


def test_flips_and_quarter_turns_give_all_eight_views_exactly():
    labels = np.arange(1, 10).reshape(3, 3)
    image = labels[None].astype(np.float32)
    params = NOTHING.changed(flip=True)
    views = {view.tobytes() for turned in (labels, labels.T) for view in (turned, turned[::-1], turned[:, ::-1])}
    views |= {turned[::-1, ::-1].tobytes() for turned in (labels, labels.T)}
    seen = set()
    for seed in range(100):
        patch, patch_labels = augment(image, labels, params, (3, 3), np.random.default_rng(seed))
        assert np.allclose(patch[0], patch_labels, atol=1e-5)
        seen.add(patch_labels.tobytes())
    assert seen == views


def test_objects_become_as_much_larger_and_smaller_as_is_said():
    labels = np.zeros((120, 120), np.int64)
    labels[40:80, 40:80] = 1
    image = labels[None].astype(np.float32)
    params = NOTHING.changed(scale=0.3, rotation=180.0)
    areas = [
        (augment(image, labels, params, (80, 80), np.random.default_rng(seed))[1] == 1).sum() for seed in range(300)
    ]
    # some are cut by the border, none is larger than it may be
    assert 1600 / 0.7**2 * 0.8 < max(areas) <= 1600 / 0.7**2 * 1.03


def test_a_bend_stretches_each_cell_by_no_more_than_is_said_and_keeps_the_ends():
    for seed in range(20):
        bent = _bend(61, 0.4, np.random.default_rng(seed))
        assert np.allclose(bent[[0, -1]], [-30, 30])
        cells = np.diff(bent[::10]) / 10
        assert (cells > 0.6 / 1.4).all()
        assert (cells < 1.4 / 0.6).all()
        assert np.ptp(cells) > 0.05
    assert np.array_equal(_bend(5, 0.0, np.random.default_rng(0)), [-2, -1, 0, 1, 2])
