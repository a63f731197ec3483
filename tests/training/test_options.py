"""What a fine-tuning does where nobody says: the options that users get."""

import pytest

from napari_instseg.data.augment import Augmentation
from napari_instseg.training.finetune_params import FinetuneParams
from napari_instseg.training.options import choose_options
from napari_instseg.training.params import TrainParams


def choose(params=None, **facts):
    usual = {
        "objects": 30,
        "known_background": True,
        "start_score": 0.1,
        "diameter": 24.0,
        "old": 300,
        "stride": 16,
        "largest": (1024, 1024),
    }
    return choose_options(params or FinetuneParams(), **{**usual, **facts})


@pytest.mark.parametrize(
    ("diameter", "side"),
    [
        (5.0, 96),  # not smaller, however small the objects are
        (24.0, 128),  # five diameters, up to a multiple of the stride
        (30.0, 160),
        (200.0, 192),  # not larger
    ],
)
def test_a_crop_is_five_diameters_wide(diameter, side):
    assert choose(diameter=diameter).patch == (side, side)


def test_a_crop_is_not_larger_than_the_image_and_of_a_volume_flat():
    assert choose(largest=(70, 1024)).patch == (80, 128)
    assert choose(diameter=40.0, largest=(300, 300, 300)).patch == (32, 192, 192)
    assert choose(FinetuneParams(patch_size=100)).patch == (112, 112)


@pytest.mark.parametrize(("objects", "strength"), [(1, "strong"), (99, "strong"), (100, "gentle"), (5000, "gentle")])
def test_few_objects_are_varied_much_and_many_a_little(objects, strength):
    found = choose(objects=objects)
    assert f"augmentation: {strength}" in found.words
    assert found.augmentation.flip
    varied = found.augmentation
    assert (varied.elastic > 0, varied.noise > 0, varied.blur > 0) == (strength == "strong",) * 3
    assert found.augmentation.rotation == (180.0 if strength == "strong" else 0.0)
    assert found.augmentation.scale == (0.2 if strength == "strong" else 0.0)


@pytest.mark.parametrize(
    ("objects", "score", "rate", "frozen"),
    [
        (5, 0.9, 3e-4, "encoder"),
        (5, 0.1, 3e-4, "statistics"),
        (50, 0.9, 3e-4, "statistics"),
        (50, 0.1, 1e-3, "statistics"),
    ],
)
def test_an_unknown_kind_with_many_objects_is_learnt_boldly(objects, score, rate, frozen):
    found = choose(objects=objects, start_score=score)
    assert (found.learning_rate, found.frozen) == (rate, frozen)


def test_a_quarter_of_each_batch_is_replayed_where_there_is_anything():
    assert choose().old_per_batch == 2
    assert choose(old=0).old_per_batch == 0
    assert choose(FinetuneParams(batch_size=1, old_share=0.9)).old_per_batch == 0
    assert (choose().hold_old, choose().hold_new) == (15.0, pytest.approx(0.1))
    assert choose(known_background=False).hold_new == 3.0


def test_gaps_count_six_times_within_an_eighth_of_a_diameter():
    assert choose().loss == {"gap_weight": 6.0, "gap": 3}
    assert choose(diameter=2.0).loss["gap"] == 1


def test_what_users_get_who_train_from_scratch():
    training = TrainParams()
    assert (training.patch_size, training.batch_size, training.steps) == (256, 8, 3000)
    assert (training.optimizer, training.learning_rate) == ("adamw", 1e-3)
    varied = Augmentation().model_dump()
    assert varied == {
        "flip": True,
        "rotation": 180.0,
        "scale": 0.3,
        "shear": 0.1,
        "elastic": 0.2,
        "intensity": 0.2,
        "noise": 0.1,
        "blur": 1.5,
        "invert": 0.0,
    }
