"""`instseg audit`: draw, look, fill in, estimate."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from napari_instseg.io.labels import read_labels, write_labels


@pytest.fixture
def drawn(instseg, dots, tmp_path):
    out = tmp_path / "to judge é"
    assert instseg("audit", "draw", dots / "images", dots / "labels", "--out", out, "--objects", 12, "--places", 4) == 0
    return out


def fill_in(folder, words, separator=","):
    """Judge the rows of the table by ``words(row)``, and write it in reverse, as a spreadsheet may."""
    with (folder / "sample.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["judged"], row["parts"] = words(row)
    with (folder / "sample.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=separator)
        writer.writeheader()
        writer.writerows(reversed(rows))
    return rows


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_sample_is_drawn_judged_and_told(instseg, drawn, capsys, separator):
    rows = fill_in(drawn, lambda row: ("Right" if row["kind"] == "object" else "0", ""), separator)
    assert [row["kind"] for row in rows] == ["object"] * 12 + ["place"] * 4
    assert all(np.asarray(Image.open(drawn / row["picture"])).shape[1] > 100 for row in rows)
    assert instseg("audit", "estimate", drawn, "--json", drawn / "found.json") == 0
    found = json.loads((drawn / "found.json").read_text())
    assert found["objects"] == 12
    assert found["precision"]["value"] == 1
    assert found["precision"]["low"] < 0.95
    assert "Precision 1.00" in capsys.readouterr().err


def test_what_is_not_judged_yet_is_left_out(instseg, drawn):
    verdicts = iter(["right", "merged", "split", "wrong", "right"])
    missed = iter(["1", "0"])
    fill_in(drawn, lambda row: (next(verdicts if row["kind"] == "object" else missed, ""), ""))
    assert instseg("audit", "estimate", drawn, "--json", drawn / "found.json") == 0
    found = json.loads((drawn / "found.json").read_text())
    assert (found["objects"], found["places"]) == (5, 2)
    assert 0 < found["precision"]["low"] <= found["precision"]["value"] < 1


@pytest.mark.parametrize(
    ("words", "message"),
    [(("maybe", ""), "found 'maybe'"), (("merged", "1"), "whole number from 2"), (("", ""), "expected 2 of each")],
)
def test_other_words_are_no_judgement(instseg, drawn, capsys, words, message):
    fill_in(drawn, lambda row: words if row["kind"] == "object" else ("0", ""))
    assert instseg("audit", "estimate", drawn) == 1
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_nothing_judged_is_thrown_away_and_changed_labels_are_no_longer_judged(instseg, drawn, dots, tmp_path, capsys):
    assert instseg("audit", "draw", dots / "images", dots / "labels", "--out", drawn) == 1
    assert "--overwrite" in capsys.readouterr().err
    image, labels = dots / "images" / "dots-3-0000.tif", tmp_path / "labels.tif"
    pixels = read_labels(dots / "labels" / "dots-3-0000.tif")
    write_labels(labels, pixels, "YX")
    out = tmp_path / "one"
    assert instseg("audit", "draw", image, labels, "--out", out, "--objects", 3, "--places", 2) == 0
    write_labels(labels, pixels * (pixels != 1), "YX")
    assert instseg("audit", "estimate", out) == 1
    assert "was changed since" in capsys.readouterr().err.replace("\n", " ")
    assert instseg("audit", "estimate", tmp_path / "no folder") == 1
    (out / "audit.json").write_text("{}")
    assert instseg("audit", "estimate", out) == 1
    assert "not valid" in capsys.readouterr().err


def test_labels_of_another_image_are_refused(instseg, dots, gradient, tmp_path, capsys):
    labels = tmp_path / "small.tif"
    write_labels(labels, np.ones((20, 30), np.int32), "YX")
    assert instseg("audit", "draw", gradient, labels, "--out", tmp_path / "out") == 1
    assert "(20, 30)" in capsys.readouterr().err
