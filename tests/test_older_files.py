"""What the program of commit fc4016f wrote still opens: `data_fc4016f/make.py` made these files with it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_instseg.core.events import Result
from napari_instseg.inference.model import load_model
from napari_instseg.io.projects import project_pairs
from napari_instseg.methods import get_method
from napari_instseg.projects.project import Project
from napari_instseg.training.finetune import finetune
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.train import train
from napari_instseg.tuning.presets import Presets


@pytest.fixture
def written(tmp_path):
    """Return a copy of the folder that `make.py` wrote."""
    return shutil.copytree(Path(__file__).parent / "data_fc4016f", tmp_path / "written")


def twelve_squares():
    labels = np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate((y, x) for y in range(4, 60, 20) for x in range(2, 60, 15)):
        labels[y : y + 12, x : x + 10] = number + 1
    return labels


def _call(function):
    function()


def test_a_model_folder_segments(written):
    model = load_model(written / "model")
    assert (model.spec.method, model.spec.title, model.spec.decode["bandwidth"]) == ("discriminative", "Squares", 0.7)
    image = np.asarray(twelve_squares() > 0, np.uint8) * 150
    assert model.segment(image, device="cpu").labels.shape == (64, 64)


def test_a_training_goes_on(written):
    model = load_model(written / "model")
    pairs = project_pairs(written / "project")
    values = {
        "network": {"width": 4, "levels": 1, "blocks": 1},
        "training": {"steps": 3, "batch_size": 2, "patch_size": 32, "workers": 0, "validate_every": 2, "save_every": 2},
        "decode": {"bandwidth": 0.7},
    }
    about = {"title": model.spec.title, "intended_use": model.spec.intended_use}
    squares = [pairs[0][0]]
    recipe = Recipe.make("discriminative", values, (), about)
    *_, last = train(recipe, squares, squares, written / "model", device="cpu", resume=True)
    assert isinstance(last, Result)


def test_a_project_has_its_examples_corrections_and_versions(written):
    project = Project(written / "project", _call)
    try:
        assert [(e.name, e.diameter) for e in project.spec.examples] == [("squares", 11.0), ("edited", 10.0)]
        truth = twelve_squares()
        whole = project.corrections("squares")
        np.testing.assert_array_equal(whole.labels, truth)
        assert whole.complete.all()
        edited = project.corrections("edited")
        expected = truth.copy()
        expected[4:8, 2:12] = 0
        np.testing.assert_array_equal(edited.labels, expected)
        assert set(range(1, 8)) >= edited.accepted >= set(range(2, 8))
        assert edited.emptied[4:8, 2:12].all()
        for example in project.spec.examples:
            assert project.image(example.name).shape == (64, 64)
        assert [(v.name, v.state, v.after) for v in project.spec.versions] == [
            ("model-v2", "kept", {"mean_ap": 0.5}),
            ("model-v3", "to judge", {"mean_ap": 0.5}),
        ]
        assert load_model(project.model).spec.name == "model-v2"
    finally:
        project.close()
    again = Project(written / "project", _call)  # as the present version wrote it
    assert len(again.spec.examples) == len(again.spec.versions) == 2
    again.close()


def test_a_retraining_goes_on(written):
    out = written / "project" / "versions" / "model-v3"
    *_, last = finetune("", [], out, steps=2, device="cpu", resume=True)
    assert isinstance(last, Result)
    assert last.value.folder == out


def test_presets_are_read(written):
    decode = get_method("discriminative").decode
    found = Presets("discriminative-nuclei", written / "presets").read()
    assert {name: decode(**values).bandwidth for name, values in found.items()} == {"tight": 0.4, "wide": 1.2}
