"""Runs, recipes and curves of somebody else end in words; what lies in the way of a run is not deleted."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import load_file, save_file

from napari_instseg.core.errors import ParameterError, TrainingError
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.training.annotations import read_annotated
from napari_instseg.training.checkpoints import load
from napari_instseg.training.curves import History
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_run import read_run
from napari_instseg.training.recipe import Recipe

WRITTEN = Path(__file__).parents[1] / "data_fc4016f"
DEEP = "[" * 100_000


@pytest.fixture
def run(tmp_path):
    """Return a copy of a fine-tuning that was stopped."""
    return shutil.copytree(WRITTEN / "project" / "versions" / "model-v3", tmp_path / "run")


def told(run, **values):
    path = run / "training" / "finetune.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.mark.parametrize(
    "values",
    [
        {"start": 3},
        {"start": "a\x00b"},
        {"params": []},
        {"params": {"seed": -1}},
        {"objects": -3},
        {"objects": None},
        {"diameter": 1e300},
        {"diameter": 0},
        {"before": [1]},
        {"before": {"mean_ap": "high"}},
        {"other": 1},
    ],
)
def test_a_run_that_says_nonsense(run, values):
    told(run, **values)
    with pytest.raises(TrainingError, match=r"finetune\.json' is damaged .*; start anew"):
        read_run(run)


@pytest.mark.parametrize("text", ["", DEEP, "[]", "null", '{"start": "a"}', "\ud800".encode("utf-8", "surrogatepass")])
def test_a_run_that_says_nothing(run, text):
    (run / "training" / "finetune.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TrainingError, match="damaged"):
        list(finetune("", [], run, steps=1, device="cpu", resume=True))


def checkpoint(run, change):
    """Write a checkpoint with other tensors and another state."""
    path = run / "training" / "checkpoint.safetensors"
    tensors, state = load_file(path), dict(load(path).values)
    state = change(tensors, state)
    save_file(tensors, path, metadata={"state": state if isinstance(state, str) else json.dumps(state)})
    return path


@pytest.mark.parametrize("state", ["", "{", DEEP, "[]", "{}", '{"format": "a"}', '{"format": 1}', '{"format": 99}'])
def test_a_checkpoint_that_says_nonsense(run, state):
    checkpoint(run, lambda _tensors, _state: state)
    with pytest.raises(TrainingError, match="damaged|newer version"):
        list(finetune("", [], run, steps=2, device="cpu", resume=True))


@pytest.mark.parametrize("values", [{"step": -1}, {"step": None}, {"best": "a"}, {"spent": -1.0}, {"recipe": 3}])
def test_a_checkpoint_with_wrong_values(run, values):
    checkpoint(run, lambda _tensors, state: {"format": 1, **state, **values})
    with pytest.raises(TrainingError, match="damaged"):
        list(finetune("", [], run, steps=2, device="cpu", resume=True))


def test_a_checkpoint_of_another_optimiser(run):
    def change(tensors, state):
        for name in [name for name in tensors if name.startswith("optimizer/") and tensors[name].ndim]:
            tensors[name] = torch.zeros(3, 5)
        return {"format": 1, **state}

    checkpoint(run, change)
    with pytest.raises(TrainingError, match="does not fit this network or optimiser"):
        list(finetune("", [], run, steps=2, device="cpu", resume=True))


IMAGE, KNOWN = np.zeros((1, 8, 8), np.uint8), np.ones((8, 8), np.int32)
GOOD = {"image": IMAGE, "learn": KNOWN, "judge": KNOWN - 2, "name": np.array("a")}


@pytest.mark.parametrize(
    "arrays",
    [
        {"learn": KNOWN[:4]},
        {"learn": KNOWN * 1.0},
        {"learn": KNOWN - 9},
        {"image": IMAGE[0]},
        {"image": np.full((1, 8, 8), np.nan)},
        {"image": IMAGE[:0]},
        {"image": np.zeros((1, 8, 8), [("a", "i4")])},
        {"diameter": np.array(1e300)},
        {"diameter": np.array("a")},
        {"name": np.array(3)},
        {"class_of": np.array([0], np.int64)},
        {"classes": KNOWN[None]},
        {"other": KNOWN},
    ],
)
def test_stored_examples_that_are_wrong(tmp_path, arrays):
    np.savez(tmp_path / "0000.npz", **GOOD)
    assert [one.name for one in read_annotated(tmp_path)] == ["a"]
    np.savez(tmp_path / "0000.npz", **{**GOOD, **arrays})
    with pytest.raises(TrainingError, match=r"0000\.npz' is damaged"):
        read_annotated(tmp_path)


@pytest.mark.parametrize("text", ["step,loss\n1,a\n", "loss\n1\n", "", "step,loss\nx,1\n"])
def test_curves_that_are_wrong(tmp_path, text):
    (tmp_path / "history.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match="cannot be read"):
        History.read(tmp_path)


@pytest.mark.parametrize("values", [{}, [], None, 3, {"method": "coloring"}, {"method": 3, "parameters": []}])
def test_what_is_no_recipe(values):
    with pytest.raises(TrainingError, match="This is no recipe"):
        Recipe.from_dict(values)


@pytest.mark.parametrize(
    "values", [{"training": {"seed": -1}}, {"training": {"sede": 1}}, {"trainings": {}}, {"network": {"width": 1e300}}]
)
def test_a_recipe_with_wrong_values(values):
    with pytest.raises(ParameterError):
        Recipe.make("coloring", values)


def test_what_lies_in_the_way_of_a_run_is_not_deleted(tmp_path):
    labels = np.kron(np.arange(1, 10, dtype=np.int32).reshape(3, 3), np.pad(np.ones((8, 8), np.int32), 4))
    pairs = [(Pair("a", lambda: Example((labels > 0).astype(np.uint8) * 150, "YX", labels)), None)]
    images = tmp_path / "out" / "training" / "images"  # as a folder of images may be named
    images.mkdir(parents=True)
    tifffile.imwrite(images / "cells.tif", labels)
    before = (images / "cells.tif").read_bytes()
    with pytest.raises(TrainingError, match=r"holds something else, '.*cells\.tif'.*nothing was changed"):
        list(finetune(str(WRITTEN / "model"), pairs, tmp_path / "out", steps=0, device="cpu"))
    assert (images / "cells.tif").read_bytes() == before


def test_what_a_killed_start_has_left_is_cleared(tmp_path):
    labels = np.kron(np.arange(1, 10, dtype=np.int32).reshape(3, 3), np.pad(np.ones((8, 8), np.int32), 4))
    pairs = [(Pair("a", lambda: Example((labels > 0).astype(np.uint8) * 150, "YX", labels)), None)]
    place = tmp_path / "out" / "training"
    shutil.copytree(WRITTEN / "model", place / "start", ignore=shutil.ignore_patterns("training", "memory"))
    (place / "material").mkdir()
    (place / "material" / "0007.npz").write_bytes(b"cut off")
    (place / "material" / f".{'0f' * 16}.npz").write_bytes(b"")
    list(finetune(str(WRITTEN / "model"), pairs, tmp_path / "out", steps=0, device="cpu"))
    assert not (place / "material" / "0007.npz").exists()
    assert read_run(tmp_path / "out")["start"] == str(WRITTEN / "model")
