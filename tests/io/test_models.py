"""The model folder: what is written is read; damaged, foreign, newer or unsafe folders are refused in words."""

import json
import os
import pickle

import pytest
import torch

from napari_instseg.core.errors import ModelError
from napari_instseg.io.models import FORMAT, ModelSpec, Score, card, read_spec, read_weights, write_model

SCORE = Score(
    data="dsb2018 val",
    images=54,
    ap={"0.5": 0.9, "0.9": 0.3},
    mean_ap=0.6,
    pq=0.7,
    f1=0.9,
    sbd=0.8,
    fbd=0.9,
    abs_dic=1.5,
)


@pytest.fixture
def folder(tmp_path):
    spec = ModelSpec(name="nuclei", method="coloring", diameter=20.0, scores=(SCORE,), training={"licence": "CC0"})
    return write_model(tmp_path / "nuclei", spec, {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(7)})


def test_what_is_written_is_read(folder):
    spec = read_spec(folder)
    assert (spec.name, spec.diameter, spec.scores) == ("nuclei", 20.0, (SCORE,))
    weights = read_weights(folder)
    assert weights["w"].dtype == torch.float32
    assert torch.equal(weights["w"], torch.arange(6.0).reshape(2, 3))
    assert weights["n"].item() == 7
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.json", "weights.safetensors"]


def test_weights_are_kept_in_half_precision(tmp_path):
    spec = ModelSpec(name="a", method="coloring", diameter=1)
    folder = write_model(tmp_path / "a", spec, {"w": torch.zeros(100_000)})
    assert (folder / "weights.safetensors").stat().st_size < 201_000


def test_the_card_tells_data_and_scores(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == card(read_spec(folder))
    assert "Licence: CC0" in text
    assert "| dsb2018 val | 54 | 0.900 | 0.300 | 0.600 |" in text


def test_no_folder(tmp_path):
    with pytest.raises(ModelError, match="No model folder at .*nowhere"):
        read_spec(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.json; expected a folder that instseg train wrote"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1, 2]",
        '{"name": 3}',
        '{"format": 1, "name": "a", "method": "b", "diameter": -1}',
        '{"format": 1, "name": "a", "method": "b", "diameter": Infinity}',
        '{"format": 1, "name": "a", "method": "b", "diameter": 9, "usual_diameter": NaN}',
    ],
)
def test_a_damaged_description(folder, text):
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json .*Copy the model folder again|copy the model folder again"):
        read_spec(folder)


def test_a_newer_layout_says_so(folder):
    values = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**values, "format": FORMAT + 1, "made_by": "napari-instseg 9.0"}))
    with pytest.raises(ModelError, match=r"made by napari-instseg 9\.0; .*Update napari-instseg"):
        read_spec(folder)


def test_missing_weights(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights\.safetensors"):
        read_weights(folder)


@pytest.mark.parametrize("keep", [0, 5, 100])
def test_truncated_weights(folder, keep):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="is damaged .*copy the model folder again"):
        read_weights(folder)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "model.pkl"])
def test_a_pickle_is_never_opened(folder, name, tmp_path):
    (folder / "weights.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb(tmp_path / "bomb")))
    with pytest.raises(ModelError, match="is damaged|could run code, so it is not opened"):
        read_weights(folder)
    assert not (tmp_path / "bomb").exists()


BROKEN_SPECS = {
    "deep": b'{"name": ' + b"[" * 100_000,
    "not UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "a huge diameter": b'{"name": "a", "method": "coloring", "diameter": 1e300}',
    "a tiny diameter": b'{"name": "a", "method": "coloring", "diameter": 1e-300}',
    "no diameter": b'{"name": "a", "method": "coloring", "diameter": NaN}',
    "half a character": b'{"name": "\\ud83d", "method": "coloring", "diameter": 9}',
    "ten thousand channels": b'{"name": "a", "method": "coloring", "diameter": 9, "in_channels": 10000}',
    "ten thousand classes": json.dumps(
        {"name": "a", "method": "coloring", "diameter": 9, "classes": ["a"] * 10_000}
    ).encode(),
}


@pytest.mark.parametrize("content", BROKEN_SPECS.values(), ids=BROKEN_SPECS)
def test_a_spec_of_somebody_else(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json (cannot be read|is not valid)"):
        read_spec(folder)


def test_weights_of_a_kind_that_nobody_knows(folder):
    header = json.dumps({"w": {"dtype": "X7", "shape": [2], "data_offsets": [0, 2]}}).encode()
    (folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    with pytest.raises(ModelError, match="is damaged"):
        read_weights(folder)


def test_a_model_of_layout_1_says_in_fields_what_its_sentences_said(folder):
    path = folder / "model.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for new in ("modality", "stain", "replay"):
        del values[new]
    del values["scores"][0]["modality"]
    first = {**values["scores"][0], "data": "DSB 2018 fluorescence, held out"}
    second = {**values["scores"][0], "data": "stained tissue and bright field"}
    values |= {"format": 1, "name": "coloring-nuclei", "title": "Nuclei in phase contrast", "scores": [first, second]}
    values["intended_use"] = "Nuclei (H&E)."
    path.write_text(json.dumps(values), encoding="utf-8")
    spec = read_spec(folder)
    assert spec.format == FORMAT
    assert spec.modality == ("fluorescence", "histology", "bright field", "phase contrast")
    assert [score.modality for score in spec.scores] == [("fluorescence",), ("histology", "bright field")]
    assert (spec.stain, spec.replay) == (("H&E",), ("nuclei",))
    path.write_text(json.dumps({**values, "training": {"fine_tuned_from": "coloring-nuclei"}}), encoding="utf-8")
    assert read_spec(folder).replay == ()


def test_the_card_tells_the_modality():
    spec = ModelSpec(name="a", method="b", diameter=1, modality=("histology", "bright field"), stain=("H&E",))
    assert "- Modality: histology, bright field\n- Stain: H&E\n" in card(spec)
