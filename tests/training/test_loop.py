"""One loop for both ways to learn: it judges when it should, saves, stops in its budget, and goes on after any stop."""

import pytest
import torch

from napari_instseg.core.events import Checkpoint, Metric, Progress
from napari_instseg.io.models import read_weights
from napari_instseg.training import loop
from napari_instseg.training.checkpoints import load_values
from napari_instseg.training.loop import Budget
from napari_instseg.training.train import train


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def close_at(events, wanted):
    """Take events until one is wanted, and close the run there; return whether there was one."""
    found = any(wanted(event) for event in events)
    events.close()
    return found


def is_judging(event):
    return isinstance(event, Progress) and event.what == "images" and event.done == 1


def test_a_run_closed_while_it_judges_judges_when_it_goes_on(tmp_path, disks, recipe):
    made = recipe(steps=5, validate_every=3)
    whole = list(train(made, *disks, tmp_path / "whole", device="cpu"))
    out = tmp_path / "stopped"
    stopped = train(made, *disks, out, device="cpu")
    learnt = close_at(stopped, lambda event: isinstance(event, Progress) and event.what == "steps" and event.done == 3)
    assert learnt  # closed between the third step and its judgement
    assert load_values(out / "training" / "checkpoint.safetensors")["step"] == 3
    rest = list(train(made, *disks, out, device="cpu", resume=True))
    judged = [event.step for event in rest if isinstance(event, Metric) and "mean_ap" in event.values]
    assert judged == [3, 5]
    assert same(read_weights(tmp_path / "whole"), read_weights(out))
    histories = [(folder / "training" / "history.csv").read_text() for folder in (tmp_path / "whole", out)]
    assert histories[0] == histories[1]
    assert whole[-1].value.name == "whole"


def test_it_saves_as_often_as_told_after_each_judgement_and_at_last(tmp_path, disks, recipe):
    events = list(train(recipe(steps=7, save_every=2, validate_every=3), *disks, tmp_path / "m", device="cpu"))
    saved = [event.step for event in events if isinstance(event, Checkpoint) and not event.best]
    assert saved == [2, 3, 4, 6, 7]


class Clock:
    """Time that goes on by a second whenever it is asked for."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1
        return self.now


def test_time_that_judging_takes_is_spent_and_time_of_who_listens_is_not(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    class Learner:
        spent = 0.0

    def judge():
        yield "looking"
        yield "found"

    learner = Learner()
    for _ in loop._timed(learner, judge()):
        clock.now += 1000
    assert learner.spent == 3


@pytest.mark.parametrize(
    ("budget", "done", "spent", "over"),
    [
        (Budget(5), 4, 1e9, False),
        (Budget(5), 5, 0.0, True),
        (Budget(0), 0, 0.0, True),
        (Budget(None, 60.0), 10**6, 59.0, False),
        (Budget(None, 60.0), 1, 60.0, True),
    ],
)
def test_a_budget_is_steps_or_seconds(budget, done, spent, over):
    class Learner:
        pass

    learner = Learner()
    learner.done, learner.spent = done, spent
    assert budget.is_spent(learner) == over
