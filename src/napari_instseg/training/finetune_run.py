"""One fine-tuning: what its folder says of it, its judgements, and the model that it makes."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from napari_instseg.core.errors import TrainingError
from napari_instseg.core.events import Checkpoint, Event, Message, Metric, Result
from napari_instseg.inference.model import Model, load_model
from napari_instseg.inference.rescale import rescale_factor
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import PathText, Strict, Unreadable, read_record
from napari_instseg.io.models import FINE_TUNED_FROM, LARGEST
from napari_instseg.methods import get_method
from napari_instseg.metrics import Evaluation
from napari_instseg.training import replay
from napari_instseg.training.annotations import Annotated, read_annotated
from napari_instseg.training.crops import CropsOfKnown, prepare
from napari_instseg.training.distillation import Distillation
from napari_instseg.training.finetune_params import RUN, FinetuneParams
from napari_instseg.training.loop import FOREVER, Budget, learn
from napari_instseg.training.options import Options, choose_enlargement, choose_options
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.trainer import FOLDER, Trainer
from napari_instseg.training.validate import to_score
from napari_instseg.training.verdict import (
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

SAVE_EVERY = 20
DOUBT = 1.0
"""Standard errors of a score: what is lower by less counts as equal, since few objects judge and more steps help."""
OFTEN, RARER = 5, 3
"""So many times it is judged as often as the parameters say, then so many times more rarely."""
OTHER_SIZE = 1.5
"""Objects that differ from the model's by more than this factor make the new model one of their size."""

RETRAINED = ", retrained"
"""In the title of a new model."""
START, EXAMPLES = "start", "material"
"""In ``<out>/training``, since version 0.1.0: the model at the start, the examples as they were at the start."""

NEAR = 4
"""Pixels from an object: known background that is nearer may be no more than a ring around what was accepted."""


@dataclass(frozen=True)
class Outcome:
    """The result: the folder of the new model, and what is to be said of it."""

    folder: Path
    verdict: Verdict


class FineTuning:
    """A fine-tuning with all that its folder says of it.

    Parameters
    ----------
    out : Path
        The folder of the new model.
    device : str
        A torch device name.
    """

    def __init__(self, out: Path, device: str) -> None:
        place = out / FOLDER
        self.out, self.values = out, read_run(out)
        self.params = FinetuneParams(**self.values["params"])
        model = load_model(place / START)
        self.new, self.old = read_annotated(place / EXAMPLES), read_annotated(place / replay.FOLDER)
        self._own = model.spec
        model.spec = model.spec.model_copy(update=self._size())
        new = _as_seen(model, [one for one in self.new if (one.learn >= 0).any()])
        old = _as_seen(model, [one for one in self.old if (one.learn > 0).any()])
        self.options = self._choose_options(model, new, old)
        options, params = self.options, self.params
        batches = {"batch_size": params.batch_size, "old_per_batch": options.old_per_batch}
        self.crops = CropsOfKnown(new, old, options.patch, options.augmentation, params.seed, **batches)
        model.spec = model.spec.model_copy(update={"name": out.resolve().name, "scores": ()})
        held = Distillation(options.hold_new, options.hold_old, options.old_per_batch)
        self.trainer = Trainer(_recipe(model, params, options), model, out, device, held, options.frozen)

    def _size(self) -> dict[str, Any]:
        """Return the diameter at which the new model knows objects, and the sizes that it decodes with, if others."""
        if any(one.diameter for one in self.new):
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
        images = len({one.name for one in self.new})
        count = f"{self.values['objects']} object{'s' * (self.values['objects'] != 1)}"
        held = int(self.values["before"].get("objects", 0))
        places = f"{images} image{'s' * (images != 1)}"
        return f"Learning from {count} in {places}, {held} more held out. {self.options.words}"

    def _choose_options(self, model: Model, new: Sequence[Annotated], old: Sequence[Annotated]) -> Options:
        scale = float(np.median([rescale_factor(model.spec, one.diameter) for one in self.new]))
        return choose_options(
            self.params,
            objects=self.values["objects"],
            known_background=_background_is_known(new),
            start_score=self.values["start_score"],
            diameter=self.values["diameter"] * scale,
            old=len(old),
            stride=model.network.stride,
            largest=tuple(max(sides) for sides in zip(*(one.learn.shape for one in [*new, *old]), strict=True)),
        )

    def learn(self, budget: Budget) -> Generator[Event, None, None]:
        """Take steps until the time is over, and judge."""
        yield from learn(self.trainer, self.crops, budget, self._judge, self._judge_at)

    def _judge_at(self, step: int) -> bool:
        """Tell when to judge: at first often, later at every `RARER` times as many steps."""
        often = self.params.validate_every
        return step % (often if step <= OFTEN * often else RARER * often) == 0

    def _judge(self) -> Generator[Event, None, None]:
        """Score the averaged weights on what is held out; keep them if none were better.

        Where they have forgotten, weights between them and those of the start are judged instead.
        """
        trainer, before, share = self.trainer, self.values["before"], 1.0
        while True:
            model = trainer.mix_into_model(share)
            old = yield from score(model, self.old, "judge", trainer.device)
            # going back cannot undo what earlier versions lost
            less = smaller_share(share, forgotten(before, in_short(None, old)) - before.get(LOST, 0.0))
            if less == share:
                break
            share = less
        new = yield from score(model, self.new, "judge", trainer.device)
        found = in_short(new, old)
        trainer.history.add(trainer.done, {**found, "judged": 1.0})
        yield Metric(trainer.done, found)
        # what forgets is never preferred to what does not; without anything held out the last one counts
        worth = found.get("mean_ap", 0.0) - (forgotten(before, found) > MOST_LOSS)
        # where few objects judge, a little less than the best so far is no reason against having learnt for longer
        as_good = worth > trainer.best - DOUBT * standard_error(found) and is_better(before, found)
        if worth > trainer.best or as_good or new is None:
            trainer.best = max(trainer.best, worth)
            self.values |= {"after": found, "step": trainer.done}
            path = self.save_model(new, old, share)
            write_run(self.out, self.values)
            yield Checkpoint(trainer.done, path, best=True)

    def finish(self) -> Generator[Event, None, None]:
        """Return the verdict on the best weights."""
        trainer = self.trainer
        learnt: Scores = {}
        before, after = self.values["before"], self.values.get("after", self.values["before"])
        if trainer.done and not is_better(before, after):
            learnt = in_short((yield from score(trainer.model, self.new, "learn", trainer.device)), None)
        images = len({one.name for one in self.new})
        counts = {"steps": trainer.done, "images": images, "objects": self.values["objects"]}
        simulated = self.values.get("simulated", False)
        verdict = give_verdict(before, after, learnt, **counts, simulated=simulated)
        replay.write_replay(self.out, self.old, self.new)
        yield Message(verdict.words, warning=bool(trainer.done) and not verdict.better)
        yield Result(Outcome(self.out, verdict))

    def save_model(self, new: Evaluation | None, old: Evaluation | None, share: float = 1.0) -> Path:
        """Write the weights that were judged as the new model, with its card."""
        trainer, spec = self.trainer, self.trainer.model.spec
        images = len({one.name for one in self.new})
        told = {
            **{key: value for key, value in spec.training.items() if key not in ("command", "step")},
            FINE_TUNED_FROM: self.values["start"],
            "learnt_from": f"{self.values['objects']} corrected objects in {images} image{'s' * (images != 1)}",
            "fine_tuning_steps": trainer.done,
            "fine_tuning": self.options.words,
            "share_of_new_weights": share,
        }
        scores = []
        if new is not None:  # mostly so few that their number belongs to the score
            count = int(new["true_objects"])
            scores.append(to_score(new, f"{count} held-out correction{'s' * (count != 1)}"))
        if old is not None:
            scores.append(to_score(old, "stored images of the old kind"))
        title = spec.title if not trainer.done or spec.title.endswith(RETRAINED) else spec.title + RETRAINED
        update = {"name": spec.name, "title": title, "training": told, "scores": tuple(scores)}
        try:
            # after 0 steps it is still the old model, with its sizes
            trainer.model.spec = (spec if trainer.done else self._own).model_copy(update=update)
            return trainer.model.save(self.out)
        finally:
            trainer.model.spec = spec


