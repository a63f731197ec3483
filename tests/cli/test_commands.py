"""Each command as a user meets it: files, numbers, exit codes, words."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from skimage.color import rgb_from_hed

from napari_instseg.data.samples import load_sample
from napari_instseg.data.stains import FAINTEST
from napari_instseg.io.labels import read_labels
from napari_instseg.io.models import read_spec


def test_help_is_quick_because_torch_and_numba_wait():
    code = (
        "import sys; from napari_instseg.cli.app import build_app; build_app(['--help']);"
        "print([name for name in ('torch', 'numba', 'scipy', 'pandas', 'skimage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_simulated_folders_hold_exact_truth(dots):
    images = sorted(path.name for path in (dots / "images").iterdir())
    assert images == [f"dots-3-{number:04d}.tif" for number in range(4)]
    image, labels = (tifffile.imread(dots / kind / images[0]) for kind in ("images", "labels"))
    assert image.shape == labels.shape == (64, 64)
    assert labels.max() > 3
    assert image[labels > 0].mean() != pytest.approx(image[labels == 0].mean(), rel=0.2)


def test_simulated_classes_can_be_learnt(instseg, tmp_path, quick):
    folder = tmp_path / "bacteria"
    assert instseg("simulate", "bacteria", "--out", folder, "--n", 2, "--height", 96, "--width", 96, "--count", 12) == 0
    assert instseg("train", folder, "--method", "coloring", "--out", tmp_path / "model", *quick) == 0
    assert read_spec(tmp_path / "model").classes == ("class 1", "class 2")


def test_images_of_others_are_not_mixed_with_simulated_ones(instseg, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "mine.tif").write_bytes(b"")
    assert instseg("simulate", "dots", "--out", tmp_path, "--n", 1) == 1
    assert "mine.tif" in capsys.readouterr().err


def test_segmenting_a_folder_writes_labels_overlays_and_tables(instseg, model, dots, tmp_path, capsys):
    out = tmp_path / "ergebnisse é"
    assert instseg("segment", dots, "--model", model, "--out", out, "--json", tmp_path / "s.json") == 0
    report = json.loads((tmp_path / "s.json").read_text())
    assert len(report["images"]) == 4
    for row in report["images"]:
        labels, truth = (read_labels(folder / "labels" / f"{row['name']}.tif") for folder in (out, dots))
        lines = (out / "tables" / f"{row['name']}.csv").read_text().splitlines()
        assert labels.shape == truth.shape
        assert labels.max() == row["objects"] == len(lines) - 1
        assert abs(int(labels.max()) - int(truth.max())) <= 2
        assert (out / "overlays" / f"{row['name']}.png").stat().st_size > 0
    assert "4 images segmented" in capsys.readouterr().err


def test_decode_flags_of_the_model_change_the_result(instseg, model, dots, tmp_path):
    image = dots / "images" / "dots-3-0000.tif"
    assert instseg("segment", image, f"--model={model}", "--out", tmp_path, "--min-size", 5000) == 0
    assert read_labels(tmp_path / "labels" / "dots-3-0000.tif").max() == 0
    record = json.loads((tmp_path / "segment.json").read_text())
    assert record["decode"]["min_size"] == 5000


def test_help_with_a_model_lists_its_decode_flags(instseg, model, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert instseg("segment", "--help", "--model", model) == 0
    assert "--min-size" in capsys.readouterr().out
    assert instseg("segment", "--help") == 0
    assert "--min-size" not in capsys.readouterr().out
    assert instseg("train", "--help", "--method", "discriminative") == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in ("--delta-d", "--steps", "--width", "--rotation", "--bandwidth"))


def test_one_bad_file_does_not_stop_the_others(instseg, model, gradient, tmp_path, capsys):
    (tmp_path / "truncated.png").write_bytes(b"\x89PNG\r\n\x1a\n123")
    tifffile.imwrite(tmp_path / "constant.tif", np.full((64, 64), 7, np.uint8))
    bad = (tmp_path / "truncated.png", tmp_path / "missing.tif", tmp_path / "constant.tif")
    out = tmp_path / "out"
    assert instseg("segment", *bad, gradient, "--model", model, "--out", out, "--json", tmp_path / "s.json") == 1
    words = capsys.readouterr().err
    assert "3 of 4 images failed" in words
    assert all(f"Error in {name}" in words for name in ("truncated", "missing", "constant"))
    assert "Traceback" not in words
    assert [path.name for path in (out / "labels").iterdir()] == ["gradient.tif"]
    report = json.loads((tmp_path / "s.json").read_text())
    assert sorted(report["failed"]) == ["constant", "missing", "truncated"]


def test_a_defect_in_one_file_does_not_stop_the_others(instseg, model, gradient, tmp_path, capsys, monkeypatch):
    def broken(image, stain):
        raise ZeroDivisionError("by a pixel")

    monkeypatch.setattr("napari_instseg.data.stains.unmix", broken)
    tifffile.imwrite(tmp_path / "rgb.tif", np.eye(64, dtype=np.uint8)[..., None].repeat(3, -1), photometric="rgb")
    command = ("segment", tmp_path / "rgb.tif", gradient, "--model", model, "--out", tmp_path / "out")
    assert instseg(*command, "--stain", "haematoxylin") == 1
    words = capsys.readouterr().err
    assert "Error in rgb: An unexpected ZeroDivisionError (by a pixel)" in words
    assert "Error in gradient: The image has the axes YX" in words
    assert "2 of 2 images failed" in words


def test_ctrl_c_in_a_file_stops_the_run(instseg, model, dots, tmp_path, capsys, monkeypatch):
    from napari_instseg.io import images

    def pressed(path, axes=None):
        signal.raise_signal(signal.SIGINT)
        return true_read(path, axes)

    true_read = images.read_image
    monkeypatch.setattr(images, "read_image", pressed)
    assert instseg("segment", dots, "--model", model, "--out", tmp_path / "out") == 130
    assert "0 of 4 images are done" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="names may be longer there")
def test_a_name_that_is_too_long_is_said(instseg, model, gradient, tmp_path, capsys):
    long = "a" * 300
    assert instseg("segment", f"{long}.tif", gradient, "--model", model, "--out", tmp_path / "out") == 1
    assert (tmp_path / "out" / "labels" / "gradient.tif").exists()
    for command in (("evaluate", long, "."), ("train", long, "--method", "coloring", "--out", tmp_path / "m")):
        assert instseg(*command) == 1
    words = capsys.readouterr().err
    assert "defect" not in words
    assert words.count("name too long") == 2


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right there")
def test_a_link_to_nowhere_is_reported(instseg, model, gradient, tmp_path, capsys):
    (gradient.parent / "lost.tif").symlink_to("nowhere.tif")
    try:
        assert instseg("segment", gradient.parent, "--model", model, "--out", tmp_path / "out") == 1
    finally:
        (gradient.parent / "lost.tif").unlink()
    assert "a link to 'nowhere.tif'" in capsys.readouterr().err


def test_tables_of_stacks_name_their_axes(instseg, model, dots, tmp_path):
    image = tifffile.imread(dots / "images" / "dots-3-0000.tif")
    stack = np.stack([np.stack([image, np.roll(image, 8, 0)]), np.stack([image, np.roll(image, 5, 1)])])
    tifffile.imwrite(
        tmp_path / "tzyx.ome.tif", stack, metadata={"axes": "TZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    )
    tifffile.imwrite(tmp_path / "tyx.ome.tif", stack[0], metadata={"axes": "TYX"})
    files = (tmp_path / "tzyx.ome.tif", tmp_path / "tyx.ome.tif", dots / "images" / "dots-3-0001.tif")
    assert instseg("segment", *files, "--model", model, "--out", tmp_path / "out") == 0
    tables = {name: pd.read_csv(tmp_path / "out" / "tables" / f"{name}.csv") for name in ("tzyx", "tyx")}
    labels = read_labels(tmp_path / "out" / "labels" / "tzyx.tif")
    for row, region in zip(tables["tzyx"].itertuples(), ids_of(labels), strict=True):
        where = np.nonzero(labels == region)
        assert row.area == len(where[0])
        assert row.area_um2 == pytest.approx(row.area / 4)
        for letter, at in zip("tzyx", where, strict=True):
            assert getattr(row, f"centroid_{letter}") == pytest.approx(at.mean(), rel=1e-5)
            assert (getattr(row, f"{letter}_min"), getattr(row, f"{letter}_max")) == (at.min(), at.max() + 1)
    assert {"centroid_t", "t_min", "t_max"} <= set(tables["tyx"])
    assert not [column for column in tables["tyx"] if "z" in column or "um" in column]


def ids_of(labels):
    return [int(value) for value in np.unique(labels) if value]


def test_axes_are_those_of_the_file_as_stored(instseg, model, dots, tmp_path, capsys):
    image = tifffile.imread(dots / "images" / "dots-3-0000.tif")
    np.save(tmp_path / "five.npy", np.broadcast_to(image, (2, 2, 1, 64, 64)))
    np.save(tmp_path / "one.npy", np.broadcast_to(image, (1, 3, 64, 64)))
    options = ("--model", model, "--out", tmp_path / "out", "--axes")
    assert instseg("segment", tmp_path / "five.npy", *options, "TZCYX") == 0
    assert instseg("segment", tmp_path / "one.npy", *options, "ctyx") == 0
    shapes = [read_labels(tmp_path / "out" / "labels" / f"{name}.tif").shape for name in ("five", "one")]
    assert shapes == [(2, 2, 64, 64), (3, 64, 64)]
    assert "centroid_t" in (tmp_path / "out" / "tables" / "one.csv").read_text()
    assert instseg("segment", tmp_path / "one.npy", *options, "TZCYX") == 1
    assert "name 5 dimensions, the array has 4" in capsys.readouterr().err


def test_corrected_labels_are_kept_unless_told_otherwise(instseg, model, gradient, tmp_path, capsys):
    command = ("segment", gradient, "--model", model, "--out", tmp_path / "out")
    assert instseg(*command) == 0
    assert instseg(*command) == 0
    assert "earlier run replaced for 1" in capsys.readouterr().err
    path = tmp_path / "out" / "labels" / "gradient.tif"
    tifffile.imwrite(path, np.full((64, 64), 9, np.uint16))
    assert instseg(*command) == 1
    assert tifffile.imread(path).min() == 9
    assert instseg(*command, "--overwrite") == 0
    assert tifffile.imread(path).min() == 0


def test_results_of_a_killed_run_are_replaced_and_those_of_another_image_are_not(
    instseg, model, gradient, tmp_path, capsys
):
    out = tmp_path / "out"
    assert instseg("segment", gradient, "--model", model, "--out", out) == 0
    (out / "segment.json").unlink()  # which is written last
    assert instseg("segment", gradient, "--model", model, "--out", out) == 0
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / gradient.name
    tifffile.imwrite(other, tifffile.imread(gradient)[::-1])
    capsys.readouterr()
    assert instseg("segment", other, "--model", model, "--out", out) == 1
    assert f"'{gradient.resolve()}'" in capsys.readouterr().err
    assert instseg("segment", other, "--model", model, "--out", out, "--overwrite") == 0


def test_two_images_of_one_name_are_refused(instseg, model, gradient, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    twin = gradient.rename(tmp_path / "other" / "gradient.tif")
    tifffile.imwrite(gradient, tifffile.imread(twin))
    assert instseg("segment", gradient, twin, "--model", model, "--out", tmp_path / "out") == 1
    assert "same name" in capsys.readouterr().err


def test_stacks_and_channels_are_chosen_by_flags(instseg, model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "stack.tif", rng.integers(0, 255, (3, 2, 64, 64)).astype(np.uint8))
    options = ("--model", model, "--out", tmp_path / "out", "--axes", "tcyx")
    assert instseg("segment", tmp_path / "stack.tif", *options, "--channel", 1) == 0
    assert read_labels(tmp_path / "out" / "labels" / "stack.tif").shape == (3, 64, 64)
    assert instseg("segment", tmp_path / "stack.tif", *options, "--channel", 2) == 1
    assert "2 channels, 0 to 1" in capsys.readouterr().err


def test_a_stain_is_looked_at_in_the_place_of_the_colours(instseg, model, dots, gradient, tmp_path, capsys):
    grey = dots / "images" / "dots-3-0000.tif"
    amount = tifffile.imread(grey).astype(float)
    colors = FAINTEST ** (0.3 * amount[..., None] / amount.max() * rgb_from_hed[0])
    tifffile.imwrite(tmp_path / "tissue.tif", np.round(255 * colors).astype(np.uint8), photometric="rgb")
    options = ("--model", model, "--out", tmp_path / "out")
    assert instseg("segment", tmp_path / "tissue.tif", *options, "--stain", "haematoxylin") == 0
    assert instseg("segment", grey, *options) == 0
    found, expected = (read_labels(tmp_path / "out" / "labels" / f"{name}.tif") for name in ("tissue", "dots-3-0000"))
    assert expected.max() > 3
    assert ((found > 0) == (expected > 0)).mean() > 0.95
    with Image.open(tmp_path / "out" / "overlays" / "tissue.png") as overlay:
        drawn = np.asarray(overlay)[..., :3].astype(int)
    outside = np.kron(expected == 0, np.ones(np.array(drawn.shape[:2]) // expected.shape, bool))
    assert np.ptp(drawn[outside], axis=-1).mean() > 20  # the colours, not the stain
    assert instseg("segment", gradient, *options, "--stain", "haematoxylin") == 1
    assert "Leave --stain out" in capsys.readouterr().err


def test_evaluation_scores_each_image_and_all(instseg, model, dots, tmp_path, capsys):
    (dots / "some.txt").write_text("dots-3-0001\ndots-3-0002\n")
    assert instseg("evaluate", model, dots, "--json", tmp_path / "all.json") == 0
    report = json.loads((tmp_path / "all.json").read_text())
    assert list(report["ap"]) == ["0.5", "0.6", "0.7", "0.8", "0.9"]
    assert report["ap"]["0.5"] > 0.8
    assert report["mean_ap"] == pytest.approx(np.mean(list(report["ap"].values())))
    assert {"pq", "f1", "sbd", "fbd", "abs_dic", "images", "seconds_per_image"} <= report.keys()
    assert [image["image"] for image in report["images"]] == [f"dots-3-{number:04d}" for number in range(4)]
    assert report["seconds_per_image"] == pytest.approx(np.mean([image["seconds"] for image in report["images"]]))
    assert "AP 0.5" in capsys.readouterr().out
    assert instseg("evaluate", "--json", "-", "--only", dots / "some.txt", model, dots, "--min-size", 5000) == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert "AP 0.5" in shown.err
    assert len(report["images"]) == 2
    assert report["ap"]["0.5"] == 0
    (dots / "bad.txt").write_text("dots-3-0001.tif\n")
    assert instseg("evaluate", "--only", dots / "bad.txt", model, dots) == 1
    words = capsys.readouterr().err
    assert "bad.txt': There is no image named 'dots-3-0001.tif'; expected names without suffix" in words


def test_json_of_a_segmentation_can_be_piped(instseg, model, gradient, tmp_path, capsys):
    assert instseg("segment", gradient, "--model", model, "--out", tmp_path, "--json", "-") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["images"][0]["name"] == "gradient"
    assert "objects" in shown.err


def test_masks_and_empty_labels_are_doubted(instseg, model, dots, tmp_path, quick, capsys):
    for kind, make in (("masks", lambda labels: labels > 0), ("empty", np.zeros_like)):
        shutil.copytree(dots / "images", tmp_path / kind / "images")
        for path in (dots / "labels").iterdir():
            (tmp_path / kind / "labels").mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / kind / "labels" / path.name, make(tifffile.imread(path)).astype(np.uint8))
    assert instseg("evaluate", model, tmp_path / "masks", "--json", tmp_path / "m.json") == 0
    assert "4 of 4 label images have only the id 1" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "m.json").read_text())["warnings"]) == 1
    assert instseg("evaluate", model, tmp_path / "empty") == 0
    assert "No label image has an object" in capsys.readouterr().err
    assert instseg("evaluate", model, dots, "--json", tmp_path / "ok.json") == 0
    assert json.loads((tmp_path / "ok.json").read_text())["warnings"] == []
    assert instseg("train", tmp_path / "masks", "--method", "coloring", "--out", tmp_path / "m", *quick) == 0
    assert "label images have only the id 1" in capsys.readouterr().err


def test_models_and_methods_tell_all_as_json(instseg, third_method, tmp_path, capsys):
    assert instseg("methods", "--json", tmp_path / "methods.json") == 0
    methods = json.loads((tmp_path / "methods.json").read_text())
    assert {"coloring", "discriminative", third_method} <= methods.keys()
    bandwidth = next(p for p in methods["discriminative"]["decode"] if p["name"] == "bandwidth")
    assert bandwidth["minimum"] < bandwidth["default"] < bandwidth["maximum"]
    assert "Third method" in capsys.readouterr().out
    assert instseg("models", "--json", tmp_path / "models.json") == 0
    assert isinstance(json.loads((tmp_path / "models.json").read_text()), dict)


def test_a_third_method_is_trained_and_tuned_by_its_own_flags(instseg, third_method, dots, tmp_path, quick):
    out = tmp_path / "model"
    assert instseg("train", dots, "--method", third_method, "--out", out, *quick, "--level", 0.25) == 0
    assert read_spec(out).decode["level"] == 0.25
    assert instseg("segment", dots, "--model", out, "--out", tmp_path / "out", "--level", 0.0) == 0


def test_a_resumed_training_keeps_its_method_and_an_unfinished_one_is_named(instseg, dots, quick, tmp_path, capsys):
    out = tmp_path / "model"
    command = ("train", dots, "--out", out)
    assert instseg(*command, "--method", "coloring", *quick) == 0
    assert instseg(*command, "--method", "discriminative", "--resume") == 1
    assert "has the method 'coloring', not 'discriminative'" in capsys.readouterr().err
    assert instseg(*command, "--method", "coloring", "--resume", "--steps", 1) == 1
    assert "has learnt 3 steps already" in capsys.readouterr().err
    assert instseg(*command, "--held-out", 0.5, "--resume", "--steps", 4) == 1
    assert "are not the 3 that the run" in capsys.readouterr().err
    (out / "model.json").unlink()  # as before the first validation
    assert instseg("segment", dots, "--model", out, "--out", tmp_path / "out") == 1
    words = capsys.readouterr().err
    assert "stopped before its first validation" in words
    assert "--resume" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("segment", "a.tif", "--model", "no-such-model", "--out", "out"), "No model 'no-such-model'"),
        (("evaluate", "no-such-model", "."), "No model 'no-such-model'"),
        (("train", ".", "--out", "m", "--method", "no-such"), "Unknown method 'no-such'"),
        (("train", ".", "--out", "m"), "--method NAME"),
        (("train", ".", "--out", "m", "--resume"), "nothing to resume"),
        (("train", ".", "--out", "m", "--method", "coloring"), "images"),
    ],
)
def test_errors_are_words_and_exit_code_one(instseg, arguments, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert instseg(*arguments) == 1
    shown = capsys.readouterr().err
    assert "Error:" in shown
    assert words in shown
    assert "Traceback" not in shown


def test_results_of_others_in_a_folder_are_left_out_and_what_is_not_read_is_named(
    instseg, model, dots, tmp_path, capsys
):
    folder = tmp_path / "in"
    folder.mkdir()
    image = tifffile.imread(dots / "images" / "dots-3-0000.tif")
    for name in ("a.tif", "b.lsm", "c.btf", "a_cp_masks.tif", "d.czi"):
        tifffile.imwrite(tmp_path / "x.tif", image)
        shutil.move(tmp_path / "x.tif", folder / name)
    assert instseg("segment", folder, "--model", model, "--out", folder) == 0
    words = capsys.readouterr().err
    assert "as results of Cellpose: 'a_cp_masks.tif'" in words
    assert "by their suffixes: 'd.czi'" in words
    assert sorted(path.name for path in (folder / "labels").iterdir()) == ["a.tif", "b.tif", "c.tif"]
    assert "a: YX 64 x 64 uint8; no scale" in words
    record = json.loads((folder / "segment.json").read_text())["images"]["b"]["read"]
    assert (record["axes"], record["shape"], record["scale"]) == ("YX", [64, 64], {})
    assert instseg("segment", folder / "labels", "--model", model, "--out", tmp_path / "again") == 1
    assert "has no images" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no such pipes there")
def test_a_pipe_is_refused_and_not_waited_for(instseg, model, dots, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "a.tif")
    shutil.copy(dots / "images" / "dots-3-0000.tif", folder / "b.tif")
    assert instseg("segment", folder, "--model", model, "--out", tmp_path / "out") == 1
    assert "is a pipe, a socket or a device" in capsys.readouterr().err
    assert (tmp_path / "out" / "labels" / "b.tif").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_name_that_is_not_utf_8(instseg, model, dots, tmp_path, capsys):
    name = os.fsdecode(b"cells_10\xb5m.tif")
    shutil.copy(dots / "images" / "dots-3-0000.tif", tmp_path / name)
    out = tmp_path / "out"
    assert instseg("segment", tmp_path / name, "--model", model, "--out", out, "--json", tmp_path / "s.json") == 0
    assert (out / "labels" / name).exists()
    assert instseg("segment", tmp_path / name, "--model", model, "--out", out) == 0
    assert "earlier run replaced for 1" in capsys.readouterr().err


def test_the_package_is_a_command_too():
    for module in ("napari_instseg", "napari_instseg.cli.main"):
        done = subprocess.run([sys.executable, "-m", module, "methods"], capture_output=True, text=True, check=True)
        assert "discriminative" in done.stdout


def test_an_unusual_image_is_said_to_be_and_its_objects_are_found(instseg, model, dots, tmp_path, capsys):
    image = tifffile.imread(dots / "images" / "dots-3-0000.tif")
    plain = np.pad(image, ((0, 30), (0, 0)), mode="reflect").astype(np.uint16)
    spoilt = plain.copy()
    spoilt[70:] = 65535
    for name, array in (("plain", plain), ("spoilt", spoilt)):
        tifffile.imwrite(tmp_path / f"{name}.tif", array)
    files = (tmp_path / "plain.tif", tmp_path / "spoilt.tif")
    assert instseg("segment", *files, "--model", model, "--out", tmp_path / "out") == 0
    assert "The image is unusual" in capsys.readouterr().err
    found = [read_labels(tmp_path / "out" / "labels" / f"{name}.tif")[:64] > 0 for name in ("plain", "spoilt")]
    assert (found[0] & found[1]).sum() > 0.95 * (found[0] | found[1]).sum()
    record = json.loads((tmp_path / "out" / "segment.json").read_text())
    assert "unusual" in record["images"]["spoilt"]["told"][0]
    assert record["images"]["plain"]["told"] == []
    assert record["normalization"]["high"] == 99.8


def test_percentiles_can_be_chosen(instseg, model, dots, tmp_path, capsys):
    image = dots / "images" / "dots-3-0000.tif"
    command = ("segment", image, "--model", model, "--out", tmp_path, "--percentiles")
    assert instseg(*command, 2, 90) == 0
    record = json.loads((tmp_path / "segment.json").read_text())["normalization"]
    assert (record["low"], record["high"]) == (2, 90)
    assert instseg(*command, 2, 200) == 1
    assert "200" in capsys.readouterr().err


def test_accurate_tells_its_price_and_is_repeated(instseg, tmp_path, capsys):
    image, _, _ = load_sample("nuclei")
    tifffile.imwrite(tmp_path / "nuclei.tif", image[:96, :96])
    run = ("segment", tmp_path / "nuclei.tif", "--model", "discriminative-nuclei", "--accurate")
    assert instseg(*run, "--out", tmp_path / "out") == 0
    words = capsys.readouterr()
    assert "looked at it 4 times" in " ".join((words.out + words.err).split())
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["images"]["nuclei"]["accurate"]
    assert instseg("replay", tmp_path / "out" / "recipe.json") == 0
    assert instseg(*run[:3], "coloring-nuclei", "--accurate", "--out", tmp_path / "other") == 1
    assert "cannot average over views" in " ".join(capsys.readouterr().err.split())


def test_with_nothing_said_the_kind_the_model_and_the_size_are_found(instseg, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for sample in ("nuclei", "rosette-young"):
        image, _, _ = load_sample(sample)
        tifffile.imwrite(folder / f"{sample}.tif", image[:128, :128], photometric=None if image.ndim == 2 else "rgb")
    assert instseg("segment", folder, "--out", tmp_path / "out", "--json", tmp_path / "s.json") == 0
    nuclei, leaves = json.loads((tmp_path / "s.json").read_text())["images"]
    assert (nuclei["model"], leaves["model"]) == ("discriminative-any-size", "discriminative-leaves")
    assert nuclei["objects"] > 3
    assert 10 < nuclei["diameter"] < 60
    words = capsys.readouterr()
    assert "found by itself" in words.out + words.err
    assert "nuclei in fluorescence: discriminative-any-size" in " ".join((words.out + words.err).split())


def test_a_model_whose_objects_overlap_writes_them_whole(instseg, tmp_path):
    """Overlapping nuclei to COCO JSON, and from there to a stack of masks."""
    from napari_instseg.inference.model import load_model

    folder, out = tmp_path / "nuclei", tmp_path / "out"
    size = ("--height", 96, "--width", 96, "--count", 6)
    assert instseg("simulate", "nuclei", "--out", folder, "--n", 1, *size) == 0
    (image,) = (folder / "images").iterdir()
    flags = ("--min-score", 0.05, "--max-overlap", 1, "--diameter", "model", "--device", "cpu")
    assert instseg("segment", image, "--model", "semiconv_rcnn-nuclei", "--out", out, *flags) == 0
    decode = {"min_score": 0.05, "max_overlap": 1.0}
    found = load_model("semiconv_rcnn-nuclei").segment(tifffile.imread(image), device="cpu", **decode)
    assert len(found.covered), "nothing overlaps"
    coco = out / "masks" / f"{image.stem}.json"
    areas = {about["label"]: about["area"] for about in json.loads(coco.read_text())["annotations"]}
    assert areas == dict(enumerate(found.masks.sum((1, 2)).tolist(), start=1))
    assert instseg("export", coco, "--image", image, "--format", "masks", "--out", tmp_path) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / f"{image.stem}_masks.tif") > 0, found.masks)
    np.testing.assert_array_equal(read_labels(out / "labels" / f"{image.stem}.tif"), found.labels)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the TIFF is closed by the collector only
@pytest.mark.parametrize("kept", [{"tile": (128, 128)}, {}, {"byteorder": ">"}], ids=["tiles", "plain", "big-endian"])
def test_a_grey_image_that_is_read_in_blocks_is_segmented_with_nothing_said(instseg, tmp_path, capsys, kept):
    image, _, _ = load_sample("nuclei")
    tifffile.imwrite(tmp_path / "a.tif", np.asarray(image, np.uint16), **kept)
    out = tmp_path / "out"
    assert instseg("segment", tmp_path / "a.tif", "--format", "ome-zarr", "--out", out) == 0
    assert (out / "a.zarr" / "labels" / "discriminative-any-size").is_dir()
    words = capsys.readouterr()
    assert "taken for nuclei in fluorescence" in " ".join((words.out + words.err).split())
