"""The results folder replaces its own files and nobody else's."""

import json

import numpy as np
import pytest

from napari_instseg.cli.results import Results
from napari_instseg.core.errors import OutputError
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.io.images import Image
from napari_instseg.io.labels import read_labels, write_labels


def write(results, stem="a", value=1):
    labels = np.zeros((8, 8), np.int32)
    labels[:value, 2:5] = 1
    image = Image(np.arange(64, dtype=np.uint8).reshape(8, 8), "YX", (0.5, 0.5), "µm")
    results.write(stem, image, "YX", Segmentation(labels), {"objects": 1})
    results.write_record({"model": "m"})


def test_results_lie_where_train_and_evaluate_look(tmp_path):
    write(Results(tmp_path / "out"))
    files = sorted(str(path.relative_to(tmp_path / "out").as_posix()) for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["labels/a.tif", "overlays/a.png", "segment.json", "tables/a.csv"]
    assert (tmp_path / "out" / "tables" / "a.csv").read_text().splitlines()[0].startswith("label,")
    record = json.loads((tmp_path / "out" / "segment.json").read_text())
    assert record["model"] == "m"
    assert record["images"]["a"]["objects"] == 1


def test_own_results_may_be_replaced_and_corrected_ones_not(tmp_path):
    results = Results(tmp_path)
    assert results.check_replaceable("a") is False
    write(results)
    again = Results(tmp_path)
    assert again.check_replaceable("a") is True
    write(again, value=2)
    assert Results(tmp_path).check_replaceable("a") is True
    path = results.files("a").labels
    corrected = read_labels(path)
    corrected[7, 7] = 2
    write_labels(path, corrected)
    with pytest.raises(OutputError, match="changed by hand"):
        Results(tmp_path).check_replaceable("a")


def test_labels_without_a_record_are_somebody_elses(tmp_path):
    write(Results(tmp_path))
    (tmp_path / "segment.json").write_text("{ damaged")
    with pytest.raises(OutputError, match="not from here"):
        Results(tmp_path).check_replaceable("a")


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        Results(tmp_path / "file" / "out")
