"""One fine-tuning: what its folder says of it, its steps, its judgements, and the model that it makes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_instseg.core.errors import TrainingError
from napari_instseg.core.events import Checkpoint, Event, Message, Metric, Progress, Result
from napari_instseg.inference.model import Model, load_model
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.models import FINE_TUNED_FROM
from napari_instseg.methods import get_method
from napari_instseg.metrics import Evaluation
from napari_instseg.training import material, memory
from napari_instseg.training.finetune_params import RUN, FinetuneParams
from napari_instseg.training.judge import (
    LOST,
    MOST_LOSS,
    Scores,
    Verdict,
    forgotten,
    give_verdict,
    in_short,
    is_better,
    score,
    smaller_share,
    standard_error,
)
from napari_instseg.training.plan import Plan, choose_enlargement, make_plan
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.samples import (
    Sample,
    load_batches,
)
from napari_instseg.training.seen import as_seen, background_is_known, enlargement
from napari_instseg.training.sites import SiteCrops
from napari_instseg.training.trainer import FOLDER
from napari_instseg.training.tuner import Tuner
from napari_instseg.training.validate import to_score

MINUTES = 5.0
"""Of learning, where nobody says how long."""
FOREVER = 1_000_000
"""Steps of the recipe: the course of a fine-tuning does not depend on when it will end."""
SAVE_EVERY = 20
DOUBT = 1.0
"""Standard errors of a score: what is lower by less counts as equal, since few objects judge and more steps help."""
OFTEN, RARER = 5, 3
"""So many times it is judged as often as the parameters say, then so many times more rarely."""
OTHER_SIZE = 1.5
"""Objects that differ from the model's by more than this factor make the new model one of their size."""

RETRAINED = ", retrained"
"""In the title of a new model."""
START, MATERIAL = "start", "material"
"""In ``<out>/training``: the model at the start, the examples as they were at the start."""


@dataclass(frozen=True)
class Outcome:
    """The result: the folder of the new model, and what is to be said of it."""

    folder: Path
    verdict: Verdict


