"""Any network: NPZ whose arrays have the names of a method's outputs, and `method`, the method's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import names_in, read_arrays
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction


def recognise(path: Path) -> bool:
    """Tell by the array `method`."""
    return "method" in names_in(path)


def read(path: Path) -> Prediction:
    """Read the outputs; which a method has: ``instseg methods --json -``."""
    arrays = read_arrays(path)
    method = arrays.pop("method", None)
    if method is None or method.ndim != 0 or method.dtype.kind != "U":
        raise InputError(f"'{path}' does not say its method; expected an array 'method' with the name as text.")
    outputs = {name: array.astype(np.float32) if array.dtype.kind in "iub" else array for name, array in arrays.items()}
    return Prediction(str(method), outputs)


ADAPTER = Adapter("arrays", "NPZ with 'method' and that method's outputs by name", "discriminative", recognise, read)
