"""`instseg finetune`: from a folder or a project, resumed, and the same as from Python."""

import json

import numpy as np
import pytest
import torch

from napari_instseg.io.models import read_spec, read_weights

FAST = ("--batch-size", 2, "--patch-size", 64, "--validate-every", 1, "--augmentation", "none", "--device", "cpu")


@pytest.fixture(scope="module")
def start(instseg, dots, tmp_path_factory):
    """A model that has hardly learnt anything."""
    folder = tmp_path_factory.mktemp("models") / "start"
    network = ("--width", 8, "--levels", 2, "--patch-size", 64)
    flags = (*network, "--steps", 3, "--batch-size", 2, "--device", "cpu")
    assert instseg("train", dots, "--method", "coloring", "--out", folder, *flags) == 0
    return folder


def test_a_folder_of_pairs_teaches(instseg, start, dots, tmp_path, capsys):
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune
    from napari_instseg.training.finetune_params import FinetuneParams

    out, report = tmp_path / "new", tmp_path / "report.json"
    assert instseg("finetune", start, dots, "--out", out, "--steps", 3, "--json", report, *FAST) == 0
    said = capsys.readouterr()
    assert "mean AP" in said.out
    assert "held-out objects" in said.err
    verdict = json.loads(report.read_text())
    assert verdict["after"]["objects"] == verdict["before"]["objects"] > 0
    assert read_spec(out).training["fine_tuning_steps"] in (1, 2, 3)
    # resumed for longer, it is what it would have been from the start; and the same as from Python
    assert instseg("finetune", start, "elsewhere", "--out", out, "--steps", 5, "--resume", *FAST) == 0
    assert "'elsewhere' and flags other than those of time and device are not read" in capsys.readouterr().err
    assert instseg("finetune", out, dots, "--out", out, "--steps", 6, "--resume", *FAST) == 1
    assert "started from the model" in capsys.readouterr().err
    params = FinetuneParams(batch_size=2, patch_size=64, validate_every=1, augmentation="none")
    list(finetune(start, open_examples(dots), tmp_path / "own", steps=5, params=params, device="cpu"))
    mine, own = read_weights(out), read_weights(tmp_path / "own")
    assert all(torch.equal(mine[name], own[name]) for name in own)


def test_the_images_that_a_project_names_are_remembered(instseg, start, dots, tmp_path, capsys):
    from napari_instseg.io import projects

    known = np.full((64, 64), -1, np.int32)
    known[8:24, 8:24], known[12:20, 12:20], known[40:56, 40:56], known[44:52, 44:52] = 0, 1, 0, 2
    image = np.where(known > 0, 200, 100).astype(np.uint8)
    folder = tmp_path / "project"
    projects.create_project(folder)
    ref = projects.copy_image(folder, "cells", image, "YX")
    projects.write_edits(folder, "cells", known, {})
    spec = projects.read_project(folder).model_copy(
        update={
            "examples": (projects.ExampleSpec(name="cells", image=ref),),
            "remembered": {str(start): projects.refer_to(folder, dots)},
        }
    )
    projects.write_project(folder, spec)
    assert instseg("finetune", start, folder, "--out", tmp_path / "new", "--steps", 1, *FAST) == 0
    assert "old kind" in capsys.readouterr().out
    assert instseg("finetune", start, folder, "--out", tmp_path / "b", "--remember", tmp_path, *FAST) == 1
    assert "There is no folder" in " ".join(capsys.readouterr().err.split())


def test_problems_in_words(instseg, start, dots, tmp_path, capsys):
    assert instseg("finetune", start, dots, "--out", tmp_path / "a", "--steps", 1, "--minutes", 1, *FAST) == 1
    assert "Both steps and minutes" in " ".join(capsys.readouterr().err.split())
    assert instseg("finetune", start, tmp_path, "--out", tmp_path / "a", "--steps", 1, *FAST) == 1
    assert "There is no folder" in " ".join(capsys.readouterr().err.split())
    assert instseg("finetune", start, dots, "--out", tmp_path / "a", "--resume", *FAST) == 1
    assert "no fine-tuning" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "project.json").write_text('{"format": 7}')
    assert instseg("finetune", start, tmp_path / "newer", "--out", tmp_path / "a", *FAST) == 1
    assert "layout 7" in " ".join(capsys.readouterr().err.split())
