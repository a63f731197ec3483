"""Coordinate maps: from -1 to 1 over the whole image, and the same for a tile of it."""

import pytest
import torch

from napari_instseg.networks import coordinate_maps


def test_first_and_last_pixels_are_minus_one_and_one():
    rows, columns = coordinate_maps((3, 5))
    assert torch.equal(rows[:, 0], torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.equal(columns[0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    assert torch.equal(rows, rows[:, :1].expand(3, 5))


@pytest.mark.parametrize(("offset", "size"), [((2, 3, 1), (3, 4, 2)), ((0, 0, 0), (6, 9, 4))])
def test_a_tile_of_the_maps_is_the_map_of_the_tile(offset, size):
    full = (6, 9, 4)
    window = tuple(slice(start, start + side) for start, side in zip(offset, size, strict=True))
    assert torch.equal(coordinate_maps(size, offset, full), coordinate_maps(full)[(slice(None), *window)])


def test_padding_before_the_image_goes_below_minus_one_and_single_pixels_are_zero():
    assert coordinate_maps((1, 4), (0, -2), (1, 5))[1, 0].tolist() == [-2.0, -1.5, -1.0, -0.5]
    assert coordinate_maps((1, 4), (0, -2), (1, 5))[0].abs().sum() == 0
