"""A viewer with the dock, and a model whose answer is known: what is brighter than its surroundings is an object."""

import sys
import threading
from importlib import import_module

import numpy as np
import pytest

BRIGHTNESS = '''
"""Brightness: a network of one weight, so that its answer is known without training."""

from typing import Literal

import numpy as np

from napari_instseg.core.method import Method, Output, Stage, View
from napari_instseg.core.params import Params, choice, flag, tunable
from napari_instseg.losses.params import ForegroundLoss
from napari_instseg.networks.params import NetworkParams


class Decode(Params):
    foreground_threshold: float = tunable(
        0.5, 0.0, 1.0, step=0.01, title="Foreground threshold", help="Higher: smaller objects."
    )
    min_size: int = tunable(20, 0, 5000, unit="px", title="Smallest object", help="Smaller ones are dropped.",
                            when=("sizes", ("limited",)))
    sizes: Literal["any", "limited"] = choice("limited", title="Sizes", help="Any size, or the smallest counts.")
    invert: bool = flag(False, title="Dark objects", help="Objects are dark instead of bright.", advanced=True)


def build(params, in_channels, ndim, classes):
    import torch

    class Brightness(torch.nn.Module):
        stride, halo, coordinates = 8, 8, "none"

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([20.0]))

        def forward(self, image, coordinates=None):
            return {"foreground": (image.mean(1, keepdim=True) - 0.5) * self.weight}

    return Brightness()


def compute_loss(raw, target, params):
    from napari_instseg.losses import foreground_loss

    return foreground_loss(raw["foreground"], target.labels, params)


def activate(raw, offset):
    return {"foreground": raw["foreground"].sigmoid()}


def components(data, params):
    from scipy import ndimage

    bright = data["foreground"] > params.foreground_threshold
    labels, number = ndimage.label(~bright if params.invert else bright)
    return {"pieces": labels.astype(np.int32), "number": number}


def sizes(data, params):
    size = np.bincount(data["pieces"].ravel(), minlength=data["number"] + 1)
    kept = size >= (params.min_size if params.sizes == "limited" else 1)
    kept[0] = False
    table = (np.cumsum(kept) * kept).astype(np.int32)
    labels = table[data["pieces"]]
    return {"labels": labels, "score": np.full(int(kept.sum()), 0.75, np.float32)}


METHOD = Method(
    name="brightness",
    title="Brightness",
    reference="nobody, 2026",
    summary="For tests.",
    network=NetworkParams,
    loss=ForegroundLoss,
    decode=Decode,
    outputs=(Output("foreground", "Foreground", "Probability of an object, (Y, X).", "map", over_views="mean"),),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=lambda params: (
        Stage("components", ("foreground_threshold", "invert"), components),
        Stage("sizes", ("min_size", "sizes"), sizes),
    ),
    inspect=(
        View("foreground", "Foreground", "Probability.", "image", ("foreground",), lambda data: data["foreground"],
             limits=(0.0, 1.0)),
        View("pieces", "Pieces", "Before sizes.", "labels", ("pieces",), lambda data: data["pieces"]),
        View("rgb", "Picture", "Three times the same.", "rgb", ("foreground",),
             lambda data: np.repeat(data["foreground"][..., None], 3, -1)),
        View("spots", "Spots", "Never there.", "points", ("seeds",), lambda data: data["seeds"]),
    ),
)
'''


@pytest.fixture
def brightness(tmp_path, monkeypatch):
    """The folder of a model of a method that was added as one file, with no other edit."""
    package = import_module("napari_instseg.methods")
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "brightness.py").write_text(BRIGHTNESS)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    package.methods.cache_clear()
    from napari_instseg.inference.model import Model
    from napari_instseg.io.models import ModelSpec

    spec = ModelSpec(
        name="bright",
        method="brightness",
        diameter=12,
        title="Bright spots",
        intended_use="Bright disks in tests.",
        normalization={"low": 0.0, "high": 100.0},
    )
    yield str(Model(spec).save(tmp_path / "bright"))
    sys.modules.pop("napari_instseg.methods.brightness", None)
    package.methods.cache_clear()


