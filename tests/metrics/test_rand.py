"""The adjusted Rand index looks at known pixels only."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_instseg.core.errors import InputError
from napari_instseg.metrics import adjusted_rand_index


def test_only_known_pixels_count(pair):
    truth, prediction = pair
    unknown = np.random.default_rng(0).random(truth.shape) < 0.3
    expected = adjusted_rand_score(truth[~unknown], prediction[~unknown])
    assert adjusted_rand_index(np.where(unknown, -1, truth), prediction) == pytest.approx(expected)
    assert adjusted_rand_index(np.where(unknown, -1, truth), np.where(unknown, 99, truth * 2)) == 1
    assert 0 < expected < 1


def test_shapes_must_agree():
    with pytest.raises(InputError, match="same shape"):
        adjusted_rand_index(np.zeros((4, 4), int), np.zeros((4, 5), int))
