"""Training learns, stops in words, keeps the best, and goes on as if it had never been stopped."""

import csv
import dataclasses
import json
import math

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from napari_instseg.core.errors import InputError, TrainingError
from napari_instseg.core.events import Checkpoint, Message, Metric, Progress, Result
from napari_instseg.core.method import Target
from napari_instseg.inference.model import load_model
from napari_instseg.io.models import read_spec, read_weights
from napari_instseg.io.pairs import pairs_from_arrays
from napari_instseg.training import train as training
from napari_instseg.training.checkpoints import load
from napari_instseg.training.train import train
from napari_instseg.training.trainer import read_recipe


def run(recipe, pairs, out, **options):
    return list(train(recipe, *pairs, out, device="cpu", **options))


def losses(events):
    return [event.values for event in events if isinstance(event, Metric) and "loss" in event.values]


def scores(events):
    return [event.values for event in events if isinstance(event, Metric) and "mean_ap" in event.values]


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_model_is_learnt_and_finds_the_objects(tmp_path, disks, recipe, draw_disks):
    made = recipe(steps=50, batch_size=4, validate_every=50, learning_rate=1e-2, ema_decay=0.9)
    events = run(made, disks, tmp_path / "model")
    values = [terms["loss"] for terms in losses(events)]
    assert np.mean(values[-10:]) < 0.2 * np.mean(values[:10])
    assert scores(events)[-1]["ap_0.5"] > 0.9
    assert events[-1] == Result(tmp_path / "model")
    image, labels = draw_disks(99)
    found = load_model(tmp_path / "model").segment(image).labels
    assert found.max() == labels.max()
    assert ((found > 0) == (labels > 0)).mean() > 0.95


def test_what_lies_in_the_folder_tells_the_run(tmp_path, disks, recipe):
    out = tmp_path / "mödel 1"
    made = recipe(steps=5, validate_every=3)
    events = run(made, disks, out)
    spec = read_spec(out)
    assert (spec.method, spec.in_channels, spec.ndim, spec.name) == ("coloring", 1, 2, "mödel 1")
    assert spec.diameter == pytest.approx(11, rel=0.05)
    assert spec.network["width"] == 8
    assert spec.scores[0].images == 2
    with (out / "training" / "history.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [float(row["coloring"]) for row in rows] == pytest.approx([terms["coloring"] for terms in losses(events)])
    assert [bool(row["mean_ap"]) for row in rows] == [False, False, True, False, True]
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-3)
    assert iio.imread(out / "training" / "history.png").std() > 0
    assert read_recipe(out) == made
    assert [event.done for event in events if isinstance(event, Progress) and event.what == "steps"] == [1, 2, 3, 4, 5]


def test_the_same_seed_gives_the_same_model_and_another_another(tmp_path, disks, recipe):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(recipe(seed=seed), disks, tmp_path / name)
    assert same(read_weights(tmp_path / "a"), read_weights(tmp_path / "b"))
    assert not same(read_weights(tmp_path / "a"), read_weights(tmp_path / "c"))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_stopped_run_goes_on_as_if_it_had_never_been_stopped(tmp_path, disks, recipe, optimizer):
    made = recipe(steps=7, validate_every=3, save_every=100, optimizer=optimizer)
    whole = run(made, disks, tmp_path / "whole")
    stopped = train(made, *disks, tmp_path / "stopped", device="cpu")
    for event in stopped:
        if isinstance(event, Progress) and event.what == "steps" and event.done == 5:
            break
    stopped.close()
    assert load(tmp_path / "stopped" / "training" / "checkpoint.safetensors").values["step"] == 5
    rest = run(made, disks, tmp_path / "stopped", resume=True)
    assert losses(rest) == losses(whole)[5:]
    ends = [load(tmp_path / name / "training" / "checkpoint.safetensors") for name in ("whole", "stopped")]
    assert same(ends[0].tensors, ends[1].tensors)
    assert same(read_weights(tmp_path / "whole"), read_weights(tmp_path / "stopped"))
    histories = [(tmp_path / name / "training" / "history.csv").read_text() for name in ("whole", "stopped")]
    assert histories[0] == histories[1]