def _as_seen(model: Model, images: Sequence[Annotated]) -> list[Annotated]:
    """Normalise and rescale as prediction will."""
    spec = model.spec
    return [prepare(one, spec.in_channels, model.normalization, rescale_factor(spec, one.diameter)) for one in images]


def _background_is_known(images: Sequence[Annotated]) -> bool:
    """Return whether more background is known than rings around objects."""
    from scipy import ndimage

    objects = [one.learn > 0 for one in images]
    near = [ndimage.binary_dilation(inside, np.ones((3,) * inside.ndim), iterations=NEAR) for inside in objects]
    far = sum(int(((one.learn == 0) & ~close).sum()) for one, close in zip(images, near, strict=True))
    return far > 0.5 * sum(int(inside.sum()) for inside in objects)


def _recipe(model: Model, params: FinetuneParams, options: Options) -> Recipe:
    training = {
        "steps": FOREVER,
        "batch_size": params.batch_size,
        "learning_rate": options.learning_rate,
        "optimizer": "muon",
        "schedule": "root",
        "warmup": 100,
        "ema_decay": 0.995,
        "seed": params.seed,
        "save_every": SAVE_EVERY,
        "workers": 0,
    }
    has = get_method(model.spec.method).loss.model_fields
    values = {
        "network": model.spec.network,
        "loss": {**model.spec.loss, **{name: value for name, value in options.loss.items() if name in has}},
        "decode": model.spec.decode,
        "normalization": model.spec.normalization,
        "training": training,
        "augmentation": options.augmentation.model_dump(),
    }
    return Recipe.make(model.spec.method, values, model.spec.classes)


def write_run(out: Path, values: dict[str, Any]) -> None:
    """Write what a fine-tuning in a folder was told and what it has found."""
    clean = json.dumps(values, indent=2, default=lambda v: None if isinstance(v, float) and math.isnan(v) else str(v))
    write_bytes(out / FOLDER / RUN, clean.encode("utf-8"))


def read_run(out: Path) -> dict[str, Any]:
    """Return what `write_run` wrote.

    Raises
    ------
    TrainingError
        If there is no fine-tuning in the folder, or its file is damaged.
    """
    path = out / FOLDER / RUN
    try:
        return read_record(path, _FinetuneFile).model_dump(exclude_unset=True)
    except FileNotFoundError:
        raise TrainingError(f"There is no fine-tuning in '{out}' to go on with; start one.") from None
    except Unreadable as error:
        raise TrainingError(f"'{path}' is damaged ({error}); start anew in another folder.") from None


class _FinetuneFile(Strict):
    """What `write_run` writes."""

    start: PathText
    params: FinetuneParams
    objects: int = Field(ge=0)
    start_score: float | None
    diameter: float = Field(gt=0, le=LARGEST)
    before: dict[str, float]
    after: dict[str, float] = Field(default_factory=dict)
    simulated: bool = False
    step: int = Field(0, ge=0)
