"""An image with nothing said of it: the model and the size are found, and doubts are warned of."""

import numpy as np
import pytest

import napari_instseg as instseg
from napari_instseg.data.samples import load_sample
from napari_instseg.metrics import evaluate_labels


def test_nuclei_are_found_with_nothing_said():
    image, truth, _ = load_sample("nuclei")
    found = instseg.segment(image)
    report = evaluate_labels([(truth, found.labels)])
    assert next(iter(report["ap"].values())) > 0.7


@pytest.mark.parametrize("factor", [1, 3])
def test_nuclei_of_other_sizes_are_found_as_well(factor):
    image, truth, _ = load_sample("nuclei")
    part = (slice(0, 200), slice(0, 200))
    image, truth = (np.kron(array[part], np.ones((factor, factor), array.dtype)) for array in (image, truth))
    report = evaluate_labels([(truth, instseg.segment(image).labels)])
    assert next(iter(report["ap"].values())) > 0.6


def test_another_model_and_size_can_be_named():
    image, _, _ = load_sample("nuclei")
    model = instseg.load_model("coloring-nuclei")
    found = instseg.segment(image, model="coloring-nuclei", diameter="model", min_size=50)
    np.testing.assert_array_equal(found.labels, model.segment(image, min_size=50).labels)


def test_a_doubtful_kind_is_warned_of():
    y, x = np.mgrid[:200, :200]
    chess = (((y // 10) + (x // 10)) % 2).astype(np.float32)
    with pytest.warns(UserWarning, match="taken for"):
        instseg.segment(chess)
