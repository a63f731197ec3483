"""Kill the program at random moments while it segments, trains, fine-tunes, edits and saves; look at what is left.

``python scripts/kill.py --tries 1000 --state kill.json`` prints, for each kind of work, the tries, those that were
struck in mid-work, and what was lost; after every try the counts are written to the state file, from which the same
command goes on. The exit code is 0 only if nothing was lost. Needs a system with fork (Linux, macOS).
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from napari_instseg.cli import app
from napari_instseg.inference.model import load_model
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.labels import read_labels
from napari_instseg.io.models import SPEC
from napari_instseg.io.pairs import pairs_from_arrays
from napari_instseg.io.projects import project_pairs
from napari_instseg.projects.project import Project
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.source import Source, readings
from napari_instseg.training import checkpoints, finetune_run
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_params import FinetuneParams, is_begun
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.train import train
from napari_instseg.training.trainer import CHECKPOINT, FOLDER
from napari_instseg.tuning.presets import Presets

STEPS = 6
SIDE = 96


def squares(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw bright squares on dark ground, and their labels."""
    rng = np.random.default_rng(seed)
    image, labels = rng.integers(0, 40, (SIDE, SIDE)).astype(np.uint8), np.zeros((SIDE, SIDE), np.int32)
    for number, (y, x) in enumerate((y, x) for y in range(4, SIDE - 12, 16) for x in range(4, SIDE - 12, 16)):
        image[y : y + 11, x : x + 11] += 160
        labels[y : y + 11, x : x + 11] = number + 1
    return image, labels


def recipe() -> Recipe:
    """Return a recipe of a tiny network that is saved and judged at every other step."""
    training = {"steps": STEPS, "batch_size": 2, "patch_size": 32, "workers": 0, "validate_every": 2, "save_every": 1}
    return Recipe.make("discriminative", {"network": {"width": 4, "levels": 1}, "training": training})


class Segment:
    """Three images through the command line: a result is right or not there; the next run makes all."""

    def __init__(self, place: Path, model: Path) -> None:
        self.images, self.model, self.names = place / "images", model, [f"{seed}" for seed in range(3)]
        self.images.mkdir()
        for seed, name in enumerate(self.names):
            tifffile.imwrite(self.images / f"{name}.tif", squares(seed)[0])

    def prepare(self) -> None:
        """Keep what is right; not in the process that is copied later, whose threads would not be."""
        for seed, name in enumerate(self.names):
            found = load_model(self.model).segment(squares(seed)[0], device="cpu")
            np.save(self.images.parent / f"{name}.npy", found.labels)

    def work(self, out: Path) -> None:
        """Segment all."""
        try:
            app.run(["segment", str(self.images), "--model", str(self.model), "--out", str(out), "--device", "cpu"])
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"segment ended with {end.code}") from None

    def check(self, out: Path) -> None:
        """Compare what is there, then do all."""
        self._compare(out)
        self.work(out)
        assert self._compare(out) == len(self.names)

    def _compare(self, out: Path) -> int:
        for path in out.rglob("*"):
            if path.suffix == ".tif" and not path.name.startswith("."):
                name = path.name.removesuffix(".tif").removesuffix("_labels")
                np.testing.assert_array_equal(read_labels(path), np.load(self.images.parent / f"{name}.npy"))
            elif path.suffix == ".csv" and not path.name.startswith("."):
                assert "label" in pd.read_csv(path).columns
            elif path.suffix == ".json" and not path.name.startswith("."):
                json.loads(path.read_text(encoding="utf-8"))
        return len([path for path in out.rglob("*.tif") if not path.name.startswith(".")])


class Train:
    """A training from nothing: it goes on from its last checkpoint, or begins anew where there is none."""

    def __init__(self, _place: Path, _model: Path) -> None:
        pairs = [squares(seed) for seed in range(3)]
        self.pairs = pairs_from_arrays([image for image, _ in pairs], [labels for _, labels in pairs])

    def work(self, out: Path, *, go_on: bool = False) -> None:
        """Train, from the beginning or from where it was stopped."""
        for event in train(recipe(), self.pairs[:2], self.pairs[2:], out, device="cpu", resume=go_on):
            if type(event).__name__ == "Checkpoint":
                _say(out, event.step)

    def check(self, out: Path) -> None:
        """Go on; what was said to be saved must be there."""
        path, said = out / FOLDER / CHECKPOINT, _said(out)
        saved = checkpoints.load_values(path)["step"] if path.exists() else 0
        assert saved >= said, f"step {said} was said to be saved, {saved} is"
        if (out / SPEC).exists():
            load_model(out)
        self.work(out, go_on=path.exists())
        load_model(out)
        assert checkpoints.load_values(path)["step"] == STEPS