class Run:
    """A fine-tuning with all that its folder says of it."""

    def __init__(self, out: Path, device: str) -> None:
        place = out / FOLDER
        self.out, self.values = out, read_run(out)
        self.params = FinetuneParams(**self.values["params"])
        model = load_model(place / START)
        self.planes = material.read_written(place / MATERIAL)
        self.old = material.read_written(place / memory.FOLDER)
        self._own = model.spec
        model.spec = model.spec.model_copy(update=self._size())
        self._scale = enlargement(model, self.planes)
        new = as_seen(model, [plane for plane in self.planes if (plane.learn >= 0).any()])
        old = as_seen(model, [plane for plane in self.old if (plane.learn > 0).any()])
        self.plan = self._make_plan(model, new, old)
        crops = {"batch_size": self.params.batch_size, "old_per_batch": self.plan.old_per_batch}
        self.crops = SiteCrops(new, old, self.plan.patch, self.plan.augmentation, self.params.seed, **crops)
        model.spec = model.spec.model_copy(update={"name": out.resolve().name, "scores": ()})
        self.tuner = Tuner(_recipe(model, self.params, self.plan), model, out, device, self.plan)

    def _size(self) -> dict[str, Any]:
        """Give the diameter at which the new model knows objects, and the sizes that it decodes with, if others."""
        if any(plane.diameter for plane in self.planes):
            score, again = self.values["start_score"], self._own.is_fine_tuned
            larger = choose_enlargement(self.params, score, again=again)
            return {"diameter": round(larger * self._own.diameter, 1)}
        # nobody said a size, so the network sees the images at the scale that it always does
        own, across = self._own, self.values["diameter"]
        larger = across / own.presumed_diameter
        if max(larger, 1 / larger) < OTHER_SIZE:
            return {}
        decode = get_method(own.method).decode(**own.decode).at_size(larger, own.ndim)
        usual = round(across, 1) if own.usual_diameter else None
        return {
            "diameter": round(larger * own.diameter, 1),
            "usual_diameter": usual,
            "decode": decode.model_dump(exclude_defaults=True),
        }

    @property
    def words(self) -> str:
        """What it learns from, and how."""
        images = len({plane.name for plane in self.planes})
        count = f"{self.values['objects']} object{'s' * (self.values['objects'] != 1)}"
        held = int(self.values["before"].get("objects", 0))
        return f"Learning from {count} in {images} image{'s' * (images != 1)}, {held} more held out. {self.plan.words}"

    def _make_plan(self, model: Model, new: Sequence[Sample], old: Sequence[Sample]) -> Plan:
        return make_plan(
            self.params,
            objects=self.values["objects"],
            known_background=background_is_known(new),
            start_score=self.values["start_score"],
            diameter=self.values["diameter"] * self._scale,
            old=len(old),
            stride=model.network.stride,
            largest=tuple(max(sides) for sides in zip(*(s.labels.shape for s in [*new, *old]), strict=True)),
        )

    def learn(self, steps: int | None, minutes: float | None) -> Generator[Event, None, None]:
        """Take steps until the time is over."""
        tuner, seconds = self.tuner, 60 * (MINUTES if minutes is None else minutes)
        judged = tuner.history.rows and "judged" in tuner.history.rows[-1]
        if tuner.done and self._is_due() and not judged:
            yield from self._judge()
        last = FOREVER if steps is None else steps
        batches = load_batches(self.crops, self.params.batch_size, tuner.done + 1, last, 0, tuner.device)
        if steps is not None or tuner.spent < seconds:
            begin = time.monotonic()
            for batch in batches:
                values = tuner.learn(batch)
                tuner.spent += time.monotonic() - begin
                yield Metric(tuner.done, values)
                yield (
                    Progress(tuner.done, steps, "steps")
                    if steps is not None
                    else Progress(min(round(tuner.spent), round(seconds)), round(seconds), "seconds")
                )
                if self._is_due():
                    yield from self._judge()
                if tuner.done % SAVE_EVERY == 0:
                    yield Checkpoint(tuner.done, tuner.save())
                if steps is None and tuner.spent >= seconds:
                    break
                begin = time.monotonic()

    def _is_due(self) -> bool:
        """Tell whether it is time to judge: at first often, later at every `RARER` times as many steps."""
        often, done = self.params.validate_every, self.tuner.done
        return done % (often if done <= OFTEN * often else RARER * often) == 0

    def _judge(self) -> Generator[Event, None, None]:
        """Score the averaged weights on what is held out; keep them if none were better.

        Where they have forgotten, weights between them and those of the start are judged instead.
        """
        tuner, before, begin, share = self.tuner, self.values["before"], time.monotonic(), 1.0
        while True:
            model = tuner.mix_into_model(share)
            old = yield from score(model, self.old, "judge", tuner.device)
            # going back cannot undo what earlier versions lost
            less = smaller_share(share, forgotten(before, in_short(None, old)) - before.get(LOST, 0.0))
            if less == share:
                break
            share = less
        new = yield from score(model, self.planes, "judge", tuner.device)
        tuner.spent += time.monotonic() - begin
        found = in_short(new, old)
        tuner.history.add(tuner.done, {**found, "judged": 1.0})
        yield Metric(tuner.done, found)
        # what forgets is never preferred to what does not; without anything held out the last one counts
        worth = found.get("mean_ap", 0.0) - (forgotten(before, found) > MOST_LOSS)
        # where few objects judge, a little less than the best so far is no reason against having learnt for longer
        as_good = worth > tuner.best - DOUBT * standard_error(found) and is_better(before, found)
        if worth > tuner.best or as_good or new is None:
            tuner.best = max(tuner.best, worth)
            self.values |= {"after": found, "step": tuner.done}
            path = self.save_model(new, old, share)
            write_run(self.out, self.values)
            yield Checkpoint(tuner.done, path, best=True)

    def finish(self) -> Generator[Event, None, None]:
        """Judge the last weights, and give the verdict on the best ones."""
        tuner = self.tuner
        judged = bool(tuner.history.rows) and "judged" in tuner.history.rows[-1]
        if tuner.done and not judged:
            yield from self._judge()
        tuner.save()
        learnt: Scores = {}
        before, after = self.values["before"], self.values.get("after", self.values["before"])
        if tuner.done and not is_better(before, after):
            learnt = in_short((yield from score(tuner.model, self.planes, "learn", tuner.device)), None)
        images = len({plane.name for plane in self.planes})
        counts = {"steps": tuner.done, "images": images, "objects": self.values["objects"]}
        simulated = self.values.get("simulated", False)
        verdict = give_verdict(before, after, learnt, **counts, simulated=simulated)
        memory.write_memory(self.out, self.old, self.planes)
        yield Message(verdict.words, warning=bool(tuner.done) and not verdict.better)
        yield Result(Outcome(self.out, verdict))

    def save_model(self, new: Evaluation | None, old: Evaluation | None, share: float = 1.0) -> Path:
        """Write the weights that were judged as the new model, with its card."""
        tuner, spec = self.tuner, self.tuner.model.spec
        images = len({plane.name for plane in self.planes})
        told = {
            **{key: value for key, value in spec.training.items() if key not in ("command", "step")},
            FINE_TUNED_FROM: self.values["start"],
            "learnt_from": f"{self.values['objects']} corrected objects in {images} image{'s' * (images != 1)}",
            "fine_tuning_steps": tuner.done,
            "fine_tuning": self.plan.words,
            "share_of_new_weights": share,
        }
        scores = []
        if new is not None:  # mostly so few that their number belongs to the score
            count = int(new["true_objects"])
            scores.append(to_score(new, f"{count} held-out correction{'s' * (count != 1)}"))
        if old is not None:
            scores.append(to_score(old, "stored images of the old kind"))
        title = spec.title if not tuner.done or spec.title.endswith(RETRAINED) else spec.title + RETRAINED
        update = {"name": spec.name, "title": title, "training": told, "scores": tuple(scores)}
        try:
            # after 0 steps it is still the old model, with its sizes
            tuner.model.spec = (spec if tuner.done else self._own).model_copy(update=update)
            return tuner.model.save(self.out)
        finally:
            tuner.model.spec = spec