def test_steps_beyond_the_last_checkpoint_are_learnt_anew(tmp_path, disks, recipe):
    made = recipe(steps=6, validate_every=100, save_every=2)
    whole = run(made, disks, tmp_path / "whole")
    killed = train(made, *disks, tmp_path / "killed", device="cpu")
    for event in killed:
        if isinstance(event, Progress) and event.what == "steps" and event.done == 3:
            break
    checkpoint = tmp_path / "killed" / "training" / "checkpoint.safetensors"
    kept = checkpoint.read_bytes()
    killed.close()
    checkpoint.write_bytes(kept)  # a killed process does not write one as a closed generator does
    rest = run(made, disks, tmp_path / "killed", resume=True)
    assert losses(rest) == losses(whole)[2:]
    assert same(read_weights(tmp_path / "whole"), read_weights(tmp_path / "killed"))


def test_a_finished_run_can_be_prolonged_but_not_changed(tmp_path, disks, recipe):
    run(recipe(steps=2), disks, tmp_path / "model")
    again = run(recipe(steps=2), disks, tmp_path / "model", resume=True)
    assert not losses(again)
    assert isinstance(again[-1], Result)
    longer = run(recipe(steps=3), disks, tmp_path / "model", resume=True)
    assert len(losses(longer)) == 1
    with pytest.raises(TrainingError, match=r"training batch_size 2, not 3"):
        run(recipe(steps=4, batch_size=3), disks, tmp_path / "model", resume=True)
    with pytest.raises(TrainingError, match="method coloring, not discriminative"):
        run(recipe("discriminative"), disks, tmp_path / "model", resume=True)


def test_a_folder_with_a_model_is_not_overwritten(tmp_path, disks, recipe):
    run(recipe(), disks, tmp_path / "model")
    before = read_weights(tmp_path / "model")
    with pytest.raises(TrainingError, match="already holds a model"):
        run(recipe(seed=1), disks, tmp_path / "model")
    assert same(before, read_weights(tmp_path / "model"))
    with pytest.raises(TrainingError, match="nothing to resume"):
        run(recipe(), disks, tmp_path / "other", resume=True)


def test_the_best_model_is_kept_and_not_the_last(tmp_path, disks, recipe, monkeypatch):
    values = iter([0.2, 0.7, 0.4])
    true_headline = training.headline

    def headline(report):
        return {**true_headline(report), "mean_ap": next(values)}

    monkeypatch.setattr(training, "headline", headline)
    events = run(recipe(steps=6, validate_every=2), disks, tmp_path / "model")
    best = [event.step for event in events if isinstance(event, Checkpoint) and event.best]
    assert best == [2, 4]
    assert read_spec(tmp_path / "model").training["step"] == 4


def test_a_loss_that_is_not_finite_stops_with_its_terms(tmp_path, disks, recipe):
    made = recipe(steps=6, save_every=2)
    calls = []

    def compute_loss(raw, target, params):
        calls.append(1)
        terms = made.method.compute_loss(raw, target, params)
        return {**terms, "extra": next(iter(raw.values())).sum() * (math.inf if len(calls) == 4 else 0)}

    broken = dataclasses.replace(made, method=dataclasses.replace(made.method, compute_loss=compute_loss))
    with pytest.raises(TrainingError, match=r"step 4 is not finite: coloring = .*extra = (-?inf|nan)"):
        run(broken, disks, tmp_path / "model")
    state = load(tmp_path / "model" / "training" / "checkpoint.safetensors")
    assert state.values["step"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in state.tensors.values() if tensor.is_floating_point())


def test_a_gradient_that_is_not_finite_stops_and_is_not_applied(tmp_path, disks, recipe):
    made = recipe(steps=3)

    def compute_loss(raw, target, params):
        # the square root has an infinite slope at zero
        return {"root": (next(iter(raw.values())) * 0).abs().sqrt().sum()}

    broken = dataclasses.replace(made, method=dataclasses.replace(made.method, compute_loss=compute_loss))
    with pytest.raises(TrainingError, match="gradient at step 1 is not finite, with root = 0"):
        run(broken, disks, tmp_path / "model")


