"""Fixtures that several rooms' tests share."""

import queue
import sys
import time
from importlib import import_module

import numpy as np
import pytest

# A whole method in one file: one logit per pixel, thresholded, connected components.
THIRD_METHOD = '''
"""Foreground alone: connected components of a thresholded probability."""

import numpy as np

from napari_instseg.core.method import Method, Output, Stage, View
from napari_instseg.core.params import tunable
from napari_instseg.losses.params import ForegroundLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.core.params import Params


class Decode(Params):
    level: float = tunable(0.5, 0.0, 1.0, step=0.01, title="Foreground level", help="Higher: smaller objects.")


def build(params, in_channels, ndim, classes):
    from napari_instseg.networks import build_network

    return build_network(params, {"foreground": 1}, in_channels, ndim)


def compute_loss(raw, target, params):
    from napari_instseg.losses import foreground_loss

    return foreground_loss(raw["foreground"], target.labels, params)


def activate(raw, offset):
    return {"foreground": raw["foreground"].sigmoid()}


def components(data, params):
    from scipy import ndimage

    labels, number = ndimage.label(data["foreground"] > params.level)
    return {"labels": labels.astype(np.int32), "score": np.ones(number, np.float32)}


METHOD = Method(
    name="third",
    title="Third method",
    reference="nobody, 2026",
    summary="For a test.",
    network=NetworkParams,
    loss=ForegroundLoss,
    decode=Decode,
    outputs=(Output("foreground", "Foreground", "Probability of an object, (Y, X).", "map"),),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=lambda params: (Stage("components", ("level",), components),),
    inspect=(
        View("foreground", "Foreground", "Probability.", "image", ("foreground",), lambda data: data["foreground"]),
    ),
)
'''


@pytest.fixture
def third_method(tmp_path, monkeypatch):
    """A method added as one file, with no other edit."""
    package = import_module("napari_instseg.methods")
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "third.py").write_text(THIRD_METHOD)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    package.methods.cache_clear()
    yield "third"
    sys.modules.pop("napari_instseg.methods.third", None)
    package.methods.cache_clear()


class Loop:
    """Stands in for the window's event loop: collects calls, as `Post`; the thread that asks runs them."""

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
    from napari_instseg.io.models import ModelSpec
    from napari_instseg.session.results import Results
    from napari_instseg.session.source import Source, readings

    def make(prediction, **parameters):
        source = Source(np.zeros(prediction.shape, np.float32), "image")
        loss = {"margin": 7} if prediction.method == "coloring" else {}
        results = Results(
            source, readings(source)[0], ModelSpec(name="m", method=prediction.method, diameter=9, loss=loss)
        )
        params = prediction.parameters(**parameters)
        results = results.with_prediction((), prediction)
        return results.settle((), prediction.pipeline.run(params), params)

    return make
