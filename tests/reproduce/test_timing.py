"""Processor time of calls, by a clock that the test turns."""

import pytest

from napari_instseg.reproduce import timing
from napari_instseg.reproduce.timing import LEAST, cpu_seconds


class Clock:
    """Processor time that only work lets go on."""

    used = 0.0

    def process_time(self):
        return self.used


def test_it_is_the_mean_of_as_many_calls_as_are_enough_to_measure(monkeypatch):
    clock, calls = Clock(), []
    monkeypatch.setattr(timing, "time", clock)

    def work():
        calls.append(1)
        clock.used += LEAST / 3.5 if len(calls) > 1 else LEAST / 2

    assert cpu_seconds(work) == pytest.approx((LEAST / 2 + 2 * LEAST / 3.5) / 3)
    assert len(calls) == 3