class FineTune:
    """A fine-tuning from a few objects: it goes on, or begins anew where it had not yet begun."""

    def __init__(self, _place: Path, model: Path) -> None:
        image, labels = squares(0)
        labels[labels > 12] = -1
        pair = pairs_from_arrays([image], [np.maximum(labels, 0)])[0]
        self.examples, self.model = [(pair, None)], model
        finetune_run.SAVE_EVERY = 1

    def work(self, out: Path, *, go_on: bool = False) -> None:
        """Fine-tune, from the beginning or from where it was stopped."""
        params = FinetuneParams(batch_size=2, patch_size=32, validate_every=2)
        options = {"steps": STEPS, "params": params, "device": "cpu", "remembered": ((), ()), "resume": go_on}
        for event in finetune("" if go_on else str(self.model), [] if go_on else self.examples, out, **options):
            if type(event).__name__ == "Checkpoint":
                _say(out, event.step)

    def check(self, out: Path) -> None:
        """Go on; what was said to be saved must be there."""
        path, said, begun = out / FOLDER / CHECKPOINT, _said(out), is_begun(out)
        saved = checkpoints.load_values(path)["step"] if path.exists() else 0
        assert saved >= said, f"step {said} was said to be saved, {saved} is"
        assert begun == path.exists(), "a checkpoint without its run"
        if (out / SPEC).exists():
            load_model(out)
        self.work(out, go_on=begun)
        load_model(out)


class Edit:
    """Corrections in an open project, saved after each: what was said to be saved is there when it is reopened."""

    def __init__(self, _place: Path, _model: Path) -> None:
        self.image, self.labels = squares(0)

    def _open(self, out: Path) -> tuple[Project, Annotation, Source]:
        project = Project(out, _call, create=not (out / "project.json").exists())
        image = Source(self.image, "cells")
        example = project.find(image, readings(image)[0])
        return project, Annotation(self.labels.copy()) if example is None else project.corrections(example.name), image

    def work(self, out: Path) -> None:
        """Accept one object after the other."""
        project, corrections, image = self._open(out)
        project.follow(image, readings(image)[0], corrections)
        for number in range(1, 26):
            corrections.accept(number)
            assert project.flush()
            _say(out, number)
        project.close()

    def check(self, out: Path) -> None:
        """Reopen, and look for what was said."""
        said = _said(out)
        if not (out / "project.json").exists():
            assert not said
            self.work(out)
            return
        project, corrections, _ = self._open(out)
        project.close()
        assert corrections.accepted >= set(range(1, said + 1)), f"{said} accepted, {len(corrections.accepted)} there"
        np.testing.assert_array_equal(corrections.labels, self.labels)
        for pair, _ in project_pairs(out):
            pair.read()


class Save:
    """A model folder and presets written over and over: each is the old or the new one."""

    def __init__(self, _place: Path, model: Path) -> None:
        self.model = model

    def work(self, out: Path) -> None:
        """Write the same model and other presets."""
        presets, model = Presets("discriminative-nuclei", out), load_model(self.model)
        decode = model.method.decode
        for number in range(1, 40):
            model.save(out / "model")
            presets.save("mine", decode(min_size=number))
            _say(out, number)

    def check(self, out: Path) -> None:
        """Read both."""
        said = _said(out)
        values = Presets("discriminative-nuclei", out).read()
        assert bool(values) >= bool(said)
        if values:
            assert values["mine"]["min_size"] >= said
            load_model(out / "model")
        self.work(out)


COUNTED = ("tries", "struck", "lost")
KINDS = {"segment": Segment, "train": Train, "finetune": FineTune, "edit": Edit, "save": Save}


def _call(function: Callable[[], None]) -> None:
    function()


def _say(out: Path, number: int) -> None:
    """Say that something is saved, in a way that outlives the kill, beside what is looked at."""
    with (out.parent / "said").open("a", encoding="utf-8") as file:
        file.write(f"{number}\n")


