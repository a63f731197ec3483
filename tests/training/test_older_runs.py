"""Runs that the program of commit fc4016f stopped go on; `tests/data_fc4016f/make.py` made them with it."""

import shutil
from pathlib import Path

import numpy as np
import tifffile

from napari_instseg.core.events import Metric
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.io.models import read_spec
from napari_instseg.training.checkpoints import load_values
from napari_instseg.training.finetune import finetune
from napari_instseg.training.replay import read_replay
from napari_instseg.training.train import train
from napari_instseg.training.trainer import read_recipe

from .conftest import drain

WRITTEN = Path(__file__).parents[1] / "data_fc4016f"


def steps(events):
    return [event.step for event in events if isinstance(event, Metric) and "loss" in event.values]


def test_a_training_goes_on(tmp_path):
    out = shutil.copytree(WRITTEN / "model", tmp_path / "model")
    image = tifffile.imread(WRITTEN / "project" / "squares.tif")
    labels = tifffile.imread(WRITTEN / "project" / "squares-labels.tif").astype(np.int32)
    pairs = [Pair("squares", lambda: Example(image, "YX", labels))]
    longer = read_recipe(out).changed({"training": {"steps": 4}})
    assert steps(train(longer, pairs, pairs, out, device="cpu", resume=True)) == [3, 4]
    assert load_values(out / "training" / "checkpoint.safetensors")["step"] == 4


def test_a_retraining_goes_on_and_its_replay_is_read(tmp_path):
    out = shutil.copytree(WRITTEN / "project" / "versions" / "model-v3", tmp_path / "model-v3")
    assert len(drain(read_replay(out))) == 4
    events = list(finetune("", [], out, steps=3, device="cpu", resume=True))
    assert steps(events) == [2, 3]
    assert events[-1].value.verdict.before
    assert read_spec(out).training["fine_tuned_from"].endswith("model")
