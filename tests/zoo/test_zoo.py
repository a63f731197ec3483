"""Shipped models are found by name, folders by path, and a wrong name lists the right ones."""

import pytest

from napari_instseg.core.errors import ModelError
from napari_instseg.methods import methods
from napari_instseg.zoo import find_model, shipped, specs
from napari_instseg.zoo.kinds import KINDS, YEAST

LIMIT = 16 * 2**20


def test_shipped_models_are_whole_and_small():
    assert {"coloring-nuclei", "discriminative-nuclei"} <= set(shipped())
    total = 0
    for name, folder in shipped().items():
        size = (folder / "weights.safetensors").stat().st_size
        assert size < LIMIT, name
        total += size
    assert total < 5 * LIMIT


def test_every_card_names_data_licence_and_scores():
    for name, spec in specs().items():
        assert spec.name == name
        assert spec.method in methods()
        methods()[spec.method].decode(**spec.decode)
        assert spec.training["data"]
        assert any(key.startswith("licence") for key in spec.training), name
        assert spec.scores, name


def test_every_kind_has_a_shipped_model_and_yeast_the_one_that_scores_best_on_it():
    assert {model for _, model in KINDS.values()} <= set(shipped())
    scores = {
        name: score.mean_ap for name, spec in specs().items() for score in spec.scores if score.data.startswith("yeast")
    }
    assert KINDS["yeast"][1] == YEAST == max(scores, key=scores.__getitem__)
    assert len(scores) > 1


def test_a_wrong_name_lists_the_shipped(tmp_path):
    with pytest.raises(ModelError, match="No model 'coloring-nuclie'; .*coloring-nuclei"):
        find_model("coloring-nuclie")
    assert find_model(tmp_path) == tmp_path
