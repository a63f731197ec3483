"""A seed is checked before it draws anything."""

import numpy as np
import pytest

from napari_instseg.core.errors import ParameterError
from napari_instseg.core.seeds import rng_of
from napari_instseg.data.pairs import split_pairs
from napari_instseg.data.simulate import simulate
from napari_instseg.io.pairs import pairs_from_arrays


def test_numbers_are_those_of_numpy():
    assert rng_of(7).random() == np.random.default_rng(7).random()
    assert rng_of(np.int64(7), 3).random() == np.random.default_rng([7, 3]).random()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "1", None])
def test_what_is_no_seed(seed):
    image = np.arange(16, dtype=np.uint8).reshape(4, 4)
    pairs = pairs_from_arrays([image] * 3, [image % 3 + 1] * 3)
    for draw in (rng_of, lambda seed: split_pairs(pairs, 0.5, seed), lambda seed: next(simulate("nuclei", seed=seed))):
        with pytest.raises(ParameterError, match="seed is .*; expected a whole number from 0"):
            draw(seed)