def test_without_held_out_images_the_scores_say_so(tmp_path, disks, recipe):
    events = run(recipe(), (disks[0], ()), tmp_path / "model")
    assert any(isinstance(event, Message) and event.warning and "held out" in event.text for event in events)
    assert read_spec(tmp_path / "model").scores[0].images == 6

    assert read_spec(tmp_path / "model").scores[0].data == "training images, nothing held out"
    assert "| training images, nothing held out | 6 |" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def without_objects(pairs):
    return pairs_from_arrays([pair.read().image for pair in pairs], [np.zeros_like(p.read().labels) for p in pairs])


def test_held_out_images_without_an_object_do_not_choose_the_best_weights(tmp_path, disks, recipe):
    events = run(recipe(), (disks[0], without_objects(disks[1])), tmp_path / "model")
    words = [event.text for event in events if isinstance(event, Message) and event.warning]
    assert words == ["None of the 2 held-out images has an object: scores are of the training images themselves."]
    spec = read_spec(tmp_path / "model")
    assert (spec.scores[0].images, spec.scores[0].data) == (6, "training images, nothing held out")
    assert spec.scores[0].mean_ap < 1


def test_an_image_with_an_object_is_among_the_scored_ones(tmp_path, disks, recipe):
    held_out = (*without_objects(disks[1]), disks[1][1])
    run(recipe(validate_on=1), (disks[0], held_out), tmp_path / "model")
    spec = read_spec(tmp_path / "model")
    assert (spec.scores[0].images, spec.scores[0].data) == (1, "validation images")
    assert spec.scores[0].mean_ap < 1


def test_a_run_does_not_go_on_with_other_images_or_for_fewer_steps(tmp_path, disks, recipe):
    out = tmp_path / "model"
    run(recipe(steps=3), disks, out)
    with pytest.raises(TrainingError, match=r"learnt 3 steps already, and 2 are asked for"):
        run(recipe(steps=2), disks, out, resume=True)
    with pytest.raises(TrainingError, match=r"The 5 images and labels .* are not the 6"):
        run(recipe(steps=5), (disks[0][1:], disks[1]), out, resume=True)
    example = disks[0][0].read()
    labels = example.labels.copy()
    labels[0, 0] = 1
    changed = (*pairs_from_arrays([example.image], [labels]), *disks[0][1:])
    with pytest.raises(TrainingError, match="start anew in another folder"):
        run(recipe(steps=5), (changed, disks[1]), out, resume=True)
    assert len(losses(run(recipe(steps=5), disks, out, resume=True))) == 2


def test_a_volume_is_learnt_by_a_3d_network(tmp_path, recipe, draw_disks):
    images, labels = zip(*(draw_disks(seed, volume=True) for seed in range(2)), strict=True)
    pairs = pairs_from_arrays(images, labels, axes="ZYX")
    run(recipe(patch_size=32, patch_depth=8), (pairs[:1], pairs[1:]), tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert model.spec.ndim == 3
    assert model.segment(images[0], axes="ZYX").labels.shape == images[0].shape


def test_classes_are_learnt_and_named(tmp_path, recipe, draw_disks):
    images, labels = zip(*(draw_disks(seed) for seed in range(3)), strict=True)
    pairs = pairs_from_arrays(images, labels, classes=[np.where(of > 0, of % 2 + 1, 0) for of in labels])
    seen = []
    made = recipe()

    def compute_loss(raw, target, params):
        assert isinstance(target, Target)
        seen.append(sorted(torch.unique(target.classes).tolist()))
        return made.method.compute_loss(raw, target, params)

    spy = dataclasses.replace(
        made, method=dataclasses.replace(made.method, compute_loss=compute_loss), classes=("even", "odd")
    )
    run(spy, (pairs, ()), tmp_path / "model")
    assert seen[0] == [0, 1, 2]
    assert read_spec(tmp_path / "model").classes == ("even", "odd")
    with pytest.raises(InputError, match="2 classes, but 1 are named"):
        run(dataclasses.replace(made, classes=("one",)), (pairs, ()), tmp_path / "other")


def test_the_recipe_is_json(recipe):
    made = recipe("discriminative", steps=9)
    assert type(made).from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert made.changed({"training": {"steps": 10}}).training.steps == 10
