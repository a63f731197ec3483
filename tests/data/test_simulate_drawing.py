"""The parts that simulators are made of, each against a slow and obvious twin."""

import numpy as np
import pytest
from scipy import stats

from napari_instseg.data.simulate import drawing
from napari_instseg.data.simulate.colony import grow
from napari_instseg.data.simulate.scene import flat_truth, nearest_outline


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("rate", [2.0, 15.0, 300.0])
def test_photon_noise_is_poisson(rate):
    counts = drawing.photon_noise(rng(), np.full((400, 400), rate), 0.0)
    assert np.abs(counts.mean() - rate) < 0.02 * rate
    assert np.abs(counts.var() - rate) < 0.05 * rate
    assert stats.skew(counts.ravel()) == pytest.approx(rate**-0.5, abs=0.05)
    values = np.arange(int(rate * 3) + 10)
    expected = stats.poisson.cdf(values, rate)
    found = (counts.ravel()[:, None] <= values[::8]).mean(0)
    assert np.abs(found - expected[::8]).max() < 0.02


def test_read_noise_adds_its_variance():
    counts = drawing.photon_noise(rng(), np.full((300, 300), 50.0), 5.0)
    assert counts.var() == pytest.approx(75, rel=0.05)


@pytest.mark.parametrize("sigma", [1.0, 5.0, 20.0])
def test_smooth_noise_has_the_detail_asked_for(sigma):
    noise = drawing.smooth_noise(rng(), (300, 340), sigma)
    assert noise.shape == (300, 340)
    assert abs(noise.mean()) < 1e-9
    assert noise.std() == pytest.approx(1, abs=1e-6)
    # white noise under a Gaussian of width sigma has the correlation exp(-d^2 / 4 sigma^2)
    lag = round(2 * sigma)
    found = np.mean([np.mean(noise[lag:] * noise[:-lag]), np.mean(noise[:, lag:] * noise[:, :-lag])])
    assert found == pytest.approx(np.exp(-(lag**2) / (4 * sigma**2)), abs=0.25)


def test_tube_is_the_set_of_pixels_near_the_segment():
    start, end, radius = np.array([10.0, 7.5]), np.array([33.0, 40.0]), 5.3
    points = start + np.linspace(0, 1, 200)[:, None] * (end - start)
    body = drawing.tube(points, np.full(200, radius), (60, 50))
    rows, columns = np.mgrid[:60, :50]
    pixels = np.stack([rows, columns], -1) - start
    along = np.clip((pixels @ (end - start)) / ((end - start) ** 2).sum(), 0, 1)
    expected = np.linalg.norm(pixels - along[..., None] * (end - start), axis=-1) <= radius
    found = np.zeros((60, 50), bool)
    found[body.window] = body.mask
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(body.along[body.mask], along[expected], atol=0.005)


def test_tube_with_unequal_sides_is_wider_on_one():
    points = np.stack([np.full(101, 30.0), np.linspace(10, 60, 101)], 1)
    body = drawing.tube(points, np.stack([np.full(101, 4.0), np.full(101, 9.0)]), (60, 70))
    column = body.mask[:, body.mask.shape[1] // 2]
    above = column[: 30 - body.window[0].start].sum()
    below = column[30 - body.window[0].start + 1 :].sum()
    assert sorted((above, below)) == [4, 9]
    assert (np.sign(body.across[body.mask & (np.abs(body.across) > 4.5)]) == 1).all()


def test_tube_outside_of_the_image_is_none():
    points = np.stack([np.full(10, -40.0), np.arange(10.0)], 1)
    assert drawing.tube(points, np.full(10, 3.0), (50, 50)) is None


def test_curve_with_constant_curvature_closes_a_circle():
    steps = 1000
    length = 2 * np.pi * 20
    points = drawing.curve((5, 5), 0.3, np.full(steps, 1 / 20), length / steps)
    np.testing.assert_allclose(points[-1], points[0], atol=1e-6)
    spread = np.linalg.norm(points[:-1] - points[:-1].mean(0), axis=1)
    np.testing.assert_allclose(spread, 20, rtol=1e-3)


def test_nearest_outline_shares_the_ground_of_two_disks():
    rows, columns = np.mgrid[:40, :60]
    edges = [np.hypot(rows - 20, columns - 22) - 12, np.hypot(rows - 20, columns - 38) - 12]
    window = slice(0, 40), slice(0, 60)
    owner, distance = nearest_outline([window, window], edges, (40, 60))
    labels, kept = flat_truth(owner, distance, 2)
    np.testing.assert_array_equal(kept, [0, 1])
    expected = np.where(columns <= 30, 1, 2) * ((edges[0] <= 0) | (edges[1] <= 0))
    np.testing.assert_array_equal(labels, expected)


def test_flat_truth_skips_what_is_too_small_and_stays_consecutive():
    owner = np.repeat([[0, 1, 2]], 20, 0)
    distance = np.full((20, 3), -1.0)
    distance[5:, 1] = 1.0
    labels, kept = flat_truth(owner, distance, 3)
    np.testing.assert_array_equal(kept, [0, 2])
    assert set(np.unique(labels[:, 0])) == {1}
    assert set(np.unique(labels[:, 1])) == {0}
    assert set(np.unique(labels[:, 2])) == {2}


def deepest_overlap(rods, width):
    """How deep the round-ended rods lie in each other, by points along their axes, in px."""
    half = np.maximum(rods.length - width, 0) / 2
    points = rods.centre[:, None] + (np.linspace(-1, 1, 41) * half[:, None])[..., None] * rods.axis[:, None]
    depth = np.zeros(len(half))
    for index in range(len(half)):
        others = np.delete(points, index, 0).reshape(-1, 2)
        depth[index] = width - np.linalg.norm(points[index][:, None] - others[None], axis=-1).min()
    return np.maximum(depth, 0)


@pytest.mark.parametrize(("starts", "count"), [(1, 90), (5, 60)])
def test_colonies_grow_to_the_number_and_hardly_overlap(starts, count):
    rods = grow(rng(3).uniform(0, 200, (starts, 2)), count, 9.0, 40.0, rng(1))
    assert len(rods.length) == len(rods.angle) == len(rods.centre) == count
    assert ((rods.age > -1e-9) & (rods.age <= 1)).all()
    depth = deepest_overlap(rods, 9.0)
    assert depth.mean() < 0.1 * 9
    assert np.quantile(depth, 0.95) < 0.35 * 9
    # a colony holds together: no rod lies alone
    gaps = np.linalg.norm(rods.centre[:, None] - rods.centre[None], axis=-1) + 1e9 * np.eye(count)
    assert gaps.min(1).max() < 60


def test_growth_is_the_same_for_the_same_seed():
    start = np.array([[50.0, 50.0]])
    one, two = (grow(start, 30, 8.0, 36.0, rng(9)) for _ in range(2))
    np.testing.assert_array_equal(one.centre, two.centre)
    assert start.tolist() == [[50.0, 50.0]]