def _said(out: Path) -> int:
    path = out.parent / "said"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return max(map(int, lines), default=0)


def in_child(call: Callable[[], None], log: Path, kill_after: float | None = None) -> tuple[int, float]:
    """Run something in a process of its own, maybe killed; return how it ended, and how long it took."""
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(out, 1)
            os.dup2(out, 2)
            call()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - begin


@dataclass
class Counts:
    """What was tried so far, by kind, and kept in a file."""

    path: Path | None
    seed: int
    done: int = 0
    kinds: dict[str, dict[str, int]] = field(
        default_factory=lambda: {kind: dict.fromkeys(COUNTED, 0) for kind in KINDS}
    )

    def read(self) -> None:
        """Go on from the file if it is there and of the same seed."""
        if self.path is not None and self.path.exists():
            known = json.loads(self.path.read_text(encoding="utf-8"))
            if known["seed"] != self.seed:
                raise SystemExit(f"{self.path} is of seed {known['seed']}, not {self.seed}; name another file.")
            self.done, self.kinds = known["done"], known["kinds"]

    def count(self, kind: str, **what: bool) -> None:
        """Count a try, and write the file."""
        self.done += 1
        for name, yes in {"tries": True, **what}.items():
            self.kinds[kind][name] += yes
        if self.path is not None:
            text = json.dumps({"seed": self.seed, "done": self.done, "kinds": self.kinds})
            write_bytes(self.path, text.encode())

    def __str__(self) -> str:
        """Say the counts in one line."""
        each = [f"{kind} {n['tries']} ({n['struck']} struck, {n['lost']} lost)" for kind, n in self.kinds.items()]
        return ", ".join(each)


def main() -> int:
    """Try all kinds in turn; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=50, help="in all")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, help="file of the counts, to go on from")
    given = parser.parse_args()
    counts = Counts(given.state, given.seed)
    counts.read()
    with tempfile.TemporaryDirectory(prefix="kill-", ignore_cleanup_errors=True) as place:
        _try_all(Path(place), given.kinds, given.tries, counts)
    print(counts, flush=True)
    return int(any(count["lost"] for count in counts.kinds.values()))


def _try_all(place: Path, names: Sequence[str], tries: int, counts: Counts) -> None:
    model, log = place / "model", place / "log"
    pairs = [squares(seed) for seed in range(2)]
    made = pairs_from_arrays([image for image, _ in pairs], [labels for _, labels in pairs])
    assert in_child(lambda: list(train(recipe(), made, made, model, device="cpu")), log)[0] == 0, log.read_text()
    kinds, lasts = {}, {}
    for kind in names:
        (place / kind).mkdir()
        kinds[kind] = KINDS[kind](place / kind, model)
        prepare = getattr(kinds[kind], "prepare", None)
        if prepare is not None:
            assert in_child(prepare, log)[0] == 0, log.read_text(errors="replace")
        for turn in ("cold", "warm"):
            out = place / kind / turn / "out"
            out.mkdir(parents=True)
            ended, lasts[kind] = in_child(lambda work=kinds[kind].work, out=out: work(out), log)
            assert ended == 0, log.read_text(errors="replace")
    print(f"seconds of an undisturbed run: {lasts}", flush=True)
    for number in range(counts.done, tries):
        kind, rng = names[number % len(names)], random.Random(counts.seed * 10**9 + number)
        room = place / kind / "try"
        out = room / "out"
        out.mkdir(parents=True)
        log.write_text("")
        struck, _ = in_child(lambda work=kinds[kind].work, out=out: work(out), log, rng.uniform(0, lasts[kind]))
        ended, _ = in_child(lambda check=kinds[kind].check, out=out: check(out), log)
        lost = struck not in (0, -signal.SIGKILL) or ended != 0
        counts.count(kind, struck=struck == -signal.SIGKILL, lost=lost)
        if lost:
            what = log.read_text(errors="replace")
            print(f"try {number}, {kind}: ended with {struck}, then {ended}\n{what}", flush=True)
        if counts.done % 20 == 0:
            print(f"{counts.done} of {tries}: {counts}", flush=True)
        shutil.rmtree(room)


if __name__ == "__main__":
    sys.exit(main())
