"""How much a model learns from so many corrected objects in so many minutes, beside learning from nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import ParameterError
from napari_instseg.core.events import Event, Message, Progress, Result
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.inference.model import Model, load_model
from napari_instseg.metrics import overlap
from napari_instseg.session.annotation import Annotation
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_params import FinetuneParams
from napari_instseg.training.held_out import find_centres
from napari_instseg.training.validate import evaluate

SQUARE = 2.5
"""Side of the square around a corrected object in which the simulated user sets all right, in its diameters."""

GO = 2.0
"""Minutes of learning between two goes at correcting."""

THE_MODEL, NOTHING = "the model", "nothing"

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Row:
    """One figure of the table.

    Parameters
    ----------
    model : str
    start : str
        ``"the model"`` or ``"nothing"``: what it learnt from.
    objects : int
        Corrected objects, those that are held out to choose the weights by among them.
    minutes : float
        Time of learning and of judging on the way.
    steps : int
        After which the weights were best on what the user's corrections held out.
    mean_ap, ap_50 : float
        On held-out images of the new kind.
    old_before, old_after : float, optional
        Mean AP on images of the old kind that were neither learnt from nor judged by.
    seed : int
        Of the choice among objects that are equally bad, and of learning.
    goes : int
        In so many goes the objects were corrected, the worst of what the model of the go before had learnt.
    """

    model: str
    start: str
    objects: int
    minutes: float
    steps: int
    mean_ap: float
    ap_50: float
    old_before: float | None = None
    old_after: float | None = None
    seed: int = 0
    goes: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


def benchmark_finetune(
    models: Sequence[str],
    learn: Sequence[Pair],
    held_out: Sequence[Pair],
    *,
    objects: Sequence[int] = (10, 30, 100, 300),
    minutes: Sequence[float] = (2.0, 5.0, 10.0),
    diameter: float | None = None,
    remembered: tuple[Sequence[Pair], Sequence[Pair]] | None = None,
    old_held_out: Sequence[Pair] = (),
    starts: Sequence[str] = (THE_MODEL, NOTHING),
    seconds_per_step: float | None = None,
    goes: int = 1,
    rows: list[Row] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Iterator[Event]:
    """Let a simulated user correct the worst objects, fine-tune, and score on held-out images.

    Parameters
    ----------
    models : sequence of str
        Shipped names or folders.
    learn, held_out : sequence of Pair
        Fully annotated images: the user corrects in the first, the result is scored on the second.
    objects : sequence of int
        Numbers of corrected objects; each set holds the smaller ones. 0 objects is the model as it is, always there.
    minutes : sequence of float
        Times of learning; a longer one goes on from a shorter one.
    diameter : float, optional
        Typical object diameter in the images, in pixels, as a user would give it.
    remembered : (sequence of Pair, sequence of Pair), optional
        Images of the models' own training kind to learn from and to judge by; those that are stored with each model if
        None.
    old_held_out : sequence of Pair
        Fully annotated images of the models' own training kind to score on before and after.
    starts : sequence of {"the model", "nothing"}
        What to learn from: the model, or the same network with random weights, on the same objects for the same time.
    seconds_per_step : float, optional
        Count so much time for each step instead of asking the clock, so that what a machine of known speed learns can
        be measured on one that is busy.
    goes : int
        In so many goes the user corrects, as many objects in each; between two of them the model learns for `GO`
        minutes, which count, and its worst objects are the next. All times are to be longer than that.
    rows : list of Row, optional
        Filled as the rows are measured, so that they are there if the benchmark is stopped.
    seed : int
    device : {"auto", "cuda", "mps", "cpu"}

    Yields
    ------
    Message, Progress
    Result
        A list of `Row`.

    Raises
    ------
    ParameterError
        If a time is too short for so many goes.
    """
    if goes < 1 or min(minutes) <= GO * (goes - 1):
        raise ParameterError(
            f"{goes} goes take {GO * (goes - 1):g} minutes of learning before the last one, and {min(minutes):g} are "
            "asked for; ask for fewer goes or longer times."
        )
    rows = [] if rows is None else rows
    total = len(models) * len(objects) * len(starts)
    with tempfile.TemporaryDirectory() as place:
        for number, name in enumerate(models):
            model = load_model(name)
            before = yield from _score(model, held_out, diameter, device)
            old_before = (yield from _score(model, old_held_out, None, device))["mean_ap"] if old_held_out else None
            rows.append(Row(name, THE_MODEL, 0, 0.0, 0, before["mean_ap"], before["ap"]["0.5"], old_before, seed=seed))
            truth = [pair.read() for pair in learn]
            order = yield from rank_objects(model, truth, diameter, seed, device)
            blank = str(_blank(model, Path(place) / f"blank {number}", seed))
            for count, start in product(objects, starts):
                yield Progress(len({(r.model, r.start, r.objects) for r in rows if r.objects}), total, "runs")
                keeps = start == THE_MODEL
                choices = {} if keeps else {"frozen": "nothing", "hold": 0.0, "learning_rate": 1e-3}
                params = FinetuneParams(seed=seed, **choices)
                old = remembered if keeps else ((), ())
                out = Path(place) / f"{number} {start} {count}"
                source, user, worst = name if keeps else blank, User(truth), order
                for go in range(1, goes):
                    user.correct(worst, round(count * go / goes))
                    first = out.with_name(f"{out.name}, go {go}")
                    length = _length(GO, seconds_per_step)
                    yield from _learn(source, user.examples, diameter, first, length, params, old, device)
                    source = str(first)
                    worst = yield from rank_objects(load_model(first), truth, diameter, seed, device)
                user.correct(worst, count)
                for spent in sorted(minutes):
                    # a longer time goes on from a shorter one
                    length = _length(spent - GO * (goes - 1), seconds_per_step)
                    yield from _learn(source, user.examples, diameter, out, length, params, old, device)
                    learnt = load_model(out)
                    found = yield from _score(learnt, held_out, diameter, device)
                    steps = int(learnt.spec.training["fine_tuning_steps"])
                    scores = found["mean_ap"], found["ap"]["0.5"]
                    row = Row(name, start, count, spent, steps, *scores, seed=seed, goes=goes)
                    if keeps and old_held_out:
                        after = yield from _score(learnt, old_held_out, None, device)
                        row = replace(row, old_before=old_before, old_after=after["mean_ap"])
                    rows.append(row)
                    yield Message(f"{name}, {count} objects, from {start}, {spent:g} min: {found['mean_ap']:.3f}")
    yield Result(rows)


def _length(minutes: float, seconds_per_step: float | None) -> dict[str, Any]:
    return {"steps": round(60 * minutes / seconds_per_step)} if seconds_per_step else {"minutes": minutes}


def rank_objects(
    model: Model, examples: Sequence[Example], diameter: float | None, seed: int, device: str
) -> Generator[Event, None, list[tuple[int, int]]]:
    """List image and id of all true objects, the one that the model finds worst first.

    Objects that it finds equally well, such as not at all, come in random order, so that the user corrects here and
    there.
    """
    worst: list[tuple[float, int, int]] = []
    for number, example in enumerate(examples):
        yield Progress(number, len(examples), "images to correct")
        found = model.segment(example.image, axes=example.axes, diameter=diameter, device=device)
        table = overlap(example.labels, found.labels)
        best = np.zeros(table.n_true)
        np.maximum.at(best, table.true_index, table.iou)
        worst += [(float(iou), number, int(id_)) for iou, id_ in zip(best, table.true_ids, strict=True)]
    yield Progress(len(examples), len(examples), "images to correct")
    mixed = [worst[i] for i in np.random.default_rng(seed).permutation(len(worst))]
    return [(number, id_) for _, number, id_ in sorted(mixed, key=lambda one: one[0])]


class User:
    """One who sets objects right: the worst first.

    Around each object a square is set right and marked as complete; every object that it touches is corrected and
    counts. All else stays unknown, but for the ring around what was corrected, see `Annotation.training_labels`.

    Parameters
    ----------
    truth : sequence of Example
        Fully annotated images.
    """

    def __init__(self, truth: Sequence[Example]) -> None:
        self._truth = truth
        self._corrections = [Annotation(example.labels.copy(), example.labels.ndim) for example in truth]
        self._centres = [dict(find_centres(example.labels)) for example in truth]
        self._done: set[tuple[int, int]] = set()

    def correct(self, order: Sequence[tuple[int, int]], count: int) -> None:
        """Go on with the first objects, image and id, that are not right yet, until so many are, all together."""
        for number, id_ in order:
            if len(self._done) >= count:
                break
            if (number, id_) in self._done:
                continue
            labels = self._truth[number].labels
            half = SQUARE / 2 * max(np.sqrt((labels == id_).sum() * 4 / np.pi), 8)
            square = tuple(slice(max(round(c - half), 0), round(c + half)) for c in self._centres[number][id_])
            inside = np.unique(labels[square])
            touched = inside[inside > 0]
            self._done |= {(number, int(one)) for one in touched}
            self._corrections[number].accept(*touched.tolist())
            self._corrections[number].mark(square, np.ones(labels[square].shape, bool))

    @property
    def examples(self) -> dict[int, Example]:
        """The images in which anything is known, by their number, with -1 elsewhere."""
        return {
            number: Example(example.image, example.axes, corrected.training_labels())
            for number, (example, corrected) in enumerate(zip(self._truth, self._corrections, strict=True))
            if corrected.says_something
        }


def _learn(
    source: str,
    examples: Mapping[int, Example],
    diameter: float | None,
    out: Path,
    length: dict[str, Any],
    params: FinetuneParams,
    old: tuple[Sequence[Pair], Sequence[Pair]] | None,
    device: str,
) -> Generator[Event, None, None]:
    resume = out.exists()
    pairs = [_pair(f"image {number}", example, diameter) for number, example in examples.items()]
    for event in finetune(source, pairs, out, params=params, remembered=old, device=device, resume=resume, **length):
        if isinstance(event, Progress) and event.what in ("seconds", "steps"):
            yield event


def _blank(model: Model, folder: Path, seed: int) -> Path:
    """Write a model of the same build with random weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Model(model.spec).save(folder)


def _pair(name: str, example: Example, diameter: float | None) -> tuple[Pair, float | None]:
    return Pair(name, lambda: example), diameter


def _score(model: Model, pairs: Sequence[Pair], diameter: float | None, device: str) -> Generator[Event, None, Any]:
    for event in evaluate(model, pairs, diameter=diameter, device=device):
        if isinstance(event, Result):
            return event.value
        yield event
    return None
