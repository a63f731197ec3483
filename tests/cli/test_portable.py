"""`instseg export-model`."""

import json

import pytest


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_a_model_of_ones_own_needs_licence_and_author(instseg, model, tmp_path, capsys):
    out = tmp_path / "package é"
    assert instseg("export-model", "--model", model, "--out", out) == 1
    assert "--license" in capsys.readouterr().err
    assert not out.exists()
    said = ("--license", "CC-BY-4.0", "--author", "A. Name", "--author", "B. Name")
    assert instseg("export-model", "--model", model, "--out", out, *said) == 0
    rdf = json.loads((out / "rdf.yaml").read_text(encoding="utf-8"))
    assert (rdf["license"], [one["name"] for one in rdf["authors"]]) == ("CC-BY-4.0", ["A. Name", "B. Name"])
    assert {path.name for path in out.iterdir()} >= {"weights.torchscript.pt", "weights.state_dict.pt", "cover.png"}
