"""Measure how long the window does not answer while a model learns: gaps of its event loop, beside those at rest.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/retrain_gaps.py`. With `--moving` the view
moves all the time, so that what drawing takes is in all figures; without a graphics card that is most of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from retrain_pictures import Tutorial

from napari_instseg.projects.retraining import Length

TICK_MS, MOVE_MS, REST_S = 5, 100, 5.0
LIMIT_S = 0.1


class Pulse:
    """A timer of the event loop that writes down how late it is."""

    def __init__(self, tutorial: Tutorial, moving: bool) -> None:
        self.gaps: dict[str, list[float]] = {}
        self._tutorial, self._last, self.phase = tutorial, time.perf_counter(), ""
        self._timers = [_timer(TICK_MS, self._tick)] + [_timer(MOVE_MS, self._move)] * moving

    def until(self, phase: Callable[[], str | None], seconds: float = 900.0) -> None:
        """Let the event loop run; `phase` names what goes on, None ends it."""
        loop, end = QEventLoop(), time.monotonic() + seconds

        def look() -> None:
            now = phase()
            if now is None or time.monotonic() > end:
                loop.quit()
            else:
                self.phase = now

        look()
        timer = _timer(TICK_MS, look)
        self._last = time.perf_counter()
        loop.exec_()
        timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.setdefault(self.phase, []).append(now - self._last)
        self._last = now

    def _move(self) -> None:
        camera = self._tutorial.viewer.camera
        _, y, x = camera.center
        turn = 2 * np.pi * (time.monotonic() % 2) / 2
        camera.center = (0, y + 2 * np.sin(turn), x + 2 * np.cos(turn))


def _timer(milliseconds: int, call: Callable[[], None]) -> QTimer:
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(call)
    timer.start(milliseconds)
    return timer


def measure(steps: int, project: Path, *, moving: bool) -> dict[str, list[float]]:
    """Return the gaps in seconds, by what went on."""
    tutorial = Tutorial(None)
    tutorial.prepare(project)
    dock, retraining = tutorial.dock, tutorial.dock.retrainer.retraining
    pulse = Pulse(tutorial, moving)
    rest = time.monotonic() + REST_S
    pulse.until(lambda: "at rest" if time.monotonic() < rest else None)
    dock.retrain.set_length(Length(steps, None))
    dock.retrain._start.click()

    def phase() -> str | None:
        if dock.retrainer.idle:
            return None
        if not retraining.step:
            return "begin: imports, scores before"
        return "learning" if retraining.step < steps else "last judgement, comparison"

    pulse.until(phase)
    tutorial.close()
    return pulse.gaps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--moving", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        gaps = measure(options.steps, Path(place) / "project", moving=options.moving)
    print(f"{'':32s}{'turns':>8s}{'median':>9s}{'99 %':>9s}{'longest':>9s}{'> 100 ms':>10s}")
    for name, values in gaps.items():
        ms = 1000 * np.array(values)
        longer = int((ms > 1000 * LIMIT_S).sum())
        print(f"{name:32s}{len(ms):8d}{np.median(ms):9.1f}{np.percentile(ms, 99):9.1f}{ms.max():9.1f}{longer:10d}")


if __name__ == "__main__":
    main()
