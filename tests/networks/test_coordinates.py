"""Coordinate maps: from -1 to 1 over the whole image, and the same for a tile of it."""

import math

import pytest
import torch

from napari_instseg.networks import build_network, coordinate_maps
from napari_instseg.networks.coordinates import PERIODS, coordinate_channels, random_coordinate_maps
from napari_instseg.networks.params import NetworkParams


def test_first_and_last_pixels_are_minus_one_and_one():
    rows, columns = coordinate_maps("image", (3, 5))
    assert torch.equal(rows[:, 0], torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.equal(columns[0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    assert torch.equal(rows, rows[:, :1].expand(3, 5))


@pytest.mark.parametrize("kind", ["image", "periodic", "none"])
@pytest.mark.parametrize(("offset", "size"), [((2, 3, 1), (3, 4, 2)), ((0, 0, 0), (6, 9, 4))])
def test_a_tile_of_the_maps_is_the_map_of_the_tile(kind, offset, size):
    full = (6, 9, 4)
    window = tuple(slice(start, start + side) for start, side in zip(offset, size, strict=True))
    assert torch.equal(coordinate_maps(kind, size, offset, full), coordinate_maps(kind, full)[(slice(None), *window)])


def test_padding_before_the_image_goes_below_minus_one_and_single_pixels_are_zero():
    assert coordinate_maps("image", (1, 4), (0, -2), (1, 5))[1, 0].tolist() == [-2.0, -1.5, -1.0, -0.5]
    assert coordinate_maps("image", (1, 4), (0, -2), (1, 5))[0].abs().sum() == 0


def test_periodic_maps_are_sines_and_cosines_and_repeat():
    maps = coordinate_maps("periodic", (5, 300))
    assert maps.shape == (coordinate_channels("periodic", 2), 5, 300)
    for index, period in enumerate(PERIODS):
        sine, cosine = maps[2 * (len(PERIODS) + index) :][:2]
        expected = [math.sin(2 * math.pi * x / period) for x in range(300)]
        assert torch.allclose(sine[0], torch.tensor(expected), atol=1e-4)
        assert torch.allclose(sine**2 + cosine**2, torch.ones(5, 300), atol=1e-4)
        assert torch.allclose(sine[:, int(period) :], sine[:, : -int(period)], atol=1e-4)


def test_crops_to_train_with_lie_anywhere_only_where_that_means_something():
    torch.manual_seed(0)
    apart = random_coordinate_maps("periodic", 2, (8, 8))
    assert not torch.allclose(apart[0], apart[1])
    assert torch.equal(random_coordinate_maps("image", 2, (8, 8))[1], coordinate_maps("image", (8, 8)))


def test_with_periodic_maps_two_places_that_look_alike_get_different_answers_and_tiles_agree():
    torch.manual_seed(0)
    network = build_network(NetworkParams(coordinates="periodic", width=4, levels=2), {"a": 2}, 1, 2).eval()
    image = torch.zeros(1, 1, 160, 160)
    with torch.no_grad():
        whole = network(image, coordinate_maps("periodic", (160, 160))[None])["a"]
        maps = coordinate_maps("periodic", (112, 112), (32, 32), (160, 160))[None]
        tile = network(image[..., 32:144, 32:144], maps)["a"]
    assert (whole[..., 80, 80] - whole[..., 80, 100]).abs().max() > 1e-3
    inner = slice(network.halo, 112 - network.halo)
    assert torch.allclose(tile[..., inner, inner], whole[..., 32:144, 32:144][..., inner, inner], atol=1e-5)
