"""`instseg measure`, `export`, `import` and `formats` as a user meets them."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_instseg.io.labels import read_labels


@pytest.fixture
def cells(tmp_path):
    """An image of two channels with pixels of 0.5 µm, and its labels."""
    folder = tmp_path / "zellen ü"
    folder.mkdir()
    y, x = np.mgrid[:60, :80]
    labels = np.where((y % 20 - 10) ** 2 + (x % 20 - 10) ** 2 <= 49, 1 + y // 20 * 4 + x // 20, 0)
    image = np.random.default_rng(0).normal(100, 5, (2, 60, 80)).astype(np.float32) + 50 * (labels > 0)
    path = folder / "b.ome.tif"
    tifffile.imwrite(
        path,
        image,
        metadata={"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
        ome=True,
    )
    tifffile.imwrite(folder / "b.tif", labels.astype(np.uint16))
    return path, folder / "b.tif", labels


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_measure_writes_a_table(instseg, cells, tmp_path, ending):
    image, file, labels = cells
    out = tmp_path / "tables" / f"t{ending}"
    assert instseg("measure", image, file, "--out", out, "--percentile", 90, "--ring-width", 1) == 0
    table = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    assert table["label"].tolist() == list(range(1, 13))
    np.testing.assert_allclose(table["area_um2"], np.bincount(labels.ravel())[1:] / 4)
    assert {"perimeter_um", "feret_max_px", "intensity_p90_1", "ring_mean_0", "neighbours", "touches_border"} <= set(
        table
    )
    assert (table["intensity_mean_0"] - table["ring_mean_0"] > 40).all()


def test_measure_takes_what_segment_wrote(instseg, dots, tmp_path):
    labels = dots / "labels"  # with the stamp of this program
    assert instseg("measure", dots / "images", labels, "--out", tmp_path / "a.csv", "--group", "size") == 0
    assert instseg("measure", dots, dots, "--out", tmp_path / "b.csv", "--group", "size") == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert len(table) == sum(read_labels(path).max() for path in labels.iterdir())
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "b.csv"))


def test_measure_makes_one_table_of_a_folder(instseg, cells, tmp_path):
    image, file, _ = cells
    images, of = tmp_path / "images", tmp_path / "labels"
    for name in ("a", "b"):
        for folder, source in ((images, image), (of, file)):
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.tif").write_bytes(source.read_bytes())
    assert instseg("measure", images, of, "--out", tmp_path / "all.csv", "--group", "size") == 0
    table = pd.read_csv(tmp_path / "all.csv")
    assert table.groupby("file").size().to_dict() == {"a.tif": 12, "b.tif": 12}
    assert list(table)[:3] == ["file", "label", "area_px"]


def test_export_all_and_import_again(instseg, cells, tmp_path, capsys):
    image, file, labels = cells
    (tmp_path / "known.csv").write_text("label,class,score\n1,tumour,0.5\n")
    out = tmp_path / "out"
    said = ("--image", image, "--format", "all", "--out", out, "--table", tmp_path / "known.csv")
    assert instseg("export", file, *said) == 0
    written = {path.name for path in out.iterdir()}
    endings = {".geojson", "_rois.zip", "_coco.json", ".svg", "_labels.tif", "_labels.png", "_seg.npy", "_figure.pdf"}
    assert {f"b{ending}" for ending in endings} <= written
    for ending in (".geojson", "_rois.zip", "_coco.json", "_coco_rle.json", "_seg.npy", "_ilastik.h5", "_labels.tif"):
        back = tmp_path / f"back{len(ending)}.tif"
        assert instseg("import", out / f"b{ending}", "--image", image, "--out", back) == 0
        np.testing.assert_array_equal(read_labels(back), labels)
    with tifffile.TiffFile(back) as opened:
        assert 'PhysicalSizeX="0.5"' in opened.ome_metadata
    first = json.loads((out / "b.geojson").read_text(encoding="utf-8"))["features"][0]["properties"]
    assert first["classification"]["name"] == "tumour"
    assert first["measurements"]["Area µm^2"] == (labels == 1).sum() / 4
    assert "12 objects written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "{labels}", "--image", "{image}", "--format", "docx", "--out", "x"), "no format 'docx'"),
        (("export", "{labels}", "--image", "{other}", "--format", "svg", "--out", "x"), "belong together"),
        (("export", "{labels}", "--image", "{image}", "--format", "svg", "--out", "x", "--parent", "b"), "NAME=FILE"),
        (("import", "{labels}", "--image", "{image}", "--out", "x.png"), "ends in .tif"),
        (("import", "none.geojson", "--image", "{image}", "--out", "x.tif"), "There is no file"),
        (("measure", "{image}", "{labels}", "--out", "x.txt"), ".csv or .parquet"),
        (("measure", "{image}", "{labels}", "--out", "x.csv", "--group", "joy"), "no group joy"),
        (("measure", "{image}", "{labels}", "--out", "x.csv", "--table", "{twice}"), "'score' twice"),
    ],
)
def test_bad_input_ends_in_words(instseg, cells, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("other.tif", np.random.default_rng(0).random((50, 70)).astype(np.float32))
    (tmp_path / "twice.csv").write_text("label,score,score\n1,2,3\n")
    places = {"image": cells[0], "labels": cells[1], "other": "other.tif", "twice": "twice.csv"}
    assert instseg(*(text.format(**places) for text in arguments)) == 1
    assert words in capsys.readouterr().err


def test_formats_lists_what_there_is(instseg, capsys):
    assert instseg("formats") == 0
    shown = capsys.readouterr().out
    assert "NAME_rois.zip" in shown
    assert "QuPath" in shown


def test_decode_reads_another_tools_outputs_with_flags(instseg, tmp_path, capsys):
    y, x = np.mgrid[:40, :60]
    cellprob = np.where((y % 20 - 10) ** 2 + (x % 20 - 10) ** 2 <= 64, 4.0, -4.0)
    flows = -np.stack([y % 20 - 10.0, x % 20 - 10.0]) / 2
    np.savez(tmp_path / "a.npz", dP=flows, cellprob=cellprob)
    assert instseg("decode", tmp_path / "a.npz", "--out", tmp_path / "a.tif") == 0
    assert read_labels(tmp_path / "a.tif").max() == 6
    assert instseg("decode", tmp_path / "a.npz", "--out", tmp_path / "b.tif", "--min-size", 4000) == 0
    assert read_labels(tmp_path / "b.tif").max() == 0
    assert "0 objects decoded by semiconv" in capsys.readouterr().err
    assert instseg("decode", tmp_path / "none.npz", "--out", tmp_path / "b.tif") == 1
