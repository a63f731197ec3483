"""Instance segmentation with pixel embeddings and colourings: napari, Python and the command line.

>>> import napari_instseg as instseg
>>> model = instseg.load_model("coloring-nuclei")       # a shipped name, or a folder
>>> prediction = model.predict(image)                   # the network, once
>>> segmentation = prediction.decode(min_size=40)       # labels and a table, as often as you like
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_instseg.core.errors import InstsegError
    from napari_instseg.core.method import Method, Output, Stage, View
    from napari_instseg.core.params import Params, choice, flag, text, tunable
    from napari_instseg.data.samples import load_sample
    from napari_instseg.decoding.pipeline import Segmentation
    from napari_instseg.inference.model import Model, load_model
    from napari_instseg.inference.prediction import Prediction
    from napari_instseg.io.images import read_image
    from napari_instseg.io.labels import read_labels
    from napari_instseg.methods import get_method, methods
    from napari_instseg.metrics import evaluate_labels
    from napari_instseg.training.loop import train
    from napari_instseg.zoo import shipped

__version__ = version("napari-instseg")

# Where each public name lives. Modules are imported when a name is first used, so that opening the window stays quick.
_HOMES = {
    "InstsegError": "core.errors",
    "Method": "core.method",
    "Model": "inference.model",
    "Output": "core.method",
    "Params": "core.params",
    "Prediction": "inference.prediction",
    "Segmentation": "decoding.pipeline",
    "Stage": "core.method",
    "View": "core.method",
    "choice": "core.params",
    "evaluate_labels": "metrics",
    "flag": "core.params",
    "get_method": "methods",
    "load_model": "inference.model",
    "load_sample": "data.samples",
    "methods": "methods",
    "read_image": "io.images",
    "read_labels": "io.labels",
    "shipped": "zoo",
    "text": "core.params",
    "train": "training.loop",
    "tunable": "core.params",
}

__all__ = [
    "InstsegError",
    "Method",
    "Model",
    "Output",
    "Params",
    "Prediction",
    "Segmentation",
    "Stage",
    "View",
    "__version__",
    "choice",
    "evaluate_labels",
    "flag",
    "get_method",
    "load_model",
    "load_sample",
    "methods",
    "read_image",
    "read_labels",
    "shipped",
    "text",
    "train",
    "tunable",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'napari_instseg' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
