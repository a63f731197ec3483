"""The one loop in which a model learns, from scratch or from corrections, as a generator of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from napari_instseg.core.events import Checkpoint, Event, Metric, Progress
from napari_instseg.training.crops import Crops, load_batches
from napari_instseg.training.trainer import Trainer

FOREVER = 1_000_000
"""Steps where only the time ends a run."""


@dataclass(frozen=True)
class Budget:
    """How long to learn: until a step, or for so many seconds, judging on the way included.

    Parameters
    ----------
    steps : int or None
        None where the time says when to stop.
    seconds : float
        Over all sittings.
    """

    steps: int | None
    seconds: float = 0.0

    def is_spent(self, trainer: Trainer) -> bool:
        """Whether it is time to stop."""
        return trainer.spent >= self.seconds if self.steps is None else trainer.done >= self.steps

    def progress(self, trainer: Trainer) -> Progress:
        """Return how far a run is."""
        if self.steps is not None:
            return Progress(trainer.done, self.steps, "steps")
        return Progress(min(round(trainer.spent), round(self.seconds)), round(self.seconds), "seconds")


def learn(
    trainer: Trainer,
    crops: Crops,
    budget: Budget,
    judge: Callable[[], Generator[Event, None, None]],
    judge_at: Callable[[int], bool],
) -> Generator[Event, None, None]:
    """Take steps until the budget is spent, judge at some of them and at the last, and save now and then.

    Closed at any moment, also while it judges, it saves what was learnt; a run that goes on from there is bit for bit
    the one that was never closed.

    Parameters
    ----------
    trainer : Trainer
        Its recipe says the batch size and how often to save.
    crops : Crops
    budget : Budget
    judge : callable
        Scores the present weights, and writes them if they are the best. The time that it takes is spent, too.
    judge_at : callable
        Whether to judge after so many steps.
    """
    params = trainer.recipe.training

    def judged() -> Generator[Event, None, None]:
        yield from _timed(trainer, judge())
        yield Checkpoint(trainer.done, trainer.save())

    try:
        # a run that was closed while it judged does so now
        if trainer.done and not trainer.history.is_judged and (judge_at(trainer.done) or budget.is_spent(trainer)):
            yield from judged()
        steps = range(0) if budget.is_spent(trainer) else range(trainer.done + 1, (budget.steps or FOREVER) + 1)
        begin = time.monotonic()
        for batch in load_batches(crops, params.batch_size, steps, params.workers, trainer.device):
            terms = trainer.learn(batch)
            trainer.spent += time.monotonic() - begin
            yield Metric(trainer.done, terms)
            yield budget.progress(trainer)
            if judge_at(trainer.done) or budget.is_spent(trainer):
                yield from judged()
            elif trainer.done % params.save_every == 0:
                yield Checkpoint(trainer.done, trainer.save())
            if budget.is_spent(trainer):
                break
            begin = time.monotonic()
    except GeneratorExit:
        trainer.save()
        raise


def _timed(trainer: Trainer, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """Pass events on, and count the time that they took; what the window does with them is not counted."""
    begin = time.monotonic()
    for event in events:
        trainer.spent += time.monotonic() - begin
        yield event
        begin = time.monotonic()
    trainer.spent += time.monotonic() - begin
