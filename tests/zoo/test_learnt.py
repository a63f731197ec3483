"""Shipped models have learnt their kind: images that nobody has seen are segmented about as well as the card says."""

import numpy as np
import pytest

from napari_instseg import load_model
from napari_instseg.data.simulate import simulate
from napari_instseg.metrics import evaluate_labels
from napari_instseg.zoo import specs

UNSEEN = 4711
"""Seed of images that no model was trained, chosen or scored on."""


def scores(name, kind, n):
    model = load_model(name)
    scenes = list(simulate(kind, n=n, seed=UNSEEN))
    found = [model.predict(scene.image).decode().labels for scene in scenes]
    return evaluate_labels(zip((scene.labels for scene in scenes), found, strict=True))


@pytest.mark.parametrize("name", ["discriminative-leaves", "semiconv-leaves"])
def test_leaves_of_rosettes_are_told_apart(name):
    """On 12 images, as the score of one varies by .06, and six of them hung on a processor's rounding."""
    assert scores(name, "rosettes", 12)["sbd"] > 0.85


@pytest.mark.parametrize("name", [name for name in specs() if name.endswith("-nuclei")])
def test_every_method_finds_simulated_nuclei(name):
    report = scores(name, "nuclei", 1)
    assert report["sbd"] > 0.75
    assert np.abs(report["abs_dic"]) < 20
