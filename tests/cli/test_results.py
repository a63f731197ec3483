"""The results folder replaces its own files and nobody else's."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_instseg.cli.results import ResultFiles
from napari_instseg.core.errors import OutputError
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.io.images import Image
from napari_instseg.io.labels import read_labels, write_labels

IMAGE = Path("in", "a.png")


def write(results, stem="a", value=1):
    labels = np.zeros((8, 8), np.int32)
    labels[:value, 2:5] = 1
    image = Image(np.arange(64, dtype=np.uint8).reshape(8, 8), "YX", (0.5, 0.25), IMAGE)
    results.write(stem, image, Segmentation(labels), {"objects": 1})
    results.write_record({"model": "m"})


def test_results_lie_where_train_and_evaluate_look(tmp_path):
    write(ResultFiles(tmp_path / "out"))
    files = sorted(str(path.relative_to(tmp_path / "out").as_posix()) for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["labels/a.tif", "overlays/a.png", "segment.json", "tables/a.csv"]
    assert (tmp_path / "out" / "tables" / "a.csv").read_text().splitlines()[0].startswith("label,")
    record = json.loads((tmp_path / "out" / "segment.json").read_text())
    assert record["model"] == "m"
    assert record["images"]["a"]["objects"] == 1


def test_own_results_may_be_replaced_and_corrected_ones_not(tmp_path):
    results = ResultFiles(tmp_path)
    assert results.check_replaceable("a", IMAGE) is False
    write(results)
    again = ResultFiles(tmp_path)
    assert again.check_replaceable("a", IMAGE) is True
    write(again, value=2)
    assert ResultFiles(tmp_path).check_replaceable("a", IMAGE.resolve()) is True
    path = results.files("a").labels
    corrected = read_labels(path)
    corrected[7, 7] = 2
    write_labels(path, corrected)
    with pytest.raises(OutputError, match="changed by hand"):
        ResultFiles(tmp_path).check_replaceable("a", IMAGE)


def test_labels_changed_by_a_program_that_keeps_the_metadata_are_kept(tmp_path):
    results = ResultFiles(tmp_path)
    write(results)
    path = results.files("a").labels
    with tifffile.TiffFile(path) as file:
        labels, description = file.asarray(), file.pages.first.description
        software = file.pages.first.tags["Software"].value
    labels[7, 7] = 2
    tifffile.imwrite(path, labels, description=description.encode(), software=software, metadata=None)
    with pytest.raises(OutputError, match="changed by hand"):
        results.check_replaceable("a", IMAGE)


@pytest.mark.parametrize("content", [b"", b"text", b"II*\0\x08\0\0\0"])
def test_a_file_that_is_no_label_image_is_kept(tmp_path, content):
    results = ResultFiles(tmp_path)
    write(results)
    results.files("a").labels.write_bytes(content)
    with pytest.raises(OutputError, match="not from here"):
        results.check_replaceable("a", IMAGE)


def test_results_of_another_image_of_the_same_name_are_kept(tmp_path):
    write(ResultFiles(tmp_path))
    with pytest.raises(OutputError, match="another image of that name") as caught:
        ResultFiles(tmp_path).check_replaceable("a", Path("other", "a.png"))
    assert str(IMAGE.resolve()) in str(caught.value)
    assert str(Path("other", "a.png").resolve()) in str(caught.value)


@pytest.mark.parametrize("record", [None, "{ damaged", "[]", '{"images": 3}', '{"images": {"a": []}}', "[" * 100_000])
def test_without_a_whole_record_the_label_files_still_tell(tmp_path, record):
    write(ResultFiles(tmp_path))
    path = tmp_path / "segment.json"
    path.unlink() if record is None else path.write_text(record)
    results = ResultFiles(tmp_path)
    assert results.check_replaceable("a", IMAGE) is True
    with pytest.raises(OutputError, match="another image"):
        results.check_replaceable("a", Path("other.png"))
    write(results, "b")
    assert "b" in json.loads(path.read_text())["images"]


def test_two_runs_at_once_keep_each_others_record(tmp_path):
    first, second = ResultFiles(tmp_path), ResultFiles(tmp_path)
    write(first, "a")
    write(second, "b")
    first.write_record({"model": "m"})
    assert json.loads((tmp_path / "segment.json").read_text())["images"].keys() == {"a", "b"}
    assert all(ResultFiles(tmp_path).check_replaceable(stem, IMAGE) for stem in "ab")


def test_the_table_has_micrometres_where_they_are_known(tmp_path):
    results = ResultFiles(tmp_path)
    write(results)
    table = pd.read_csv(results.files("a").table)
    assert table["area"].tolist() == [3]
    assert table["area_um2"].tolist() == [3 * 0.5 * 0.25]
    stack = Image(np.arange(128.0).reshape(2, 8, 8), "TYX", (None, 0.5, 0.25), IMAGE)
    labels = np.zeros((2, 8, 8), np.int32)
    labels[1, 2:4, 5] = 1
    results.write("t", stack, Segmentation(labels, axes="TYX"), {})
    assert pd.read_csv(results.files("t").table)["area_um2"].tolist() == [2 * 0.5 * 0.25]
    volume = Image(stack.array, "ZYX", (3.0, 0.5, 0.25), IMAGE)
    results.write("z", volume, Segmentation(labels), {}, ndim=3)
    assert pd.read_csv(results.files("z").table)["volume_um3"].tolist() == [2 * 3.0 * 0.5 * 0.25]
    plain = Image(stack.array[0], "YX", (None, 1.0), IMAGE)
    results.write("p", plain, Segmentation(labels[1]), {})
    assert not [column for column in pd.read_csv(results.files("p").table) if "um" in column]


def test_results_that_are_removed_meanwhile_are_made_again(instseg, dots, model, tmp_path, monkeypatch, capsys):
    import shutil

    from napari_instseg.io import labels

    out, true = tmp_path / "out", labels.write_labels

    def removed_first(path, *rest, **options):
        if path.name.startswith(first):
            shutil.rmtree(out)
        return true(path, *rest, **options)

    first = sorted(path.stem for path in (dots / "images").iterdir())[1]
    monkeypatch.setattr(labels, "write_labels", removed_first)
    assert instseg("segment", dots / "images", "--model", model, "--out", out, "--device", "cpu") in (0, 1)
    assert "Traceback" not in "".join(capsys.readouterr())
    left = [{path.stem for path in (out / kind).iterdir()} for kind in ("labels", "tables", "overlays")]
    assert left[0] == left[1] == left[2], "files of a result appear together or not at all"
    assert len(left[0]) >= 2
    assert (out / "segment.json").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        ResultFiles(tmp_path / "file" / "out")
