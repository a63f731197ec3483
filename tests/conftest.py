"""Fixtures that several rooms' tests share."""

import sys
from importlib import import_module

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
