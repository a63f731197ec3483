"""Is the new model better? What is held out, what was forgotten, and what is said of it."""

import numpy as np
import pytest

from napari_instseg.data.pairs import Example
from napari_instseg.inference.model import load_model
from napari_instseg.training.annotations import split_up
from napari_instseg.training.verdict import give_verdict, score, smaller_share

from .conftest import drain


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shipped_model_is_scored_on_grey_images_and_on_pictures(channels):
    labels = np.zeros((96, 96), np.int32)
    for number, (y, x) in enumerate([(10, 10), (10, 60), (60, 30)]):
        labels[y : y + 20, x : x + 20] = number + 1
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    shown, axes = (image, "YX") if channels == 1 else (np.repeat(image[..., None], 3, -1), "YXC")
    given = list(split_up("tissue", Example(shown, axes, labels), 2))
    found = drain(score(load_model("discriminative-nuclei"), given, "learn", "cpu"))
    assert found["true_objects"] == 3


@pytest.mark.parametrize(
    ("share", "lost", "wanted"),
    [
        (1.0, 0.008, 1.0),
        (1.0, -0.01, 1.0),
        (1.0, 0.0081, 0.95),  # always a step lower
        (1.0, 0.032, 0.5),  # a quarter of the loss at half of the way
        (0.5, 0.032, 0.25),
        (0.5, 0.009, 0.45),
        (1.0, 2.0, 0.2),
        (0.2, 2.0, 0.2),
    ],
)
def test_the_share_of_new_weights_goes_with_the_root_of_what_may_be_lost(share, lost, wanted):
    assert smaller_share(share, lost) == wanted


@pytest.mark.parametrize(
    ("old", "simulated", "words"),
    [
        ({"old_mean_ap": 0.5}, True, "These are simulated"),
        ({"old_mean_ap": 0.5, "old_objects": 300.0}, False, "0.50 before, 0.50 after."),
        ({"old_mean_ap": 0.5, "old_objects": 90.0}, False, "These are few; others may have lost more."),
        ({}, True, "what it forgot is not known"),
    ],
)
def test_the_verdict_says_how_much_is_known_of_what_was_forgotten(old, simulated, words):
    before, after = ({"mean_ap": value, "objects": 20.0, **old} for value in (0.2, 0.4))
    verdict = give_verdict(before, after, {}, steps=100, images=3, objects=80, simulated=simulated)
    assert verdict.better
    assert words in verdict.words
    assert ("simulated" in verdict.words) == (simulated and bool(old))
    assert ("few" in verdict.words) == (old.get("old_objects") == 90)


def test_the_verdict_counts_what_versions_before_forgot():
    before = {"mean_ap": 0.3, "objects": 20.0, "old_mean_ap": 0.585, "old_objects": 400.0, "old_lost": 0.015}
    after = {**before, "mean_ap": 0.4, "old_mean_ap": 0.575}
    verdict = give_verdict(before, after, {}, steps=100, images=3, objects=80)
    assert not verdict.better
    assert "(the versions before it lost 0.0" in verdict.words
    assert "It forgets what it knew" in verdict.words
    alone = give_verdict({**before, "old_lost": 0.0}, after, {}, steps=100, images=3, objects=80)
    assert alone.better
    assert "the versions before it" not in alone.words


@pytest.mark.parametrize(
    ("objects", "after", "old", "wanted"),
    [
        (3.0, 0.1, {}, "too few to tell"),
        (9.0, 0.9, {}, "too few to tell"),
        (10.0, 0.9, {}, "better"),
        (10.0, 0.1, {}, "not better"),
        (3.0, 0.9, {"old_mean_ap": 0.5}, "not better"),  # what it forgot is known from many
    ],
)
def test_fewer_than_ten_held_out_objects_tell_nothing(objects, after, old, wanted):
    before = {"mean_ap": 0.5, "objects": objects, **old}
    verdict = give_verdict(
        before,
        {**before, "mean_ap": after, **dict.fromkeys(old, 0.4)},
        {},
        steps=100,
        images=3,
        objects=80,
    )
    assert verdict.outcome == wanted
    assert verdict.better == (wanted == "better")
    assert ("too few objects to tell" in verdict.words) == (objects < 10)
