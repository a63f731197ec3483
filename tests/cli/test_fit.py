"""`instseg fit`: a detuned model finds its objects again, and is written with what was found."""

import json
import shutil

import pytest

from napari_instseg.io.models import SPEC, read_spec, read_weights
from napari_instseg.methods import get_method


@pytest.fixture
def detuned(model, tmp_path):
    """A copy of the model of dots that drops nearly all of them."""
    folder = tmp_path / "detuned"
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("training"))
    spec = read_spec(folder).model_copy(update={"decode": {"min_size": 3000}})
    (folder / SPEC).write_text(spec.model_dump_json())
    return folder


def test_a_detuned_model_is_fitted_and_written(instseg, detuned, dots, tmp_path, capsys):
    (tmp_path / "held.txt").write_text("dots-3-0002\ndots-3-0003\n")
    out = tmp_path / "fitted model"
    given = ("--held-out", tmp_path / "held.txt", "--tries", 40, "--json", tmp_path / "fit.json")
    assert instseg("fit", detuned, dots, "--out", out, *given) == 0
    report = json.loads((tmp_path / "fit.json").read_text())
    assert [report["mean_ap"][name]["images"] for name in ("fitted to", "held out")] == [2, 2]
    for scores in report["mean_ap"].values():
        assert scores["before"] == 0
        assert scores["after"] > 0.5
    assert report["changed"]["min_size"][0] == 3000
    assert report["tries"] <= 40
    shown = capsys.readouterr().out
    assert "min_size" in shown
    assert "held out" in shown
    spec, before = read_spec(out), read_spec(detuned)
    assert get_method(spec.method).decode(**spec.decode).min_size == report["changed"]["min_size"][1]
    assert spec.scores == ()
    assert spec.training["decoding"] == "Fitted to 2 images of dots."
    assert spec.network == before.network
    old, new = read_weights(detuned), read_weights(out)
    assert all((old[name] == new[name]).all() for name in old)
    assert instseg("evaluate", out, dots, "--only", tmp_path / "held.txt", "--json", tmp_path / "e.json") == 0
    scored = json.loads((tmp_path / "e.json").read_text())
    assert scored["mean_ap"] == pytest.approx(report["mean_ap"]["held out"]["after"])


def test_without_out_nothing_is_written_and_only_named_parameters_are_moved(instseg, detuned, dots, tmp_path, capsys):
    before = (detuned / SPEC).read_text()
    json_file = tmp_path / "fit.json"
    assert instseg("fit", detuned, dots, "--some", "--parameter", "min_score", "--tries", 15, "--json", json_file) == 0
    assert (detuned / SPEC).read_text() == before
    assert set(json.loads(json_file.read_text())["changed"]) <= {"min_score"}
    assert "No other values agree better" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--parameter", "nonsense"), "no parameter nonsense"),
        (("--held-out", "all.txt"), "All images are held out"),
        (("--held-out", "all.txt", "--only", "all.txt"), "both name dots-3-0000"),
    ],
)
def test_what_cannot_be_done_is_said(instseg, model, dots, options, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.txt").write_text("".join(f"dots-3-{number:04d}\n" for number in range(4)))
    assert instseg("fit", model, dots, *options) == 1
    assert words in " ".join(capsys.readouterr().err.split())


def test_shipped_models_are_not_written_to(instseg, dots, tmp_path, capsys):
    from napari_instseg.zoo import shipped

    name, folder = next(iter(shipped().items()))
    assert instseg("fit", name, dots, "--out", folder, "--tries", 1, "--diameter", 12) == 1
    assert "shipped model" in capsys.readouterr().err
