"""The program is killed at random points, again and again; nothing that was accepted is lost, and the project opens.

``KILL_TRIES=200 pytest tests/projects/test_killed_project.py -s`` tries more often and prints the count.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from napari_instseg.projects.project import Project
from napari_instseg.session.source import Source
from napari_instseg.training.finetune_params import is_begun

TRIES = int(os.environ.get("KILL_TRIES", "6"))
SHAPE, SIDE, STEP = (256, 256), 6, 8

EDITS = """
import sys
import numpy as np
from napari_instseg.session.annotation import Annotation
from napari_instseg.projects.project import Project
from napari_instseg.session.source import Source, readings

image = Source(np.load(sys.argv[2]), "cells")
reading = readings(image)[0]
post = lambda call: None
print("ready", flush=True)
while True:  # so that opening and closing are struck too
    project = Project(sys.argv[1], post)
    example = project.find(image, reading)
    if example is None:
        labels = np.zeros(image.shape, np.int32)
        corners = [(y, x) for y in range(0, 250, 8) for x in range(0, 250, 8)]
        for number, (y, x) in enumerate(corners, 1):
            labels[y:y + 6, x:x + 6] = number
        corrections = Annotation(labels)
    else:
        corrections = project.corrections(example.name)
    project.follow(image, reading, corrections)
    for _ in range(20):
        number = max(corrections.accepted, default=0) + 1
        corrections.accept(number)
        if not project.flush():
            sys.exit("not saved in time")
        print(number, flush=True)
    project.close()
"""

LEARNING = """
import sys
from pathlib import Path
from napari_instseg.core.events import Checkpoint
from napari_instseg.training import finetune_run as module
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_params import FinetuneParams, is_begun
from napari_instseg.training.annotations import open_examples
from napari_instseg.training.trainer import Trainer

def telling(owner, name, word):
    done = getattr(owner, name)
    def tell(*args, **options):
        print(word, flush=True)
        return done(*args, **options)
    setattr(owner, name, tell)

module.SAVE_EVERY = 1
telling(Trainer, "learn", "step")
telling(Trainer, "save", "checkpoint")
telling(Trainer, "mix_into_model", "judging")
telling(module.FineTuning, "save_model", "model")
project, model = Path(sys.argv[1]), sys.argv[2]
out = project / "versions" / "model-v2"
params = FinetuneParams(batch_size=1, patch_size=32, validate_every=3, augmentation="none")
go_on = is_begun(out)
print("ready", flush=True)
run = finetune(model, [] if go_on else open_examples(project), out, steps=100000, params=params,
               device="cpu", remembered=((), ()), resume=go_on)
for event in run:
    if isinstance(event, Checkpoint):
        print(event.step, flush=True)
"""


def kill_after_a_while(code, *arguments, lines=30):
    """Run a program, kill it at a random moment after at most so many lines, and give all that it said."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline().strip() == "ready", child.stderr.read()
    seen = [child.stdout.readline() for _ in range(random.randrange(lines))]
    time.sleep(random.uniform(0, 0.05))
    ended = child.poll()
    child.kill()
    said, problem = child.communicate()
    assert ended is None, problem
    # a line that was cut off was not said
    return [line.strip() for line in seen] + said.split("\n")[:-1]


def highest(said):
    return max((int(line) for line in said if line.isdigit()), default=0)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    Project(folder, lambda call: None, create=True).close()
    return folder


def test_killed_while_editing(project, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)
    np.save(tmp_path / "image.npy", image)
    accepted, lost = 0, 0
    for _ in range(TRIES):
        said = kill_after_a_while(EDITS, project, tmp_path / "image.npy")
        accepted = max(accepted, highest(said))
        again = Project(project, lambda call: None)
        found = again.corrections(again.spec.examples[0].name) if again.spec.examples else None
        again.close()
        on_disk = found.accepted if found is not None else set()
        lost += len(set(range(1, accepted + 1)) - on_disk)
        if found is not None:
            assert found.labels.max() == 32 * 32  # whole, as it was
        accepted = max(on_disk, default=0)
    print(f"\nkilled while editing: {TRIES} tries, {accepted} accepted objects, {lost} lost")  # noqa: T201 - the count is wanted
    assert lost == 0


def test_killed_while_learning(project, tmp_path, monkeypatch):
    from napari_instseg.inference.model import Model, load_model
    from napari_instseg.io.models import SPEC, ModelSpec
    from napari_instseg.session.annotation import Annotation
    from napari_instseg.session.source import readings
    from napari_instseg.training.checkpoints import load_values
    from napari_instseg.training.finetune import finetune

    model = Model(ModelSpec(name="m", method="coloring", diameter=10, network={"width": 8, "levels": 2}))
    model.save(tmp_path / "model")
    labels = np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate([(4, 4), (4, 40), (40, 4), (40, 40)], 1):
        labels[y : y + 12, x : x + 12] = number
    image = Source((100 + 80 * (labels > 0)).astype(np.uint8), "cells")
    image.array[0, 0] = 0
    opened = Project(project, lambda call: None)
    corrections = Annotation(labels)
    corrections.mark(np.s_[:, :], np.ones(corrections.labels.shape, bool))
    opened.follow(image, readings(image)[0], corrections)
    opened.flush()
    opened.close()
    out, reached, lost, struck = project / "versions" / "model-v2", 0, 0, Counter()
    tries = max(TRIES // 3, 2)
    for _ in range(tries):
        said = kill_after_a_while(LEARNING, project, tmp_path / "model", lines=60)
        reached = max(reached, highest(said))
        # what it began last and may not have ended
        struck[said[-1] if said and not said[-1].isdigit() else "between" if said else "start"] += 1
        Project(project, lambda call: None).close()
        if is_begun(out):
            step = load_values(out / "training" / "checkpoint.safetensors")["step"]
            lost += step < reached
            reached = step
        if (out / SPEC).exists():
            load_model(out)
    told = ", ".join(f"{number} in '{what}'" for what, number in sorted(struck.items()))
    print(f"\nkilled while learning: {tries} tries ({told}), {reached} steps, {lost} checkpoints lost")  # noqa: T201 - the count is wanted
    assert lost == 0
    if is_begun(out):
        *_, last = finetune("", [], out, steps=reached + 1, resume=True, device="cpu")
        assert last.value.folder == out
