"""Instance segmentation with pixel embeddings and colourings: napari, Python and the command line.

>>> import napari_instseg as instseg
>>> segmentation = instseg.segment(image)               # the kind of image, the model, the size: found by themselves
>>> model = instseg.load_model("coloring-nuclei")       # a shipped name, or a folder
>>> prediction = model.predict(image)                   # the network, once
>>> segmentation = prediction.decode(min_size=40)       # labels and a table, as often as you like
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from napari_instseg.core.errors import InstsegError
    from napari_instseg.core.method import Method, Output, Stage, View
    from napari_instseg.core.params import Params, choice, flag, text, tunable
    from napari_instseg.data.samples import load_sample
    from napari_instseg.data.simulate import simulate
    from napari_instseg.data.stains import unmix
    from napari_instseg.decoding.pipeline import Segmentation
    from napari_instseg.inference.auto import find_kind, segment
    from napari_instseg.inference.fit import Known, fit
    from napari_instseg.inference.model import Model, load_model
    from napari_instseg.inference.prediction import Prediction
    from napari_instseg.io.images import read_image
    from napari_instseg.io.labels import read_labels
    from napari_instseg.io.pairs import open_pairs, pairs_from_arrays
    from napari_instseg.methods import get_method, methods
    from napari_instseg.metrics import evaluate_labels
    from napari_instseg.scale.run import segment_large
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune
    from napari_instseg.training.finetune_params import FinetuneParams
    from napari_instseg.training.recipe import Recipe
    from napari_instseg.training.train import train
    from napari_instseg.zoo import shipped

# Where each public name lives. Modules are imported when a name is first used, so that opening the window stays quick.
_HOMES = {
    "FinetuneParams": "training.finetune_params",
    "InstsegError": "core.errors",
    "Known": "inference.fit",
    "Method": "core.method",
    "Model": "inference.model",
    "Output": "core.method",
    "Params": "core.params",
    "Prediction": "inference.prediction",
    "Recipe": "training.recipe",
    "Segmentation": "decoding.pipeline",
    "Stage": "core.method",
    "View": "core.method",
    "choice": "core.params",
    "evaluate_labels": "metrics",
    "find_kind": "inference.auto",
    "finetune": "training.finetune",
    "fit": "inference.fit",
    "flag": "core.params",
    "get_method": "methods",
    "load_model": "inference.model",
    "load_sample": "data.samples",
    "methods": "methods",
    "open_examples": "training.annotations",
    "open_pairs": "io.pairs",
    "pairs_from_arrays": "io.pairs",
    "read_image": "io.images",
    "read_labels": "io.labels",
    "segment": "inference.auto",
    "segment_large": "scale.run",
    "shipped": "zoo",
    "simulate": "data.simulate",
    "text": "core.params",
    "train": "training.train",
    "tunable": "core.params",
    "unmix": "data.stains",
}

__all__ = [
    "FinetuneParams",
    "InstsegError",
    "Known",
    "Method",
    "Model",
    "Output",
    "Params",
    "Prediction",
    "Recipe",
    "Segmentation",
    "Stage",
    "View",
    "__version__",
    "choice",
    "evaluate_labels",
    "find_kind",
    "finetune",
    "fit",
    "flag",
    "get_method",
    "load_model",
    "load_sample",
    "methods",
    "open_examples",
    "open_pairs",
    "pairs_from_arrays",
    "read_image",
    "read_labels",
    "segment",
    "segment_large",
    "shipped",
    "simulate",
    "text",
    "train",
    "tunable",
    "unmix",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = import_module("importlib.metadata").version("napari-instseg")
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module 'napari_instseg' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
