"""`instseg demo` and `instseg benchmark predict`, with a small model in the place of the shipped ones."""

import json
import shutil

import pytest

from napari_instseg import zoo
from napari_instseg.data.samples import SAMPLES
from napari_instseg.io.labels import read_labels, write_labels


@pytest.fixture
def shipped(model, tmp_path, monkeypatch):
    """Two models that pass for shipped ones."""
    folder = tmp_path / "zoo"
    for name in ("discriminative-nuclei", "other-worms"):
        shutil.copytree(model, folder / name)
    monkeypatch.setattr(zoo, "FOLDER", folder)
    return folder


def test_the_demo_segments_every_sample_that_a_model_was_made_for(instseg, shipped, tmp_path, capsys):
    out = tmp_path / "demo_output"
    assert instseg("demo", "--out", out, "--json", tmp_path / "demo.json", "--device", "cpu") == 0
    rows = json.loads((tmp_path / "demo.json").read_text())
    assert [row["image"] for row in rows] == [
        name for name, sample in SAMPLES.items() if sample.model and sample.model.endswith("-nuclei")
    ]
    assert {"nuclei", "ihc", "coins"} <= {row["image"] for row in rows}
    assert {row["model"] for row in rows} == {"discriminative-nuclei"}
    for row in rows:
        for kind, suffix in (("labels", "tif"), ("overlays", "png"), ("tables", "csv")):
            assert (out / kind / f"{row['image']}_discriminative-nuclei.{suffix}").stat().st_size > 0
    shown = capsys.readouterr()
    assert "Stained colon tissue" in shown.out
    assert "napari" in shown.err.splitlines()[-1]
    assert instseg("demo", "--out", out, "--device", "cpu") == 0
    path = out / "labels" / "nuclei_discriminative-nuclei.tif"
    corrected = read_labels(path)
    corrected[0, 0] = 7
    write_labels(path, corrected)
    assert instseg("demo", "--out", out, "--device", "cpu") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "changed by hand" in told
    assert "--overwrite" not in told
    assert read_labels(path)[0, 0] == 7


def test_the_demo_without_models_is_an_error(instseg, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "nothing")
    assert instseg("demo", "--out", tmp_path / "out") == 1
    assert "No model is shipped" in capsys.readouterr().err


def test_the_benchmark_measures_beside_a_baseline(instseg, model, tmp_path, capsys):
    small = ("--size", 128, "--objects", 8, "--repeat", 1, "--memory-size", 256)
    assert instseg("benchmark", "predict", "--model", model, *small, "--json", tmp_path / "b.json") == 0
    report = json.loads((tmp_path / "b.json").read_text())
    baseline, own = report["timings"][:2]
    assert "watershed" in baseline["name"]
    assert 4 <= baseline["objects"] <= 16
    assert own["total"] == pytest.approx(own["network"] + own["decoding"])
    assert own["network"] > 0
    assert 0.1 < report["memory"][0]["gibibytes"] < 8
    assert "(recorded)" in capsys.readouterr().out


def test_decoding_is_measured_cold_and_after_each_change(instseg, tmp_path, capsys):
    small = ("--size", 64, "--objects", 1024, "--changes", 2, "--no-baselines")
    assert instseg("benchmark", "decode", *small, "--only", "coloring", "--json", tmp_path / "d.json") == 0
    rows = json.loads((tmp_path / "d.json").read_text())
    assert {row["subject"] for row in rows} == {"coloring"}
    assert {"cold", "min_size"} <= {row["what"] for row in rows}
    assert all(0 < row["median"] <= row["p95"] for row in rows)
    assert "95 % ms" in capsys.readouterr().out
    assert instseg("benchmark", "decode", *small, "--only", "tea-leaves") == 1
    assert "tea-leaves" in capsys.readouterr().err


def test_a_benchmark_that_fails_says_why(instseg, tmp_path, capsys):
    assert instseg("benchmark", "predict", "--model", tmp_path, "--size", 64, "--objects", 2) == 1
    assert "model.json" in capsys.readouterr().err


def test_what_images_of_any_size_cost_is_measured(instseg, tmp_path, capsys):
    options = ("--sides", 256, "--folder", tmp_path / "slides", "--json", tmp_path / "scale.json")
    assert instseg("benchmark", "scale", *options, "--only", "sides", "--only", "faces") == 0
    told = json.loads((tmp_path / "scale.json").read_text())
    (row,) = told["rows"]
    assert row["seen_per_pixel"] == pytest.approx(1)
    assert row["objects"] > 5
    assert 0 < row["gibibytes"] < 4
    assert {one["ours_per_1000"] for one in told["faces"]} == {0}
    assert all(one["by_faces_per_1000"] > 0 for one in told["faces"])
    assert "seen per pixel" in capsys.readouterr().out
    assert instseg("benchmark", "scale", "--only", "tea-leaves") == 1
    assert "tea-leaves" in capsys.readouterr().err
