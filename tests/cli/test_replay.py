"""`instseg replay`: the same labels again, or words on what is not the same."""

import json
import shutil

import numpy as np
import pytest
import tifffile

from napari_instseg.inference.replay import MadeBy, digest_image, methods_paragraph
from napari_instseg.io.labels import read_labels
from napari_instseg.io.stamps import Stamp


@pytest.fixture(scope="module")
def results(instseg, model, dots, tmp_path_factory):
    """Results of two images, one run each, the second with other parameters."""
    out = tmp_path_factory.mktemp("replay") / "results é"
    first, second = (dots / "images" / f"dots-3-000{number}.tif" for number in range(2))
    assert instseg("segment", first, "--model", model, "--out", out) == 0
    assert instseg("segment", second, "--model", model, "--out", out, "--min-size", 20, "--diameter", 14) == 0
    return out


def recipe_of(folder):
    return json.loads((folder / "recipe.json").read_text(encoding="utf-8"))


def test_a_recipe_says_how_each_image_was_made_and_repeats_it(instseg, results, dots, tmp_path, capsys):
    made = recipe_of(results)["images"]
    assert [one["diameter"] for one in made.values()] == [None, 14]
    assert made["dots-3-0001"]["decode"]["min_size"] == 20
    for stem, one in made.items():
        labels = read_labels(results / "labels" / f"{stem}.tif")
        assert one["labels"] == Stamp.pixels(labels)
        assert one["objects"] == labels.max()
        assert one["image"]["path"] == str((dots / "images" / f"{stem}.tif").resolve())
        assert one["device"] == "cpu"
    before = (results / "labels" / "dots-3-0001.tif").read_bytes()
    said = ("--out", tmp_path / "again", "--json", tmp_path / "r.json")
    assert instseg("replay", results / "recipe.json", *said) == 0
    assert "2 of 2 results are the same" in capsys.readouterr().err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["same"] is True
    assert [row["words"] for row in report["images"]] == ["the same", "the same"]
    again = read_labels(tmp_path / "again" / "dots-3-0001.tif")
    np.testing.assert_array_equal(again, read_labels(results / "labels" / "dots-3-0001.tif"))
    assert (results / "labels" / "dots-3-0001.tif").read_bytes() == before


def test_the_label_file_tells_its_recipe_but_no_folder(results, dots):
    with tifffile.TiffFile(results / "labels" / "dots-3-0000.tif") as file:
        described = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
    made = MadeBy.model_validate_json(json.dumps(described) if isinstance(described, dict) else described)
    assert made.labels == recipe_of(results)["images"]["dots-3-0000"]["labels"]
    assert str(dots) not in made.model_dump_json()
    assert (made.image.file, made.image.path) == ("dots-3-0000.tif", "")


def changed(results, tmp_path, **changes):
    values = recipe_of(results)
    for one in values["images"].values():
        for key, value in changes.items():
            one[key] = {**one[key], **value} if isinstance(value, dict) else value
    (tmp_path / "recipe.json").write_text(json.dumps(values))
    return tmp_path / "recipe.json"


def test_other_labels_are_told(instseg, results, tmp_path, capsys):
    path = changed(results, tmp_path, decode={"min_size": 5000})
    shutil.copytree(results / "labels", tmp_path / "labels")
    assert instseg("replay", path) == 1
    shown = capsys.readouterr()
    assert "pixels changed sides" in shown.out
    assert "0 of 2 results are the same" in shown.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": {"digest": "0" * 64}}, "not the image of the recipe"),
        ({"image": {"path": "/nowhere/x.tif"}}, "Say by --image where it is"),
        ({"model": {"weights": "0" * 64}}, "other weights"),
        ({"model": {"asked": "no-such-model"}}, "no-such-model"),
    ],
)
def test_another_image_or_model_is_refused(instseg, results, tmp_path, capsys, change, words):
    assert instseg("replay", changed(results, tmp_path, **change)) == 1
    assert words in capsys.readouterr().err


def test_moved_images_are_found_and_other_versions_told(instseg, results, dots, tmp_path, capsys):
    path = changed(results, tmp_path, image={"path": "/nowhere/x.tif"}, versions={"torch": "1.0"})
    assert instseg("replay", path, "--image", dots) == 0
    assert "torch 1.0 (here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "has no image"),
        ('{"format": 99, "images": {}}', "format 99"),
        ('{"format": 1, "images": {"a": {}}}', "is no recipe"),
        ("[", "is no recipe"),
        ("[1]", "is no recipe"),
    ],
)
def test_what_is_no_recipe_is_told(instseg, tmp_path, capsys, text, words):
    (tmp_path / "recipe.json").write_text(text)
    assert instseg("replay", tmp_path / "recipe.json") == 1
    assert words in capsys.readouterr().err
    assert instseg("replay", tmp_path / "none.json") == 1


def test_the_methods_paragraph_cites_and_counts(instseg, results, capsys):
    assert instseg("replay", results / "recipe.json", "--text") == 0
    paragraphs = capsys.readouterr().out.strip().splitlines()
    assert len(paragraphs) == 2  # the two images were treated differently
    made = [MadeBy(**one) for one in recipe_of(results)["images"].values()]
    total = sum(one.objects for one in made)
    for paragraph in paragraphs:
        for part in ("napari-instseg 0.", "Kulikov", f"{total} objects", made[0].model.weights[:12]):
            assert part in paragraph
    assert "object diameter of 14 px" in paragraphs[1]
    assert "min size 20" in paragraphs[1]
    alone = made[0].model_copy(update={"objects": 1, "corrections": 3, "stain": "hematoxylin", "channels": (0, 2)})
    words = methods_paragraph(alone)
    assert "1 object were" not in words
    assert "3 objects were corrected by hand" in words
    assert "channels 0, 2 (from 0) and the hematoxylin stain" in words


def test_the_digest_of_an_image_is_that_of_what_is_seen():
    array = np.arange(24, dtype=np.uint16).reshape(4, 6)
    same = np.asfortranarray(array.astype(">u2"))
    assert digest_image(array, "YX") == digest_image(same, "YX")
    others = (array.T, "YX"), (array + 1, "YX"), (array.astype(np.int32), "YX"), (array, "ZX")
    assert len({digest_image(*one) for one in others} | {digest_image(array, "YX")}) == 5
