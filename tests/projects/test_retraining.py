"""Retraining behind the window: paused, gone on with after a restart, judged, kept or thrown away."""

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_instseg.inference.model import Model
from napari_instseg.io.models import ModelSpec, read_spec, read_weights
from napari_instseg.projects.comparison import CompareOrder, find_changes
from napari_instseg.projects.project import Project
from napari_instseg.projects.retraining import Length, Retraining, version_models
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.source import Source, readings
from napari_instseg.training.finetune_params import FinetuneParams

PARAMS = FinetuneParams(batch_size=1, patch_size=32, validate_every=2, augmentation="none")
LONG = Length(100_000, None)


def squares():
    labels = np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate([(4, 4), (4, 40), (40, 4), (40, 40)], 1):
        labels[y : y + 12, x : x + 12] = number
    return labels


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    spec = ModelSpec(name="m", method="coloring", diameter=12, network={"width": 8, "levels": 2})
    return str(Model(spec).save(tmp_path_factory.mktemp("models") / "m"))


@pytest.fixture
def image():
    return Source((100 + 80 * (squares() > 0) + np.eye(64)).astype(np.uint8), "cells")


@pytest.fixture
def project(tmp_path, loop, image):
    made = Project(tmp_path / "project", loop, create=True)
    corrections = Annotation(squares())
    corrections.mark(np.s_[:, :], np.ones(corrections.labels.shape, bool))
    made.follow(image, readings(image)[0], corrections)
    made.flush()
    yield made
    made.close()


@pytest.fixture
def retraining(loop, project):
    made = Retraining(loop)
    made.take_project(project)
    yield made
    made.close()


def order(image):
    return CompareOrder(image, readings(image)[0], ())


def until(loop, done):
    loop.run_until(done, seconds=200.0)


def test_a_model_is_learnt_compared_and_kept(loop, retraining, project, model, image):
    learnt, compared, kept = [], [], []
    retraining.learnt.connect(lambda step, values: learnt.append((step, values)))
    retraining.compared.connect(compared.append)
    retraining.kept.connect(kept.append)
    assert retraining.obstacle(model) == ""
    retraining.start(model, Length(3, None), PARAMS, "cpu", order(image))
    assert "is running" in retraining.obstacle(model)
    until(loop, lambda: retraining.state == "to judge")
    assert [step for step, values in learnt if "loss" in values] == [1, 2, 3]
    assert [step for step, values in learnt if "mean_ap" in values] == [2, 3]
    assert compared[0].before.shape == image.shape
    version = retraining.version
    assert version.words
    assert project.spec.versions == (version,)
    assert version_models(project) == {}
    retraining.keep()
    assert kept == [str(project.version_folder("m-v2"))]
    assert list(version_models(project)) == ["m-v2"]
    assert read_spec(kept[0]).training["fine_tuned_from"] == model
    # the next one takes the place of the first, unless both are kept
    for both in (True, False):
        before = list(version_models(project))
        retraining.start(kept[-1], Length(0, None), PARAMS, "cpu", None)
        until(loop, lambda: retraining.state == "to judge")
        retraining.keep(both=both)
        expected = before if both else before[:-1]
        assert list(version_models(project)) == [*expected, f"m-v{len(kept) + 1}"]


def test_the_same_as_in_python(loop, retraining, project, model, tmp_path):
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune

    retraining.start(model, Length(3, None), PARAMS, "cpu", None)
    until(loop, lambda: retraining.state == "to judge")
    list(finetune(model, open_examples(project.folder), tmp_path / "own", steps=3, params=PARAMS, device="cpu"))
    mine, own = read_weights(retraining.folder), read_weights(tmp_path / "own")
    assert all(torch.equal(mine[name], own[name]) for name in own)


def test_images_that_the_project_names_are_remembered(loop, retraining, project, model, tmp_path):
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune
    from napari_instseg.training.replay import describe_replay, open_replay

    for number in range(3):
        for kind, array in (("images", 90 * (squares() == 0) + np.eye(64)), ("labels", squares())):
            (tmp_path / "old" / kind).mkdir(parents=True, exist_ok=True)
            imsave(tmp_path / "old" / kind / f"old {number}.png", array.astype(np.uint8), check_contrast=False)
    assert describe_replay(model) == "nothing"
    project.remember(model, tmp_path / "old")
    retraining.start(model, Length(3, None), PARAMS.changed(batch_size=4), "cpu", None)
    until(loop, lambda: retraining.state == "to judge")
    assert "old_mean_ap" in retraining.version.before
    assert describe_replay(retraining.folder) == "4 images stored with it", "three of the old kind, and the new one"
    examples, remembered = open_examples(project.folder), open_replay(project.folder, model)
    how = {"steps": 3, "params": PARAMS.changed(batch_size=4), "device": "cpu"}
    list(finetune(model, examples, tmp_path / "own", remembered=remembered, **how))
    list(finetune(model, examples, tmp_path / "forgets", **how))
    mine, own, other = (read_weights(f) for f in (retraining.folder, tmp_path / "own", tmp_path / "forgets"))
    assert all(torch.equal(mine[name], own[name]) for name in own)
    assert any(not torch.equal(mine[name], other[name]) for name in own)
    # gone since: told before anything is learnt
    told = []
    retraining.told.connect(lambda words, tone: told.append((tone, words)))
    retraining.roll_back()
    (tmp_path / "old").rename(tmp_path / "gone")
    retraining.start(model, Length(3, None), PARAMS, "cpu", None)
    until(loop, lambda: not retraining.running)
    assert told[-1][0] == "error"
    assert "There is no folder" in told[-1][1]
    assert retraining.state == "idle"


