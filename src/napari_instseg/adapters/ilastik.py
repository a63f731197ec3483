"""ilastik: probabilities of its classes in HDF5, decoded as colours: the likeliest class, and its connected pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.hdf5 import largest_dataset, read_dataset
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction


def recognise(path: Path) -> bool:
    """Tell by the end of the name."""
    return path.suffix.lower() in (".h5", ".hdf5")


def read(path: Path) -> Prediction:
    """Read the dataset ``exported_data`` or the only one; the class that covers most of the image is background.

    Raises
    ------
    InputError
        If it has no channels, or more than one image.
    """
    array, axes = read_dataset(path, largest_dataset(path))
    if not axes:
        axes = "zyxc"[-array.ndim :] if array.ndim in (3, 4) else ""
    if "c" not in axes or not set("yx") <= set(axes):
        raise InputError(f"'{path}' has the axes '{axes}', shape {array.shape}; expected y, x and a channel per class.")
    if "t" in axes:
        if array.shape[axes.index("t")] != 1:
            raise InputError(f"'{path}' has several time points; export one at a time.")
        array, axes = array.take(0, axis=axes.index("t")), axes.replace("t", "")
    if "z" in axes and array.shape[axes.index("z")] == 1:
        array, axes = array.take(0, axis=axes.index("z")), axes.replace("z", "")
    spatial = "".join(letter for letter in "zyx" if letter in axes)
    array = array.transpose([axes.index(letter) for letter in "c" + spatial])
    if len(array) < 2:
        raise InputError(f"'{path}' has {len(array)} channel; expected the probability of each class, two or more.")
    return predict(array)


def predict(probabilities: np.ndarray[Any, Any], background: int | None = None) -> Prediction:
    """Turn the probabilities of ilastik's classes into a prediction.

    Parameters
    ----------
    probabilities : array (C, Y, X) or (C, Z, Y, X)
        From 0 to 1, or to the largest number of an integer type.
    background : int, optional
        The class that is no object, from 0; the one that covers most of the image if not given.
    """
    kind = probabilities.dtype
    scale = float(np.iinfo(kind).max) if kind.kind in "ui" else 1.0
    colors = probabilities.astype(np.float32) / np.float32(scale)
    if background is None:
        background = int(np.bincount(colors.argmax(0).ravel(), minlength=len(colors)).argmax())
    order = [background, *(number for number in range(len(colors)) if number != background)]
    return Prediction("coloring", {"colors": np.ascontiguousarray(colors[order])})


ADAPTER = Adapter("ilastik", "HDF5 with the probability of each class (ilastik)", "coloring", recognise, read)
