"""What an image looks like, and which model suits it by the modality that its `model.json` names."""

import dataclasses

import numpy as np
import pytest

from napari_instseg.data.samples import load_sample
from napari_instseg.io.models import ModelSpec, Score
from napari_instseg.segmenting.appearance import look_at, suggest_model
from napari_instseg.zoo import specs


def test_looks():
    y, x = np.indices((200, 300))
    spots = ((y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 < 100).astype(np.float32)
    assert look_at(spots, "YX").words == "grey, bright objects on dark"
    assert look_at(1 - spots, "YX").words == "grey, dark objects on bright"
    relief = np.roll(spots, 6, axis=1) - spots  # each object with a bright and a dark side, as in phase contrast
    assert look_at(relief, "YX").words == "grey, looks like phase contrast"
    noise = np.random.default_rng(0).normal(0, 0.3, spots.shape)
    assert look_at(spots + noise, "YX").words == "grey, bright objects on dark"
    picture = np.stack([1 - spots, 1 - spots / 2, np.ones_like(spots)], -1)
    assert look_at(picture, "YXC").words == "colour, dark objects on bright"
    assert look_at(np.repeat(spots[None], 3, 0), "CYX").words == "grey, bright objects on dark"
    assert look_at(np.ones((20, 20)), "YX").flat
    assert look_at(np.full((20, 20), np.nan), "YX").flat


DARK, GREY, BRIGHT = (
    look_at(np.eye(50), "YX"),
    look_at(np.eye(50) - np.roll(np.eye(50), 1, 0), "YX"),
    look_at(1 - np.eye(50), "YX"),
)


def spec(name, modality=(), *scores, title=""):
    numbers = {"images": 1, "mean_ap": 0.1, "pq": 0.0, "f1": 0.0, "sbd": 0.0, "fbd": 0.0, "abs_dic": 0.0}
    made = [Score(data="", modality=of, ap={"0.5": value}, **numbers) for of, value in scores]
    return ModelSpec(name=name, method="coloring", diameter=20, title=title, modality=modality, scores=tuple(made))


def choose(look, *models):
    return suggest_model(look, {model.name: model for model in models})


@pytest.mark.parametrize(
    ("look", "modality"), [(DARK, "fluorescence"), (GREY, "phase contrast"), (BRIGHT, "bright field")]
)
def test_the_model_that_is_for_the_modality_that_looks_so_is_suggested(look, modality):
    others = [spec(name, (name,)) for name in ("fluorescence", "phase contrast", "bright field", "histology")]
    assert choose(look, *others) == modality
    assert suggest_model(look, {}) is None


def test_prose_in_a_title_counts_for_nothing():
    assert choose(DARK, spec("a", ("phase contrast",), title="As in fluorescence"), spec("b", ("fluorescence",))) == "b"


def test_a_score_on_images_of_the_modality_counts_more_than_being_for_it_or_a_higher_score_elsewhere():
    scored = spec("z", (), (("fluorescence",), 0.2))
    assert choose(DARK, spec("a", ("fluorescence",)), scored) == "z"
    assert choose(DARK, spec("a", ("histology",), (("histology",), 0.9)), scored) == "z"
    assert choose(DARK, scored, spec("a", (), (("fluorescence", "histology"), 0.3))) == "a"


def test_where_none_is_for_it_the_best_elsewhere_is_suggested_and_of_equals_the_first_by_name():
    low, high = spec("a", (), (("histology",), 0.2)), spec("b", (), (("histology",), 0.5))
    assert choose(DARK, low, high) == "b"
    equal = [spec(name, ("fluorescence",), (("fluorescence",), 0.4)) for name in ("b", "a", "c")]
    assert choose(DARK, *equal) == choose(DARK, *reversed(equal)) == "a"


def test_of_the_shipped_models_the_one_for_the_kind_of_image_is_suggested():
    for sample, model in (
        ("nuclei", "discriminative-any-size"),
        ("nuclei-stained", "discriminative-any-size"),
        ("worms", "discriminative-shapes"),
        ("rosette", "discriminative-leaves"),
        ("bacteria-phase", "semiconv-shapes"),
    ):
        image, _, _ = load_sample(sample)
        look = look_at(image, "YXC"[: image.ndim])
        assert suggest_model(look, specs()) == model, sample


def test_without_the_model_for_its_kind_the_look_decides():
    y, x = np.indices((200, 300))
    spots = ((y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 < 100).astype(np.float32)
    others = {name: spec for name, spec in specs().items() if name.endswith(("-nuclei", "-cells"))}
    looks = [look_at(image, "YX") for image in (spots, 1 - spots, np.roll(spots, 6, axis=1) - spots)]
    bare = [dataclasses.replace(look, kind=None) for look in looks]
    found = [suggest_model(look, others) for look in bare]
    assert found == ["discriminative-nuclei", "discriminative-nuclei", "discriminative-cells"]