def _recipe(model: Model, params: FinetuneParams, plan: Plan) -> Recipe:
    training = {
        "steps": FOREVER,
        "batch_size": params.batch_size,
        "learning_rate": plan.learning_rate,
        "optimizer": "muon",
        "schedule": "root",
        "warmup": 100,
        "ema_decay": 0.995,
        "seed": params.seed,
    }
    has = get_method(model.spec.method).loss.model_fields
    values = {
        "network": model.spec.network,
        "loss": {**model.spec.loss, **{name: value for name, value in plan.loss.items() if name in has}},
        "decode": model.spec.decode,
        "normalization": model.spec.normalization,
        "training": training,
        "augmentation": plan.augmentation.model_dump(),
    }
    return Recipe.make(model.spec.method, values, model.spec.classes)


def write_run(out: Path, values: dict[str, Any]) -> None:
    """Write what a fine-tuning in a folder was told and what it has found."""
    clean = json.dumps(values, indent=2, default=lambda v: None if isinstance(v, float) and math.isnan(v) else str(v))
    write_bytes(out / FOLDER / RUN, clean.encode("utf-8"))


def read_run(out: Path) -> dict[str, Any]:
    """Give what `write_run` wrote.

    Raises
    ------
    TrainingError
        If there is no fine-tuning in the folder, or its file is damaged.
    """
    path = out / FOLDER / RUN
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"There is no fine-tuning in '{out}' to go on with; start one.") from None
    except (OSError, ValueError) as error:
        raise TrainingError(f"'{path}' is damaged ({error}); start anew in another folder.") from None
    return values
