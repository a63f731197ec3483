"""Networks get (stack, C, *spatial), whatever the order in the file."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.axes import to_channels


@pytest.mark.parametrize(
    ("axes", "spatial", "expected", "stack"),
    [
        ("YX", "YX", (1, 5, 6), ""),
        ("YXC", "YX", (2, 5, 6), ""),
        ("CYX", "YX", (2, 5, 6), ""),
        ("ZYX", "YX", (4, 1, 5, 6), "Z"),
        ("TCYX", "YX", (3, 2, 5, 6), "T"),
        ("TZCYX", "YX", (3, 4, 2, 5, 6), "TZ"),
        ("ZYX", "ZYX", (1, 4, 5, 6), ""),
        ("ZYXC", "ZYX", (2, 4, 5, 6), ""),
        ("TZCYX", "ZYX", (3, 2, 4, 5, 6), "T"),
    ],
)
def test_order(axes, spatial, expected, stack):
    size = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
    array = np.random.default_rng(0).random([size[letter] for letter in axes])
    got, got_stack = to_channels(array, axes, spatial)
    assert (got.shape, got_stack) == (expected, stack)
    assert np.shares_memory(got, array)
    place = {letter: size[letter] - 1 for letter in axes}
    assert got[tuple(place.get(letter, 0) for letter in stack + "C" + spatial)] == array[tuple(place[a] for a in axes)]


def test_a_flat_image_for_a_volume_model():
    with pytest.raises(InputError, match="Choose a 2-d model, or say which axis is Z"):
        to_channels(np.zeros((5, 6)), "YX", "ZYX")