def test_paused_closed_and_gone_on_with_equals_not_stopped(loop, retraining, project, model, tmp_path):
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune

    steps = []
    retraining.learnt.connect(lambda step, values: steps.append(step))
    retraining.start(model, LONG, PARAMS, "cpu", None)
    until(loop, lambda: len(steps) >= 4)
    retraining.pause()
    until(loop, lambda: retraining.state == "paused")
    reached = max(steps)
    project.close()
    again = Project(project.folder, loop)  # as after a restart
    later, retold = Retraining(loop), []
    later.learnt.connect(lambda step, values: retold.append((step, values)))
    later.take_project(again)
    known = [step for step, values in retold if "loss" in values]
    assert known == list(range(1, len(known) + 1))
    assert reached <= len(known) <= reached + 1, "the step that was under way may not have been told"
    judged = [step for step, values in retold if "mean_ap" in values]
    assert judged in (list(range(2, known[-1] + 1, 2)), list(range(2, known[-1], 2))), "nor judged"
    assert (again.unfinished().steps, again.unfinished().minutes) == (LONG.steps, LONG.minutes)
    assert later.state == "paused"
    later.resume(Length(reached + 3, None), "cpu", None)
    until(loop, lambda: later.state == "to judge")
    examples = open_examples(project.folder)
    list(finetune(model, examples, tmp_path / "own", steps=reached + 3, params=PARAMS, device="cpu"))
    mine, own = read_weights(later.folder), read_weights(tmp_path / "own")
    assert all(torch.equal(mine[name], own[name]) for name in own)
    later.close()
    again.close()


def test_stop_and_judge_and_roll_back(loop, retraining, project, model):
    steps = []
    retraining.learnt.connect(lambda step, values: steps.append(step))
    retraining.start(model, LONG, PARAMS, "cpu", None)
    until(loop, lambda: len(steps) >= 2)
    retraining.finish("cpu", None)
    until(loop, lambda: retraining.state == "to judge")
    folder = retraining.folder
    assert read_spec(folder).training["fine_tuning_steps"] <= max(steps)
    retraining.roll_back()
    assert retraining.state == "idle"
    assert not folder.exists()
    assert project.spec.versions == ()


def test_what_cannot_be_learnt_from_is_told_and_leaves_nothing(loop, tmp_path, model, image):
    told = []
    retraining = Retraining(loop)
    retraining.told.connect(lambda words, tone: told.append((tone, words)))
    assert "project first" in retraining.obstacle(model)
    project = Project(tmp_path / "p", loop, create=True)
    retraining.take_project(project)
    assert "nothing to learn from" in retraining.obstacle(model)
    assert "Choose a model" in retraining.obstacle("")
    project.follow(image, readings(image)[0], Annotation(squares()))  # nothing of it is accepted
    project.flush()
    retraining.start(model, Length(1, None), PARAMS, "cpu", None)
    until(loop, lambda: not retraining.running)
    assert told[-1] == ("error", told[-1][1])
    assert "no example with an object" in told[-1][1]
    assert retraining.state == "idle"
    assert project.spec.versions == ()
    project.close()


def test_changes_are_counted_and_the_same_objects_have_the_same_id(image):
    before = squares()
    after = np.zeros_like(before)
    after[before == 2] = 1  # the same
    after[30:38, 4:16] = 2  # new
    after[40:46, 4:16] = 3  # a half of object 3
    found = find_changes(order(image), before, after)
    assert (found.lost, found.gained, found.reshaped) == (2, 1, 1)
    assert set(np.unique(found.after[before == 2])) == {2}
    assert set(np.unique(found.changed[before == 2])) == {0}
    assert set(np.unique(found.changed[30:38, 4:16])) == {2}
    assert set(np.unique(found.changed[before == 1])) == {1}
    assert set(np.unique(found.changed[40:46, 4:16])) == {3}
    same = find_changes(order(image), before, before[::1].copy())
    assert (same.lost, same.gained, same.reshaped) == (0, 0, 0)
    assert not same.changed.any()


def test_one_held_out_object_is_one():
    from napari_instseg.training.verdict import give_verdict

    for number, words in ((1, "On 1 held-out object it is"), (2, "On 2 held-out objects it is")):
        scores = {"mean_ap": 0.5, "objects": number}
        assert words in give_verdict(scores, scores, {}, steps=50, images=2, objects=20).words