@pytest.fixture
def disks():
    """Make bright disks on a grid, and tell how many there are."""

    def make(shape=(120, 150), step=30, radius=6):
        y, x = np.indices(shape)
        inside = ((y % step - step // 2) ** 2 + (x % step - step // 2) ** 2) <= radius**2
        return inside.astype(np.float32) * 100, len(range(step // 2, shape[0], step)) * len(
            range(step // 2, shape[1], step)
        )

    return make


class Window:
    """A viewer with the dock, driven as a user would, and its event loop."""

    def __init__(self, viewer, dock, qtbot):
        self.viewer, self.dock, self.qtbot = viewer, dock, qtbot
        self.session = dock.session

    @property
    def state(self):
        """The newest state."""
        return self.session.state

    def wait(self, seconds=60.0):
        """Let the event loop turn until nothing runs and nothing waits; give its longest gap."""
        parts = (self.dock, self.dock.explorer, self.dock.layers)
        self.qtbot.waitUntil(lambda: all(part.idle for part in parts), timeout=int(seconds * 1000))
        self.qtbot.wait(30)

    def point(self, canvas, place):
        """Move the mouse to a place on the canvas, so that it is seen there.

        vispy drops a move that comes within 10 ms of the one before; the mouse would not be where the test says.
        """
        canvas._last_time = 0.0
        self.qtbot.mouseMove(canvas, place)

    def run(self):
        """Press Run and wait for its end."""
        self.dock.segment._run.click()
        assert self.state.running
        self.wait()

    def reopened(self):
        """The window after the X of its dock, and a dock that is opened anew."""
        from napari_instseg.widgets.dock import SegmentDock

        presets, model = self.presets, self.state.model
        self.close()
        dock = SegmentDock(self.viewer, presets=presets)
        self.viewer.window.add_dock_widget(dock, name="Segment")
        dock.segment.model.chosen.emit(model)
        made = Window(self.viewer, dock, self.qtbot)
        made.presets = presets
        return made

    def close(self):
        """Press the X of the dock."""
        self.dock.parent().title.close_button.click()
        self.qtbot.wait(50)

    def labels(self, name):
        return self.viewer.layers[f"{name} objects"]

    def row(self, name):
        return self.dock.tune.form.rows[name]


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot, tmp_path, brightness):
    """The dock in a viewer as napari hands it to plugins, with the brightness model."""
    from napari_instseg.widgets.dock import SegmentDock

    proxy = make_napari_viewer_proxy()
    dock = SegmentDock(proxy, presets=tmp_path / "presets")
    viewer = proxy.__wrapped__
    viewer.window.add_dock_widget(dock, name="Segment")
    dock.segment.model.chosen.emit(brightness)
    made = Window(viewer, dock, qtbot)
    made.presets = tmp_path / "presets"
    yield made
    dock.end()


class Turns:
    """What asks for a turn of the event loop from a thread of its own gets one, or there was none in half a minute."""

    def __init__(self):
        self._turned = threading.Event()
        self.given = []
        """Whether each that asked got its turn."""

    def turn(self):
        """Tell all that wait; the event loop calls this."""
        self._turned.set()

    def ask(self):
        """Wait for the next turn; in the event loop's own thread there is none to come."""
        if threading.current_thread() is threading.main_thread():
            self.given.append(False)
            return
        self._turned.clear()
        self.given.append(self._turned.wait(30))

    def asked_in(self, monkeypatch, owner, name):
        """Let a method ask for a turn before each of its calls."""
        true = getattr(owner, name)

        def asking(*args, **options):
            self.ask()
            return true(*args, **options)

        monkeypatch.setattr(owner, name, asking)


@pytest.fixture
def turns(qtbot):
    """Return whether the window gets its turn while something works: see `Turns`."""
    from qtpy.QtCore import QTimer

    made, timer = Turns(), QTimer()
    timer.setInterval(2)
    timer.timeout.connect(made.turn)
    timer.start()
    yield made
    timer.stop()
