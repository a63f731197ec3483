"""Fine-tuning as a generator of events: a model learns from a few corrections, keeps what it knew, and is judged."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import torch

from napari_instseg.core.device import choose_device
from napari_instseg.core.errors import ParameterError, TrainingError
from napari_instseg.core.events import Event, Message
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import load_model
from napari_instseg.io.models import CARD, SPEC, WEIGHTS, read_weights
from napari_instseg.training import replay
from napari_instseg.training.annotations import read_corrections, typical_diameter, write_annotated
from napari_instseg.training.finetune_params import RUN, FinetuneParams, is_begun
from napari_instseg.training.finetune_run import EXAMPLES, START, FineTuning, read_run, write_run
from napari_instseg.training.held_out import hold_out
from napari_instseg.training.loop import Budget
from napari_instseg.training.trainer import CHECKPOINT, FOLDER
from napari_instseg.training.verdict import LOST, MOST_LOSS, Scores, forgotten, in_short, score
from napari_instseg.zoo import find_model

MINUTES = 5.0
"""Of learning, where nobody says how long."""


def finetune(
    model: str | Path,
    examples: Sequence[tuple[Pair, float | None]],
    out: str | Path,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    params: FinetuneParams | None = None,
    remembered: tuple[Sequence[Pair], Sequence[Pair]] | None = None,
    device: str = "auto",
    resume: bool = False,
) -> Iterator[Event]:
    """Let a model learn from examples of which only part may be known.

    Parameters
    ----------
    model : str or Path
        A shipped name or a folder; it is not changed. When `resume` is set, that of the run, or empty.
    examples : sequence of (Pair, float or None)
        Images with labels, -1 where nothing is known, and the typical object diameter that the user gave for each, in
        pixels; see `open_examples`. Not read when `resume` is set: the run keeps its own copy.
    out : str or Path
        The folder of the new model; ``out/training`` holds what is needed to go on.
    steps, minutes : int, float, optional
        How long to learn, whichever is given, judging on the way included; with 0 steps the new model is the old one.
    params : FinetuneParams, optional
        Not read when `resume` is set.
    remembered : (sequence of Pair, sequence of Pair), optional
        Images of the model's own training kind to learn from and to judge by; those that are stored with it if None.
    device : {"auto", "cuda", "mps", "cpu"}
    resume : bool
        Go on from the last whole checkpoint in `out`, maybe for another time. The result is that of a run that was
        never stopped.

    Yields
    ------
    Message, Progress, Metric, Checkpoint
        `Metric` at each step (loss terms) and each look at what is held out (scores).
    Result
        At last, with an `Outcome`.

    Raises
    ------
    InputError
        If there is no example to learn from, or one cannot be used.
    TrainingError
        If `out` is taken, there is nothing to resume, the run to resume started from another model, or a loss is not
        finite.
    OutputError
        If something cannot be written.
    """
    if steps is not None and minutes is not None:
        raise ParameterError("Both steps and minutes are given; expected one of them.")
    if (steps or 0) < 0 or (minutes or 0) < 0:
        raise ParameterError("The time to learn is negative; expected 0 or more.")
    out = Path(out)
    chosen = choose_device(device)
    yield Message(chosen.reason)
    if resume:
        _check_start(out, str(model))
    else:
        yield from _begin(str(model), examples, out, params or FinetuneParams(), remembered, chosen.name)
    run = FineTuning(out, chosen.name)
    yield Message(run.words)
    if resume:
        run.trainer.restore()
        if not (out / SPEC).exists():  # killed between the first checkpoint and the first model
            run.save_model(None, None)
        yield Message(f"Going on after step {run.trainer.done}.")
    yield from run.learn(Budget(steps, 60 * (MINUTES if minutes is None else minutes)))
    yield from run.finish()


def _begin(
    name: str,
    examples: Sequence[tuple[Pair, float | None]],
    out: Path,
    params: FinetuneParams,
    remembered: tuple[Sequence[Pair], Sequence[Pair]] | None,
    device: str,
) -> Generator[Event, None, None]:
    """Fix all that the run depends on in its folder: start, examples, choices, scores before."""
    place = out / FOLDER
    if (out / SPEC).exists() or (place / CHECKPOINT).exists():
        raise TrainingError(f"'{out}' already holds a model or a run; resume it, or choose another folder.")
    _clear_start(place)
    model = load_model(name)
    new = yield from read_corrections(examples, model.spec.ndim, len(model.spec.classes))
    diameter = typical_diameter(one.learn for one in new)
    if not any((one.judge >= 0).any() for one in new):
        new = hold_out(new, params.held_out, diameter, params.seed)
    if remembered is None:
        old = yield from replay.read_replay(name)
    else:
        old = yield from replay.take_replay(*remembered, model.spec.ndim)
    old = tuple(one for one in old if one.learn.ndim == model.spec.ndim)
    if not any((one.judge > 0).any() for one in new):
        yield Message("There is only one object, so nothing is held out to judge by.", warning=True)
    known = yield from score(model, new, "learn", device)
    new_before = yield from score(model, new, "judge", device)
    old_before = yield from score(model, old, "judge", device)
    assert known is not None
    run = {
        "start": name,
        "params": params.model_dump(),
        "objects": int(known["true_objects"]),
        "start_score": known["ap"]["0.5"],
        "diameter": diameter,
        "before": {**in_short(new_before, old_before), **_lost_before(Path(name))},
        "simulated": remembered is None and replay.is_simulated(name),
    }
    model.save(place / START)
    write_annotated(place / EXAMPLES, new)
    write_annotated(place / replay.FOLDER, old)
    write_run(out, run)
    started = FineTuning(out, device)
    started.trainer.save()
    started.save_model(new_before, old_before)


_OF_A_START = re.compile(
    rf"({START}/({re.escape(SPEC)}|{re.escape(WEIGHTS)}|{CARD})|({EXAMPLES}|{replay.FOLDER})/\d{{4,}}\.npz|{re.escape(RUN)}"
    r"|(.*/)?\.[0-9a-f]{32}\.\w+)"
)
"""The files that a start writes, and what it leaves of one when it is killed."""


def _clear_start(place: Path) -> None:
    """Remove what a start that was killed has left, and nothing else.

    Raises
    ------
    TrainingError
        If something else is there.
    """
    files = sorted(path for path in place.rglob("*") if path.is_symlink() or not path.is_dir())
    others = [path for path in files if not _OF_A_START.fullmatch(path.relative_to(place).as_posix())]
    if place.is_symlink() or others:
        found = others[0] if others else place
        raise TrainingError(
            f"'{place}' is where learning keeps its files, but holds something else, '{found}'. Choose another folder "
            "for the new model; nothing was changed."
        )
    shutil.rmtree(place, ignore_errors=True)


def _lost_before(version: Path) -> Scores:
    """Return what a version and those before it lost on the old kind: all together may lose no more than one.

    Where they lost more, the user was told so and kept the version: then nothing.
    """
    if not is_begun(version):
        return {}
    earlier = read_run(version)
    lost = forgotten(earlier["before"], earlier.get("after", earlier["before"]))
    return {LOST: max(lost, 0.0)} if lost <= MOST_LOSS else {}


def _check_start(out: Path, model: str) -> None:
    """Check that a run started from this model, by its name or else by its weights; an empty name is any."""
    start = read_run(out)["start"]
    if model in ("", start):
        return
    own, other = read_weights(out / FOLDER / START), read_weights(find_model(model))
    if own.keys() != other.keys() or any(not torch.equal(own[name], other[name]) for name in own):
        raise TrainingError(
            f"The run in '{out}' started from the model '{start}', not from '{model}'. Name that one to go on, or "
            "start anew in another folder."
        )
