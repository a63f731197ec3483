"""A model learns from a few corrections, keeps what it knew, says when it got worse, and can be stopped at any step."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from napari_instseg.core.errors import InputError, ModelError, ParameterError, TrainingError
from napari_instseg.core.events import Message, Metric, Progress, Result
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.inference.model import Model, load_model
from napari_instseg.io.models import ModelSpec, read_spec, read_weights
from napari_instseg.methods import get_method, methods
from napari_instseg.training import finetune as beginning
from napari_instseg.training import finetune_run as running
from napari_instseg.training.checkpoints import load
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_params import RUN, FinetuneParams
from napari_instseg.training.finetune_run import read_run, write_run
from napari_instseg.training.options import choose_enlargement
from napari_instseg.training.replay import read_replay
from napari_instseg.training.train import train
from napari_instseg.training.trainer import read_recipe
from napari_instseg.training.verdict import forgotten

from .conftest import drain

QUICK = {"batch_size": 2, "patch_size": 48, "validate_every": 3, "augmentation": "gentle"}


@pytest.fixture(scope="module")
def start(tmp_path_factory, disks, recipe):
    """A small model that finds bright disks."""
    out = tmp_path_factory.mktemp("models") / "disks"
    made = recipe(steps=60, batch_size=4, validate_every=60, learning_rate=1e-2, ema_decay=0.9)
    list(train(made, *disks, out, device="cpu"))
    return out


def dark(example, known=None):
    """The same disks, dark on bright, which the model was not trained on; maybe only some of them known."""
    labels = example.labels if known is None else np.where(np.isin(example.labels, known), example.labels, -1)
    return Example(255 - example.image, "YX", labels.astype(np.int32))


def twice(example):
    """The same image at twice its size."""
    image, labels = (np.kron(array, np.ones((2, 2), array.dtype)) for array in (example.image, example.labels))
    return Example(image, "YX", labels)


def pair(name, example):
    return (Pair(name, lambda: example), None)


@pytest.fixture
def dark_examples(disks):
    return [pair(p.name, dark(p.read())) for p in disks[0][:4]]


def run(start, examples, out, **options):
    options = {"params": FinetuneParams(**QUICK), "device": "cpu", "remembered": ((), ()), **options}
    return list(finetune(start, examples, out, **options))


def terms(events):
    return [e.values for e in events if isinstance(e, Metric) and "loss" in e.values]


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_zero_steps_give_the_same_model(start, tmp_path, dark_examples):
    events = run(start, dark_examples, tmp_path / "new", steps=0)
    assert same(read_weights(start), read_weights(tmp_path / "new"))
    verdict = events[-1].value.verdict
    assert not verdict.better
    assert "0 steps" in verdict.words
    image, _ = dark_examples[0][0].read().image, None
    np.testing.assert_array_equal(
        load_model(start).segment(image).labels, load_model(tmp_path / "new").segment(image).labels
    )


def test_a_new_kind_of_image_is_learnt_and_the_old_is_kept(start, tmp_path, dark_examples, disks):
    params = FinetuneParams(**{**QUICK, "batch_size": 4, "validate_every": 50, "learning_rate": 1e-2})
    events = run(start, dark_examples, tmp_path / "new", steps=200, params=params, remembered=disks)
    verdict = events[-1].value.verdict
    assert verdict.before["mean_ap"] < 0.3
    assert verdict.after["mean_ap"] > verdict.before["mean_ap"] + 0.3
    assert verdict.after["old_mean_ap"] > 0.8 * verdict.before["old_mean_ap"]
    spec = read_spec(tmp_path / "new")
    assert spec.training["fine_tuned_from"] == str(start)
    # the best of the looks is kept; which one that is depends on the processor's rounding
    assert spec.training["fine_tuning_steps"] in {100, 150, 200}
    held = int(verdict.before["objects"])
    told = [score.data for score in spec.scores]
    assert told == [f"{held} held-out corrections", "stored images of the old kind"]
    # what was learnt now is remembered by those who learn from this model next
    assert len(drain(read_replay(tmp_path / "new"))) == sum(map(len, disks)) + len(dark_examples)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.50, 0.49, 0.30), 6),  # of 25 objects: .49 is no worse than .50 can tell, .30 is
        ((0.50, 0.45, 0.38), 6),  # many small steps down are not taken: the best so far is what counts
        ((0.10, 0.12, 0.11), 9),
        ((0.04, 0.03, 0.03), 3),  # nothing is better than the model at the start, so the best of them
    ],
)
def test_of_equally_good_weights_the_longer_learnt_are_kept(start, tmp_path, dark_examples, monkeypatch, scores, kept):
    told = iter([{"mean_ap": value, "objects": 25.0} for value in (0.05, *scores)])
    for module in (beginning, running):
        monkeypatch.setattr(module, "in_short", lambda new, old: {} if new is None else next(told, {}))
    run(start, dark_examples, tmp_path / "new", steps=9)
    assert read_spec(tmp_path / "new").training["fine_tuning_steps"] == kept


def test_what_forgets_goes_part_of_the_way_back(start, tmp_path, dark_examples, monkeypatch, disks):
    """Weights between the old and the new ones are judged and kept, as many new ones as forget nothing."""
    lost = iter([0.04, 0.0, 0.0])
    monkeypatch.setattr(running, "forgotten", lambda before, after: next(lost))
    run(start, dark_examples, tmp_path / "new", steps=2, remembered=disks)
    assert read_spec(tmp_path / "new").training["share_of_new_weights"] == 0.4
    first, kept = read_weights(start), read_weights(tmp_path / "new")
    learnt = load(tmp_path / "new" / "training" / "checkpoint.safetensors").tensors
    for name, weights in kept.items():
        new = learnt[f"average/{name}"]
        mixed = 0.6 * first[name].double() + 0.4 * new.double() if weights.is_floating_point() else new
        torch.testing.assert_close(weights.double(), mixed.double(), atol=2e-3, rtol=2e-3)  # kept in half precision
    assert any((first[name] != weights).any() for name, weights in kept.items())


def test_what_versions_before_forgot_counts(start, tmp_path, dark_examples, disks):
    """Else ten versions, each a little below the one before, would be far below the first."""
    first, second, third = (tmp_path / name for name in ("1", "2", "3"))
    run(start, dark_examples, first, steps=1, remembered=disks)
    values = read_run(first)
    values["after"] = {**values["before"], "old_mean_ap": values["before"]["old_mean_ap"] - 0.006}
    write_run(first, values)
    run(first, dark_examples, second, steps=1, remembered=disks)
    before = read_run(second)["before"]
    assert forgotten(before, {"old_mean_ap": before["old_mean_ap"] - 0.001}) == pytest.approx(0.007)
    values = read_run(second)
    values["after"] = {**before, "old_mean_ap": before["old_mean_ap"] - 0.001}
    write_run(second, values)
    run(second, dark_examples, third, steps=0, remembered=disks)
    before = read_run(third)["before"]
    assert forgotten(before, before) == pytest.approx(0.007)
    values["after"] = {**values["before"], "old_mean_ap": values["before"]["old_mean_ap"] - 0.03}
    write_run(second, values)
    run(second, dark_examples, tmp_path / "accepted", steps=0, remembered=disks)
    assert "old_lost" not in read_run(tmp_path / "accepted")["before"]  # the user was told, and kept it
    run(second, dark_examples, tmp_path / "4", steps=0)  # nothing to remember: nothing can be said
    assert forgotten(read_run(tmp_path / "4")["before"], {}) == 0


def test_an_unknown_kind_is_seen_larger_where_its_size_is_said(start, tmp_path, dark_examples):
    own = read_spec(start)
    sized = [(pair, 12.0) for pair, _ in dark_examples]
    larger = {}
    for name, params in (("auto", {}), ("same", {"enlarge": 1.0}), ("twice", {"enlarge": 2.0})):
        run(start, sized, tmp_path / name, steps=1, params=FinetuneParams(**QUICK, **params))
        spec = read_spec(tmp_path / name)
        larger[name] = spec.diameter / own.diameter
        assert spec.decode == own.decode
    assert larger == pytest.approx({"auto": 1.4, "same": 1.0, "twice": 2.0}, abs=0.01)
    run(start, sized, tmp_path / "nothing", steps=0)
    assert read_spec(tmp_path / "nothing").diameter == own.diameter
    assert choose_enlargement(FinetuneParams(), start_score=0.9) == 1.0  # a kind that it knows
    run(tmp_path / "auto", sized, tmp_path / "again", steps=1)
    assert read_spec(tmp_path / "again").diameter == read_spec(tmp_path / "auto").diameter  # and not larger each time


def test_objects_of_another_size_that_nobody_said_make_a_model_of_their_size(tmp_path, disks, recipe):
    """Also of a model that learnt from rescaled images: what it sees stays at its own scale."""
    half = tmp_path / "half"
    list(train(recipe(steps=2, diameter=5.5), *disks, half, device="cpu"))
    own = read_spec(half)
    assert (own.diameter, own.usual_diameter) == pytest.approx((5.5, 11), rel=0.05)
    large = [pair(p.name, twice(p.read())) for p in disks[0][:2]]
    run(half, large, tmp_path / "new", steps=1)
    new = read_spec(tmp_path / "new")
    assert new.diameter / own.diameter == pytest.approx(2, rel=0.1)
    assert new.usual_diameter / own.usual_diameter == pytest.approx(new.diameter / own.diameter, rel=0.01)


def test_stopped_and_resumed_equals_not_stopped(start, tmp_path, dark_examples):
    whole = run(start, dark_examples, tmp_path / "whole" / "m", steps=7)
    for stop in (1, 3, 5):
        out = tmp_path / str(stop) / "m"
        stopped = finetune(start, dark_examples, out, steps=7, params=FinetuneParams(**QUICK), remembered=((), ()))
        for event in stopped:
            if isinstance(event, Progress) and event.what == "steps" and event.done == stop:
                break
        stopped.close()
        assert load(out / "training" / "checkpoint.safetensors").values["step"] == stop
        rest = run("", [], out, steps=7, resume=True)
        assert terms(rest) == terms(whole)[stop:]
        assert same(read_weights(out), read_weights(tmp_path / "whole" / "m"))
        assert rest[-1].value.verdict == whole[-1].value.verdict


def test_stopped_while_it_is_judged_equals_not_stopped(start, tmp_path, dark_examples):
    whole = run(start, dark_examples, tmp_path / "whole" / "m", steps=4)
    out = tmp_path / "stopped" / "m"
    stopped = finetune(start, dark_examples, out, steps=4, params=FinetuneParams(**QUICK), remembered=((), ()))
    learning = False
    for event in stopped:
        learning = learning or isinstance(event, Metric)
        if learning and isinstance(event, Progress) and "judge" in event.what:
            break
    stopped.close()
    rest = run("", [], out, steps=4, resume=True)
    assert same(read_weights(out), read_weights(tmp_path / "whole" / "m"))
    assert rest[-1].value.verdict == whole[-1].value.verdict


def test_the_course_does_not_depend_on_how_long_it_will_be(start, tmp_path, dark_examples):
    short = run(start, dark_examples, tmp_path / "short", steps=3)
    longer = run(start, dark_examples, tmp_path / "longer", steps=6)
    assert terms(short) == terms(longer)[:3]
    timed = run(start, dark_examples, tmp_path / "timed", minutes=1e-6)
    assert len(terms(timed)) == 1
    assert terms(timed) == terms(longer)[:1]


def test_what_was_stopped_can_be_judged_as_it_is(start, tmp_path, dark_examples):
    out = tmp_path / "m"
    stopped = finetune(start, dark_examples, out, steps=50, params=FinetuneParams(**QUICK), remembered=((), ()))
    for event in stopped:
        if isinstance(event, Progress) and event.what == "steps" and event.done == 4:
            break
    stopped.close()
    rest = run("", [], out, steps=4, resume=True)
    assert not terms(rest)
    assert isinstance(rest[-1], Result)


def test_a_run_goes_on_only_from_its_own_model(start, tmp_path, dark_examples):
    out = tmp_path / "m"
    run(start, dark_examples, out, steps=1)
    shutil.copytree(start, tmp_path / "copy")
    assert len(terms(run(tmp_path / "copy", [], out, steps=2, resume=True))) == 1
    before = (out / "training" / "checkpoint.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"started from the model '.*disks', not from '.*m'"):
        run(out, [], out, steps=3, resume=True)
    with pytest.raises(ModelError, match="No model 'nowhere'"):
        run("nowhere", [], out, steps=3, resume=True)
    assert (out / "training" / "checkpoint.safetensors").read_bytes() == before


def test_a_mask_is_doubted(start, tmp_path, disks):
    def masked(example):
        return dataclasses.replace(example, labels=(example.labels > 0).astype(np.int32))

    examples = [pair(p.name, masked(p.read())) for p in disks[0][:2]]
    events = run(start, examples, tmp_path / "m", steps=0)
    assert any(isinstance(e, Message) and e.warning and "have only the id 1" in e.text for e in events)
    whole = run(start, [pair(p.name, p.read()) for p in disks[0][:2]], tmp_path / "w", steps=0)
    assert not any(isinstance(e, Message) and "have only the id 1" in e.text for e in whole)


@pytest.mark.parametrize("method", ["coloring", "discriminative", "semiconv", "metric"])
def test_unknown_pixels_teach_nothing(method, tmp_path, disks, recipe):
    """With nothing known but one object, and no holding to the old outputs, all else has a zero gradient."""
    from napari_instseg.core.method import Target

    made = recipe(method)
    example = disks[0][0].read()
    labels = torch.from_numpy(np.where(example.labels == 1, 1, -1).astype(np.int64))[None]
    network = made.method.build(made.network, 1, 2, 0)
    raw = {
        name: torch.randn(1, channels, *labels.shape[1:], requires_grad=True)
        for name, channels in ((n, h.shape[1]) for n, h in network(torch.zeros(1, 1, 48, 48)).items())
    }
    sum(made.method.compute_loss(raw, Target(labels), made.loss).values()).backward()
    for name, head in raw.items():
        if name != "sigma" and head.grad is not None:  # one number for the whole image
            assert not head.grad[:, :, labels[0] < 0].any()


@pytest.mark.parametrize("name", sorted(methods()))
def test_every_method_learns_and_is_held_to_what_it_said(name, tmp_path, disks):
    small = {"width": 8, "levels": 2, "anchor": 8}
    network = {key: value for key, value in small.items() if key in get_method(name).network.model_fields}
    torch.manual_seed(0)
    model = Model(ModelSpec(name="small", method=name, diameter=10, network=network)).save(tmp_path / "small")
    old = (disks[0][4:6], disks[1])
    params = FinetuneParams(**{**QUICK, "patch_size": 64, "batch_size": 3})
    events = run(model, [pair(p.name, dark(p.read())) for p in disks[0][:3]], tmp_path / "new",
                 steps=2, params=params, remembered=old)  # fmt: skip
    steps = [event.values for event in events if isinstance(event, Metric) and "loss" in event.values]
    assert steps[0]["hold"] < 1e-3 < 0.01 * steps[0]["loss"]
    assert steps[1]["hold"] > 0


def test_where_only_objects_are_known_the_old_word_keeps_the_rest_from_becoming_one(start, tmp_path, disks):
    """Nothing is known but the insides of objects, so without a hold nothing says what is background."""
    pairs = [p.read() for p in disks[0]]
    examples = [pair("", dataclasses.replace(e, labels=np.where(e.labels > 0, e.labels, -1))) for e in pairs]
    unknown = np.stack([e.labels == 0 for e in pairs])

    def background(model):
        colors = [load_model(model).predict(e.image).outputs["colors"][0] for e in pairs]
        return np.stack(colors)[unknown].mean()

    kept = {}
    for hold in (1.0, 0.0):
        params = FinetuneParams(**{**QUICK, "learning_rate": 3e-3, "validate_every": 100, "hold": hold})
        run(start, examples, tmp_path / f"hold {hold:g}", steps=100, params=params)
        kept[hold] = background(tmp_path / f"hold {hold:g}")
    assert kept[1.0] > 0.95 * background(start)
    assert kept[0.0] < kept[1.0] - 0.2


def test_a_model_that_got_worse_is_not_better_and_says_why(start, tmp_path, disks):
    """Labels that are wrong on purpose: background is taught as object, and what is right judges."""
    wrong = np.zeros_like(disks[0][0].read().labels)
    wrong[:20, :20], wrong[28:, 28:] = 1, 2
    bad = [pair(p.name, dataclasses.replace(p.read(), labels=wrong)) for p in disks[0][:2]]
    good = pair("good", disks[0][2].read())
    choices = {"learning_rate": 0.05, "hold": 0.0, "validate_every": 100, "held_out": 0.4, "seed": 1}
    events = run(start, [*bad, good], tmp_path / "new", steps=30, params=FinetuneParams(**{**QUICK, **choices}))
    assert read_run(tmp_path / "new")["before"]["mean_ap"] > 0.5  # the good one judges
    verdict = events[-1].value.verdict
    assert verdict.after["mean_ap"] < verdict.before["mean_ap"]
    assert not verdict.better
    assert "worse" in verdict.words
    assert "Possible reasons" in verdict.words
    assert events[-2] == Message(verdict.words, warning=True)


def test_gaps_between_objects_count_more_where_the_method_has_such_a_weight(start, tmp_path, dark_examples):
    run(start, dark_examples, tmp_path / "new", steps=0)
    loss = read_recipe(tmp_path / "new").loss
    assert (loss.gap_weight, loss.gap) == (FinetuneParams().gap_weight, 1)  # objects of 12 px
    assert load_model(tmp_path / "new").spec.loss == load_model(start).spec.loss


def test_frozen_parts_do_not_change(start, tmp_path, dark_examples):
    params = FinetuneParams(**{**QUICK, "frozen": "encoder"})
    run(start, dark_examples, tmp_path / "new", steps=3, params=params)
    before, after = read_weights(start), read_weights(tmp_path / "new")
    for name in before:
        part = name.split(".")[0]
        if part in ("stem", "down", "encoder") or "running" in name:
            assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["head.weight"], after["head.weight"])


def test_bad_input_in_words(start, tmp_path, dark_examples, disks):
    example = disks[0][0].read()
    unknown = dataclasses.replace(example, labels=np.full_like(example.labels, -1))
    with pytest.raises(InputError, match="no example with an object"):
        run(start, [pair("a", unknown)], tmp_path / "a", steps=1)
    with pytest.raises(InputError, match="no example with an object"):
        run(start, [], tmp_path / "a", steps=1)
    assert not (tmp_path / "a").exists()
    with pytest.raises(ParameterError, match="Both steps and minutes"):
        run(start, dark_examples, tmp_path / "a", steps=1, minutes=1)
    with pytest.raises(TrainingError, match="no fine-tuning in"):
        run(start, dark_examples, tmp_path / "a", steps=1, resume=True)
    run(start, dark_examples, tmp_path / "b", steps=1)
    with pytest.raises(TrainingError, match="already holds"):
        run(start, dark_examples, tmp_path / "b", steps=1)
    (tmp_path / "b" / "training" / RUN).write_text("{")
    with pytest.raises(TrainingError, match="damaged"):
        run("", [], tmp_path / "b", steps=2, resume=True)


def test_one_object_is_learnt_from_and_nothing_is_held_out(start, tmp_path, disks):
    events = run(start, [pair("one", dark(disks[0][0].read(), (1,)))], tmp_path / "new", steps=2)
    assert any(isinstance(e, Message) and e.warning and "nothing is held out" in e.text for e in events)
    verdict = events[-1].value.verdict
    assert "nothing can be said for sure" in verdict.words
    assert not verdict.better
    json.dumps(verdict.to_dict())


@pytest.mark.parametrize("method", ["semiconv", "clusternet"])
def test_a_model_with_classes_learns_from_labels_without(tmp_path, disks, recipe, method):
    """What has no class teaches nothing of classes: bright disks keep theirs, also of examples of one of them only."""

    def classed(p, number):
        example = p.read()
        of = np.where(example.labels > 0, 1 + example.labels % 2, 0).astype(np.int32)
        return Pair(f"{p.name} {number}", lambda: dataclasses.replace(example, classes=of))

    with_classes = [classed(p, number) for number, p in enumerate(disks[0])]
    made = dataclasses.replace(recipe(method, steps=4), classes=("even", "odd"))
    list(train(made, with_classes, with_classes[:1], tmp_path / "classed", device="cpu"))
    events = run(tmp_path / "classed", [(p, None) for p in disks[0][:4]], tmp_path / "new", steps=2)
    assert terms(events)
    assert all(np.isfinite(value) for values in terms(events) for value in values.values())
    assert load_model(tmp_path / "new").spec.classes == ("even", "odd")
