"""A queue that stands in for the window's event loop: calls from threads wait in it until they are run."""

import queue
import time

import numpy as np
import pytest

from napari_instseg.io.models import ModelSpec
from napari_instseg.workspace.results import Results
from napari_instseg.workspace.source import Source, readings


class Loop:
    """Collects calls, as `Post`, and runs them in the thread that asks for it."""

    def __init__(self):
        self.calls = queue.Queue()

    def __call__(self, call):
        self.calls.put(call)

    def run_until(self, done, seconds=20.0):
        """Run calls until `done()`; fail after so many seconds."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "not done in time"
            try:
                self.calls.get(timeout=0.01)()
            except queue.Empty:
                continue

    def run_waiting(self):
        """Run the calls that wait now; give their number."""
        number = self.calls.qsize()
        for _ in range(number):
            self.calls.get()()
        return number


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def scene():
    """A prediction of the coloring method with 30 squares of 9 x 9 pixels, and their number."""
    from napari_instseg.inference.prediction import Prediction

    colors = np.full((4, 90, 108), 0.02, np.float32)
    colors[0] = 0.94
    number = 0
    for row in range(5):
        for column in range(6):
            number += 1
            part = (slice(18 * row + 4, 18 * row + 13), slice(18 * column + 4, 18 * column + 13))
            colors[(slice(None), *part)] = 0.05
            colors[(1 + (row + column) % 3, *part)] = 0.85
    return Prediction("coloring", {"colors": colors}), number


@pytest.fixture
def results_of():
    """Make the results of one image, as after a run, from a prediction and decode parameters."""

    def make(prediction, **parameters):
        source = Source(np.zeros(prediction.shape, np.float32), "image")
        loss = {"margin": 7} if prediction.method == "coloring" else {}
        results = Results(
            source, readings(source)[0], ModelSpec(name="m", method=prediction.method, diameter=9, loss=loss)
        )
        params = prediction.parameters(**parameters)
        results.remember((), prediction)
        results.settle((), prediction.pipeline.run(params), params)
        return results

    return make
